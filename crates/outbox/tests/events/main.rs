//! Findings to events to the store: chain, spool, losses that are declared.

mod arrival;
mod bench;
mod bounds;
mod by_package;
mod damage;
mod examples;
mod floods;
mod killed;
mod log;
mod log_forms;
mod migration;
mod regions;
mod samples;
mod schema;
mod source;
mod told;

use agent_core::finding::{self, Check, Finding, Form, Severity, Verdict};
use agent_outbox::event::{Digests, EventSource, Lifecycle};
use agent_outbox::parcel::{Delivery, Parcel};
use agent_outbox::store::{OpenOutcome, ScanId, Scope, SinkKind, Store};
use serde_json::{Value, json};
use std::path::Path;

/// An arbitrary time.
pub(crate) const T: i64 = 1_795_310_000_123;

/// A host as it is on EC2, with all that may be known of it.
pub(crate) fn source() -> EventSource {
    let source = source::source();
    EventSource {
        digests: Digests {
            signer: "builder@example.org (SHA256:abc)".into(),
            profile_name: "al2023".into(),
            launch_record: "ef".repeat(32),
            amendments: vec!["34".repeat(32)],
            ..source.digests
        },
        checks: [&PERMIT_ROOT_LOGIN, &SERIAL_PASSWORD]
            .into_iter()
            .chain(finding::FILE_CHECKS)
            .collect(),
        ..source
    }
}

/// A changed file, as the eye words it.
pub(crate) fn changed(path: &str, severity: Severity, size: u64) -> Finding {
    let evidence = |digest: &str, size: u64| json!({ "size": size, "mtime": "2026-11-22T06:13:19.223456789Z", "sha256": digest.repeat(32) });
    let mut finding = Finding::new(
        &finding::FILES_CHANGED,
        Verdict::Fail,
        severity,
        path,
        format!("changed since the image was recorded: contents, size 1024 → {size}, mtime"),
    )
    .evidence(evidence("aa", 1024), evidence("bb", size))
    .remediation(
        "find out who did it; restore the file from the image, or record the image anew if it is meant",
    );
    use agent_core::attributes::{Attribute, AttributeSet};
    finding.changed = AttributeSet::NONE
        .with(Attribute::Size)
        .with(Attribute::Mtime)
        .with(Attribute::Sha256);
    finding
}

/// A check of settings, as the agent has it.
pub(crate) static PERMIT_ROOT_LOGIN: Check = Check {
    id: "sshd.permit_root_login",
    title: "Root does not log in over SSH",
    demand: "PermitRootLogin no",
    why: "a login as root leaves nobody to be called to account, and is what every scanner tries",
    severity: Some(Severity::High),
    form: Form::Word(&["no", "prohibit-password", "forced-commands-only"]),
    remedy: Some("PermitRootLogin no"),
    references: &[
        "CIS AL2023 4.2.7",
        "AZLX-23-001240",
        "RHEL-09-255045",
        "EC2 user guide, shared AMIs",
    ],
};

/// One that no guide asks for.
pub(crate) static SERIAL_PASSWORD: Check = Check {
    id: "console.serial_password",
    title: "The serial console asks for a password",
    references: &[],
    ..PERMIT_ROOT_LOGIN
};

/// A engine with standard output as its sink, and a clock of its own.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) now: i64,
    pub(crate) news: Vec<OpenOutcome>,
}

impl Fixture {
    pub(crate) fn open(directory: &Path, max_size: u64, now: i64) -> Fixture {
        let (mut store, news) =
            Store::open(directory, max_size, source(), now).expect("the store opens");
        store.enable(&[SinkKind::Stdout], now);
        Fixture { store, now, news }
    }

    /// One scan of `scope` that finds these.
    pub(crate) fn look(&mut self, scope: Scope, findings: &[Finding]) -> ScanId {
        let scan_id = self.store.begin(scope);
        for finding in findings {
            self.store.found(scan_id, finding, None, self.now);
        }
        self.store.end(scan_id, self.now);
        self.settle();
        scan_id
    }

    /// Lets everything be told that waits.
    pub(crate) fn settle(&mut self) {
        self.store.commit(self.now);
        for _ in 0..100_000 {
            match self.store.tick(self.now) {
                Some(wait) if wait <= 2000 => self.now += wait,
                _ => return,
            }
        }
        panic!("ticks without end: {:?}", self.store.pending(self.now));
    }

    pub(crate) fn tell(&mut self, event: Lifecycle) {
        self.store.tell(event, self.now);
        self.settle();
    }

    /// All that waits, in the order of the chain; it stays.
    pub(crate) fn waiting(&mut self) -> Vec<Parcel> {
        let mut parcels = self.handed_over();
        parcels.sort_by_key(|parcel| parcel.key);
        parcels
    }

    /// All that waits, in the order in which it is delivered; it stays.
    pub(crate) fn handed_over(&mut self) -> Vec<Parcel> {
        self.store.parcels(SinkKind::Stdout, usize::MAX, usize::MAX)
    }

    /// All that waits, as JSON; it stays no longer.
    pub(crate) fn take(&mut self) -> Vec<Value> {
        let parcels = self.waiting();
        let delivery = Delivery {
            accepted: parcels.iter().map(|parcel| parcel.key).collect(),
            refused: Vec::new(),
        };
        self.store.settle(SinkKind::Stdout, &delivery, self.now);
        self.settle();
        values(&parcels)
    }
}

pub(crate) fn values(parcels: &[Parcel]) -> Vec<Value> {
    parcels
        .iter()
        .map(|parcel| serde_json::from_slice(&parcel.bytes).expect("JSON"))
        .collect()
}

/// An event in a few words: step and subject of a finding, the activity of anything else.
pub(crate) fn gist(event: &Value) -> String {
    let subject = event["unmapped"]["subject"].as_str().unwrap_or("");
    let step = match (&event["class_uid"], event["activity_id"].as_u64()) {
        (class, Some(1)) if class == 2004 || class == 2003 => "raised",
        (class, Some(2)) if class == 2004 || class == 2003 => match event["status_id"].as_u64() {
            Some(1) => "changed",
            _ => "reminded",
        },
        (class, Some(3)) if class == 2004 || class == 2003 => "cleared",
        (class, _) if class == 6008 => event["status_code"].as_str().expect("a code"),
        _ => event["activity_name"].as_str().expect("a name"),
    };
    format!("{step} {subject}").trim_end().to_owned()
}

pub(crate) fn gists(events: &[Value]) -> Vec<String> {
    events.iter().map(gist).collect()
}
