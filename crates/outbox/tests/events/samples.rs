//! Events of every kind that there is, for the schema to judge.

use super::{Fixture, PERMIT_ROOT_LOGIN, SERIAL_PASSWORD, T, changed, source};
use agent_core::attributes::AttributeSet;
use agent_core::change::{Actor, ChangeContext};
use agent_core::explained::Evidence;
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::host::Host;
use agent_outbox::event::finding::Step;
use agent_outbox::event::own::Spool;
use agent_outbox::event::replaced::{ManifestMark, ManifestReplaced};
use agent_outbox::event::{
    EventSource, Fault, Heartbeat, Heartbeats, LastScan, LaunchEntry, Lifecycle, ManifestState,
    NewPackage, SinkState, Transaction, TransactionCounts,
};
use agent_outbox::store::{Scope, SinkKind, Store};
use serde_json::{Value, json};

fn all_of_a_file() -> Value {
    json!({
        "type": "file", "mode": "4755", "uid": 0, "gid": 0, "size": 1024,
        "mtime": "2026-11-22T06:13:19.223456789Z", "link": "/x", "nlink": 1,
        "sha256": "ab".repeat(32), "md5": "cd".repeat(16),
        "xattrs": { "security.capability": "ab".repeat(32), "user.\\xff": "cd".repeat(32) },
        "flags": "ia", "device": "8:1",
    })
}

fn findings() -> Vec<Finding> {
    let file = |check, verdict, path: &[u8], expected: Value, observed: Value| {
        let mut finding = Finding::new(check, verdict, Severity::High, path, "was changed")
            .evidence(expected, observed)
            .remediation("mend it");
        finding.changed = AttributeSet::ALL;
        finding
    };
    let mut all = vec![
        file(
            &finding::FILES_ADDED,
            Verdict::Fail,
            b"/etc/a",
            Value::Null,
            all_of_a_file(),
        ),
        file(
            &finding::FILES_REMOVED,
            Verdict::Fail,
            b"/etc/b",
            all_of_a_file(),
            Value::Null,
        ),
        file(
            &finding::FILES_CHANGED,
            Verdict::Fail,
            b"/etc/\xff\x01c",
            all_of_a_file(),
            all_of_a_file(),
        ),
        file(
            &finding::FILES_UNREADABLE,
            Verdict::Unknown,
            b"/",
            Value::Null,
            Value::Null,
        ),
        file(
            &finding::FILES_PROFILE,
            Verdict::Fail,
            b"/usr/share/m",
            Value::Null,
            Value::Null,
        ),
    ];
    for kind in ["dir", "link", "fifo", "char", "block", "socket", "other"] {
        let mut evidence = all_of_a_file();
        evidence["type"] = kind.into();
        let path = format!("/dev/{kind}");
        all.push(file(
            &finding::FILES_ADDED,
            Verdict::Fail,
            path.as_bytes(),
            Value::Null,
            evidence,
        ));
    }
    for (check, verdict, subject) in [
        (&PERMIT_ROOT_LOGIN, Verdict::Fail, "sshd"),
        (&PERMIT_ROOT_LOGIN, Verdict::Unknown, "sshd of jail"),
        (&SERIAL_PASSWORD, Verdict::Fail, "console"),
    ] {
        let finding = Finding::new(check, verdict, Severity::Medium, subject, "is not so")
            .evidence(
                json!({ "value": "no" }),
                json!({ "value": "yes", "default": false, "conflicts": ["a:1"] }),
            )
            .location("/etc/ssh/sshd_config:3")
            .remediation("set it");
        all.push(finding);
    }
    all
}

pub(super) fn own() -> Vec<Lifecycle> {
    let entry = |path: &[u8], before: Option<&str>, after: Option<&str>| LaunchEntry {
        path: path.to_vec(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    vec![
        Lifecycle::Started {
            first_of_boot: true,
            message: "starts".into(),
        },
        Lifecycle::Reloaded {
            changed: vec!["scan.interval".into()],
        },
        Lifecycle::Reloaded { changed: vec![] },
        Lifecycle::CoverageGap {
            reason: "the kernel's queue of file events overflowed".into(),
            since: T,
            until: None,
            paths: None,
        },
        Lifecycle::CoverageGap {
            reason: "the agent was not running".into(),
            since: T,
            until: Some(T + 5),
            paths: Some(7),
        },
        Lifecycle::TransactionBegun(dpkg()),
        Lifecycle::TransactionEnded {
            transaction: dpkg(),
            since: T,
            until: T + 61_234,
            waited: 40,
            counts: TransactionCounts::default(),
        },
        Lifecycle::NewPackage(kernel()),
        Lifecycle::Fault(refused()),
        Lifecycle::LaunchRecord {
            sha256: "ab".repeat(32),
            entries: vec![
                entry(b"/etc/passwd", Some("size=1"), Some("size=2")),
                entry(b"/etc/\n\xff", None, Some("size=2")),
                entry(b"/etc/old", Some("size=2"), None),
            ],
            accounts: vec!["ec2-user".into()],
            keys: vec!["ec2-user SHA256:abc".into()],
        },
        Lifecycle::Manifest {
            path: "/usr/share/host-integrity-agent/manifest.mtree".into(),
            state: ManifestState::Untrusted,
            step: Step::Raised,
            since: T,
            message: "none of the trusted signers signed it".into(),
        },
        Lifecycle::Manifest {
            path: "/usr/share/host-integrity-agent/manifest.mtree".into(),
            state: ManifestState::Untrusted,
            step: Step::Cleared,
            since: T,
            message: "the manifest can be used again".into(),
        },
        Lifecycle::ManifestReplaced(Box::new(ManifestReplaced {
            path: "/usr/share/host-integrity-agent/manifest.mtree".into(),
            before: ManifestMark::default(),
            after: ManifestMark {
                sha256: "ab".repeat(32),
                signer: "builder (SHA256:abc)".into(),
            },
            actor: Some(Actor {
                pid: 4711,
                name: Some("mv".into()),
                ..Actor::default()
            }),
        })),
        Lifecycle::Stopped {
            reason: "SIGTERM".into(),
        },
    ]
}

fn refused() -> Fault {
    Fault {
        code: "reload.refused",
        message: "agent.toml:3: no such key".into(),
        severity: Severity::Medium,
    }
}

fn kernel() -> NewPackage {
    NewPackage {
        name: "linux-image-6.1.0-57-cloud-amd64".into(),
        version: "6.1.192-3".into(),
        evidence: Some(Evidence::Signed),
        at: Some("2026-11-29T18:05:11Z".into()),
        transaction: Some("apt-get dist-upgrade".into()),
    }
}

fn dpkg() -> Transaction {
    Transaction {
        holder: "apt-get".into(),
        pid: 4711,
        manager: "dpkg",
    }
}

/// Heartbeats of hosts where nothing is amiss, of each sort of host.
fn brief(store: &Store, now: i64) -> Vec<Vec<u8>> {
    let well = Heartbeat {
        watching: true,
        ..Heartbeat::default()
    };
    let head = store.head();
    let machine = Host {
        machine_id: "ab".repeat(16),
        ..Host::default()
    };
    let hosts = [source().host, machine, Host::default()];
    let second = |host| {
        let source = EventSource {
            host,
            ..EventSource::default()
        };
        let mut heartbeats = Heartbeats::default();
        let mut next = || heartbeats.next(&source, &well, &Spool::default(), head.as_ref(), now);
        let first = next().len();
        let second = next();
        assert!(second.len() <= 600 && second.len() < first);
        second
    };
    hosts.into_iter().map(second).collect()
}

fn beat() -> Heartbeat {
    Heartbeat {
        uptime_s: 3600,
        interval_s: 60,
        watching: true,
        files: 26_454,
        directories: 2000,
        linked: Default::default(),
        unknowns: 1,
        last_scan: Some(LastScan {
            ended: T,
            files: 26_454,
            deviations: 2,
            unknowns: 1,
            unread: None,
        }),
        rss_bytes: 12 << 20,
        cpu_permille: 3,
        clock_skew_ms: Some(-12),
        sinks: vec![
            SinkState {
                name: "cloudwatch_logs",
                state: "retrying",
                error: "access denied".into(),
                endpoint: String::new(),
            },
            SinkState {
                name: "file",
                state: "delivering",
                error: String::new(),
                endpoint: String::new(),
            },
        ],
        kernel: "6.1.0".into(),
        trouble: vec!["not watching: no more watches".into()],
    }
}

/// Every kind of event that there is, of this origin.
pub(super) fn every_kind(source: EventSource) -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, news) = Store::open(directory.path(), 1 << 20, source, T).expect("the store opens");
    let mut fixture = Fixture {
        store,
        now: T,
        news,
    };
    fixture.store.enable(&[SinkKind::Stdout], T);
    let mut lines = Vec::new();
    let mut drain = |fixture: &mut Fixture| {
        lines.extend(fixture.waiting().iter().map(|p| p.bytes.to_vec()));
        fixture.take();
    };
    for event in own() {
        fixture.tell(event);
    }
    drain(&mut fixture);
    let context = ChangeContext {
        actor: Some(Actor {
            pid: 812,
            name: Some("vi".into()),
            program: Some("/usr/bin/vi".into()),
            executable: None,
            command_line: Some("vi …".into()),
            uid: Some(0),
            login_uid: Some(1000),
            parent_pid: Some(800),
            parent_name: Some("bash".into()),
            unit: Some("session-1.scope".into()),
            container: Some("abc".into()),
        }),
        transaction: Some("dpkg".into()),
        while_down: true,
        restored: true,
        replaces: Some("1.0".into()),
    };
    // Raised, with and without an actor; changed; reminded; cleared.
    let scan_id = fixture.store.begin(Scope::Files);
    for (i, finding) in findings().iter().enumerate() {
        let context = (i % 2 == 0).then_some(&context);
        fixture.store.found(scan_id, finding, context, fixture.now);
    }
    fixture.store.end(scan_id, fixture.now);
    fixture.settle();
    let mut other = findings();
    for finding in &mut other {
        finding.location = Some("elsewhere:1".into());
    }
    fixture.look(Scope::Path(b"/".to_vec()), &other);
    fixture.now += 25 * 3600 * 1000;
    fixture.look(Scope::Path(b"/".to_vec()), &other);
    fixture.look(Scope::Files, &[]);
    fixture.look(Scope::Settings, &[]);
    drain(&mut fixture);
    // A flood, and what a full spool drops.
    let many: Vec<Finding> = (0..1500)
        .map(|n| changed(&format!("/{}/{n}", n % 40), Severity::Low, 5))
        .collect();
    fixture.look(Scope::Files, &many);
    drain(&mut fixture);
    lines.push(fixture.store.heartbeat(&beat(), fixture.now));
    lines.push(fixture.store.heartbeat(&Heartbeat::default(), fixture.now));
    lines.extend(brief(&fixture.store, fixture.now));
    drop(fixture);
    // A store that is no store.
    std::fs::write(directory.path().join("store.redb"), "x".repeat(5000)).expect("damage");
    let mut fixture = Fixture::open(directory.path(), 1 << 20, T);
    lines.extend(fixture.waiting().iter().map(|p| p.bytes.to_vec()));
    lines
}
