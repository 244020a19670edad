//! What one host ships, made by the real ledger, store, chain and heartbeats in a directory of its own. Every host of the
//! simulation ships the same.

use agent_core::attributes::{Attribute, AttributeSet};
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::host::{Cloud, Host};
use agent_outbox::event::own::Spool;
use agent_outbox::event::{Digests, EventSource, Heartbeat, Heartbeats, Lifecycle};
use agent_outbox::parcel::{Delivery, Parcel};
use agent_outbox::store::{Scope, SinkKind, Store};
use serde_json::json;
use std::sync::Arc;

/// The virtual clock begins here, in milliseconds since 1970.
pub(crate) const EPOCH: i64 = 1_795_310_000_000;

/// Events of one host.
pub(crate) struct Sample {
    /// Of its first start: the start, and findings of low and medium severity.
    pub(crate) start: Vec<Parcel>,
    /// A file of the image deviates: high.
    pub(crate) deviation: Vec<Parcel>,
    /// A heartbeat that says everything.
    pub(crate) full: Arc<[u8]>,
    /// One that says that nothing has changed.
    pub(crate) brief: Arc<[u8]>,
}

impl Sample {
    /// Lets the real store tell them.
    pub(crate) fn make() -> Sample {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut store, _) =
            Store::open(directory.path(), 64 << 20, source(), EPOCH).expect("a store");
        store.enable(&[SinkKind::CloudwatchLogs], EPOCH);
        let message = "the first start on this host".into();
        store.tell(
            Lifecycle::Started {
                first_of_boot: true,
                message,
            },
            EPOCH,
        );
        let settings: Vec<Finding> = (0..12)
            .map(|n| {
                changed(
                    &format!("/etc/{n}"),
                    [Severity::Low, Severity::Medium][n % 2],
                )
            })
            .collect();
        let start = told(&mut store, Scope::Files, &settings);
        let sshd = "/etc/ssh/sshd_config";
        let deviation = told(
            &mut store,
            Scope::Path(sshd.as_bytes().to_vec()),
            &[changed(sshd, Severity::High)],
        );
        let well = Heartbeat {
            watching: true,
            interval_s: 300,
            files: 26_454,
            directories: 3_100,
            kernel: "6.1.0-31-cloud-amd64".into(),
            ..Heartbeat::default()
        };
        let (mut heartbeats, spool) = (Heartbeats::default(), Spool::default());
        let head = store.head();
        let mut next = || -> Arc<[u8]> {
            let bytes = heartbeats.next(&source(), &well, &spool, head.as_ref(), EPOCH);
            bytes.into()
        };
        Sample {
            start,
            deviation,
            full: next(),
            brief: next(),
        }
    }
}

/// What the store hands over of a scan that finds these.
fn told(store: &mut Store, scope: Scope, findings: &[Finding]) -> Vec<Parcel> {
    let scan = store.begin(scope);
    for finding in findings {
        store.found(scan, finding, None, EPOCH);
    }
    store.end(scan, EPOCH);
    store.commit(EPOCH);
    let parcels = store.parcels(SinkKind::CloudwatchLogs, usize::MAX, usize::MAX);
    let delivery = Delivery {
        accepted: parcels.iter().map(|parcel| parcel.key).collect(),
        refused: Vec::new(),
    };
    store.settle(SinkKind::CloudwatchLogs, &delivery, EPOCH);
    store.commit(EPOCH);
    parcels
}

fn changed(path: &str, severity: Severity) -> Finding {
    let evidence = |digest: &str| json!({ "size": 1024, "mtime": "2026-11-22T06:13:19.223456789Z", "sha256": digest.repeat(32) });
    let mut finding = Finding::new(
        &finding::FILES_CHANGED,
        Verdict::Fail,
        severity,
        path,
        "changed since the image was recorded: contents, mtime",
    )
    .evidence(evidence("aa"), evidence("bb"));
    finding.changed = AttributeSet::NONE
        .with(Attribute::Mtime)
        .with(Attribute::Sha256);
    finding
}

fn source() -> EventSource {
    EventSource {
        host: Host {
            hostname: "ip-10-0-0-5".into(),
            machine_id: "0123456789abcdef0123456789abcdef".into(),
            boot_id: "3f1c0000-0000-4000-8000-000000000001".into(),
            os: "Amazon Linux 2023".into(),
            instance_id: "i-0123456789abcdef0".into(),
            cloud: Some(Box::new(Cloud {
                image_id: "ami-0abcdef1234567890".into(),
                account_id: "123456789012".into(),
                region: "eu-central-1".into(),
                zone: "eu-central-1a".into(),
                instance_type: "t3.micro".into(),
                private_ip: "10.0.0.5".into(),
                verified: true,
            })),
        },
        ip: "10.0.0.5".into(),
        checks: finding::FILE_CHECKS.into_iter().collect(),
        digests: Digests {
            manifest: "ab".repeat(32),
            profile: "cd".repeat(32),
            binary: "12".repeat(32),
            ..Digests::default()
        },
    }
}
