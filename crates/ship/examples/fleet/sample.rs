//! What a host finds and ships, told to the real store: by each host that has one, or once for all.

use crate::EPOCH;
use agent_core::attributes::{Attribute, AttributeSet};
use agent_core::explained::{Evidence, ExplainedBy, ExplanationKind};
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_outbox::event::own::Spool;
use agent_outbox::event::{EventSource, Heartbeat, Heartbeats, Lifecycle};
use agent_outbox::parcel::{Delivery, Parcel};
use agent_outbox::store::{Scope, SinkKind, Store};
use serde_json::json;
use std::sync::Arc;

#[path = "../../../outbox/tests/events/source.rs"]
mod one_host;

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
        let source = source(0);
        let (mut store, _) =
            Store::open(directory.path(), 64 << 20, source.clone(), EPOCH).expect("a store");
        store.enable(&[SinkKind::CloudwatchLogs], EPOCH);
        first_start(&mut store, EPOCH);
        let start = delivered(&mut store);
        deviate(&mut store, EPOCH);
        let deviation = delivered(&mut store);
        let (mut heartbeats, spool) = (Heartbeats::default(), Spool::default());
        let head = store.head();
        let mut next = || -> Arc<[u8]> {
            let bytes = heartbeats.next(&source, &well(), &spool, head.as_ref(), EPOCH);
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

/// The start of a host, and what it finds then: settings of low and medium severity.
pub(crate) fn first_start(store: &mut Store, now: i64) {
    let message = "the first start on this host".into();
    store.tell(
        Lifecycle::Started {
            first_of_boot: true,
            message,
        },
        now,
    );
    let settings: Vec<Finding> = (0..12)
        .map(|n| {
            changed(
                &format!("/etc/{n}"),
                [Severity::Low, Severity::Medium][n % 2],
            )
        })
        .collect();
    scan(store, Scope::Files, &settings, now);
}

/// A file of the image deviates: high.
pub(crate) fn deviate(store: &mut Store, now: i64) {
    let sshd = "/etc/ssh/sshd_config";
    scan(
        store,
        Scope::Path(sshd.as_bytes().to_vec()),
        &[changed(sshd, Severity::High)],
        now,
    );
}

/// What a host says of itself where nothing is amiss.
pub(crate) fn well() -> Heartbeat {
    Heartbeat {
        watching: true,
        interval_s: 300,
        files: 26_454,
        directories: 3_100,
        kernel: "6.1.0-31-cloud-amd64".into(),
        ..Heartbeat::default()
    }
}

/// What an upgrade of so many packages with so many paths each ships: told by package, and of every twentieth package one
/// path that is critical, told by itself.
pub(crate) fn upgrade(packages: usize, paths: usize) -> Vec<Parcel> {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) =
        Store::open(directory.path(), 256 << 20, source(0), EPOCH).expect("a store");
    store.enable(&[SinkKind::CloudwatchLogs], EPOCH);
    scan(&mut store, Scope::Files, &[], EPOCH);
    let explained = |package: usize, path: usize| {
        let severity = match (package % 20, path) {
            (0, 0) => Severity::Critical,
            _ => Severity::High,
        };
        let name = format!("library-{package}");
        let mut finding = changed(
            &format!("/usr/lib/x86_64-linux-gnu/{name}/some-module-{path}.so"),
            Severity::Low,
        );
        finding.unexplained_severity = Some(severity);
        finding.explained_by = Some(ExplainedBy {
            package: Some(name),
            version: Some("1.2.3-4+deb12u2".into()),
            evidence: Some(Evidence::Signed),
            ..ExplainedBy::new(ExplanationKind::Package)
        });
        finding
    };
    let findings: Vec<Finding> = (0..packages)
        .flat_map(|package| (0..paths).map(move |path| explained(package, path)))
        .collect();
    scan(&mut store, Scope::Files, &findings, EPOCH);
    delivered(&mut store)
}

/// A scan that finds these.
fn scan(store: &mut Store, scope: Scope, findings: &[Finding], now: i64) {
    let scan = store.begin(scope);
    for finding in findings {
        store.found(scan, finding, None, now);
    }
    store.end(scan, now);
    store.commit(now);
}

/// What the store hands over, which has it no more.
fn delivered(store: &mut Store) -> Vec<Parcel> {
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

/// The host with that number.
pub(crate) fn source(number: usize) -> EventSource {
    let mut source = one_host::source();
    source.host.hostname = format!("ip-10-0-0-{number}");
    source.host.machine_id = format!("{number:032x}");
    source.host.instance_id = format!("i-{number:017x}");
    source
}
