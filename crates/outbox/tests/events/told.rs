//! What is told of what is found.

use super::{Fixture, PERMIT_ROOT_LOGIN, T, changed, gists};
use agent_core::change::{Actor, ChangeContext};
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_outbox::event::{Heartbeat, Lifecycle};
use agent_outbox::parcel::Delivery;
use agent_outbox::store::{OpenOutcome, Scope, SinkKind};
use serde_json::Value;
use sha2::{Digest, Sha256};

const DAY: i64 = 24 * 3600 * 1000;

pub(super) fn file(path: &str) -> Finding {
    changed(path, Severity::High, 1030)
}

pub(super) fn setting(verdict: Verdict) -> Finding {
    let message = "PermitRootLogin is yes, the profile demands no";
    Finding::new(&PERMIT_ROOT_LOGIN, verdict, Severity::High, "sshd", message)
}

#[test]
fn a_deviation_lives_from_look_to_look() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    assert_eq!(fixture.news, [OpenOutcome::Fresh]);
    let mut other = file("/etc/passwd");
    other.observed["size"] = 7.into();
    let looks: [(i64, Scope, Vec<Finding>, &[&str]); 10] = [
        (
            0,
            Scope::Files,
            vec![file("/etc/passwd"), file("/bin/ls")],
            &["raised /etc/passwd", "raised /bin/ls"],
        ),
        (
            1000,
            Scope::Files,
            vec![file("/etc/passwd"), file("/bin/ls")],
            &[],
        ),
        (
            1000,
            Scope::Path(b"/etc".to_vec()),
            vec![other.clone()],
            &["changed /etc/passwd"],
        ),
        (
            DAY - 10_000,
            Scope::Settings,
            vec![setting(Verdict::Fail)],
            &["raised sshd"],
        ),
        (
            15_000,
            Scope::Files,
            vec![other.clone(), file("/bin/ls")],
            &["reminded /etc/passwd", "reminded /bin/ls"],
        ),
        (
            1000,
            Scope::Path(b"/bin".to_vec()),
            vec![],
            &["cleared /bin/ls"],
        ),
        (1000, Scope::Path(b"/et".to_vec()), vec![], &[]),
        (
            1000,
            Scope::Settings,
            vec![setting(Verdict::Unknown)],
            &["changed sshd"],
        ),
        (
            1000,
            Scope::Area("sshd"),
            vec![setting(Verdict::Pass)],
            &["cleared sshd"],
        ),
        (1000, Scope::Files, vec![], &["cleared /etc/passwd"]),
    ];
    let mut uids = std::collections::HashMap::new();
    for (i, (pause, scope, findings, expected)) in looks.into_iter().enumerate() {
        fixture.now += pause;
        fixture.look(scope, &findings);
        let events = fixture.take();
        assert_eq!(gists(&events), expected, "scan {i}");
        for event in events {
            let subject = event["unmapped"]["subject"]
                .as_str()
                .expect("a subject")
                .to_owned();
            let uid = event["finding_info"]["uid"].clone();
            assert_eq!(*uids.entry(subject).or_insert_with(|| uid.clone()), uid);
        }
    }
    assert_eq!(uids.len(), 3);
    assert_eq!(fixture.store.pending(fixture.now).open, 0);
    fixture.look(Scope::Files, &[file("/etc/passwd")]);
    let anew = fixture.take();
    assert_ne!(
        anew[0]["finding_info"]["uid"], uids["/etc/passwd"],
        "another life"
    );
}

#[test]
fn a_restart_forgets_nothing_and_repeats_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    fixture.look(Scope::Files, &[file("/a"), file("/b")]);
    let told = fixture.waiting();
    drop(fixture);
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T + 5000);
    assert_eq!(fixture.news, []);
    assert_eq!(fixture.waiting(), told, "the spool survives to the byte");
    fixture.look(Scope::Files, &[file("/a")]);
    assert_eq!(
        gists(&fixture.take()),
        ["raised /a", "raised /b", "cleared /b"]
    );
}

#[test]
fn what_could_not_be_looked_at_clears_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    let all = ["/d", "/d/x", "/d/y/z", "/d-e", "/f"].map(file);
    fixture.look(Scope::Files, &all);
    fixture.take();
    let blind = |path: &str| {
        Finding::new(
            &finding::FILES_UNREADABLE,
            Verdict::Unknown,
            Severity::High,
            path,
            "cannot open the directory",
        )
    };
    fixture.look(Scope::Files, &[blind("/d"), blind("/f")]);
    assert_eq!(
        gists(&fixture.take()),
        ["raised /d", "raised /f", "cleared /d-e"]
    );
    fixture.look(Scope::Files, &[file("/d/x")]);
    let events = gists(&fixture.take());
    assert_eq!(events.len(), 5, "{events:?}");
    assert!(events.iter().all(|gist| gist.starts_with("cleared")));
}

#[test]
fn a_look_that_broke_off_clears_nothing_and_looks_may_overlap() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    fixture.look(Scope::Files, &[file("/a"), file("/b"), file("/c")]);
    fixture.take();
    let scan_id = fixture.store.begin(Scope::Files);
    fixture.store.abandon(scan_id, fixture.now);
    fixture.settle();
    assert_eq!(gists(&fixture.take()), [""; 0]);
    // The scan saw /a and had looked at /b before it deviated again; a spot check found it since.
    let scan = fixture.store.begin(Scope::Files);
    fixture.store.found(scan, &file("/a"), None, fixture.now);
    fixture.look(Scope::Path(b"/b".to_vec()), &[file("/b")]);
    fixture.store.end(scan, fixture.now);
    fixture.settle();
    assert_eq!(gists(&fixture.take()), ["cleared /c"]);
}

#[test]
fn a_clock_set_back_a_day_breaks_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    fixture.look(Scope::Files, &[file("/a")]);
    fixture.now -= DAY;
    fixture.look(Scope::Files, &[file("/a"), file("/b")]);
    fixture.tell(Lifecycle::Stopped {
        reason: "SIGTERM".into(),
    });
    fixture.now += DAY - 1;
    fixture.look(Scope::Files, &[file("/a"), file("/b")]);
    fixture.now += 2;
    fixture.look(Scope::Files, &[file("/a"), file("/b")]);
    let parcels = fixture.waiting();
    chained(&parcels.iter().map(|p| p.bytes.to_vec()).collect::<Vec<_>>());
    let events = fixture.take();
    assert_eq!(
        gists(&events),
        [
            "raised /a",
            "raised /b",
            "Stop",
            "reminded /a",
            "reminded /b"
        ]
    );
    let uids: std::collections::HashSet<_> = events
        .iter()
        .map(|e| e["metadata"]["uid"].to_string())
        .collect();
    assert_eq!(uids.len(), 5);
}

/// Panics unless these are a whole chain from its beginning.
pub(super) fn chained(events: &[Vec<u8>]) {
    let mut prev = Value::Null;
    for (i, bytes) in events.iter().enumerate() {
        let event: Value = serde_json::from_slice(bytes).expect("JSON");
        assert_eq!(event["metadata"]["sequence"], i as u64 + 1);
        assert_eq!(event["unmapped"]["chain"]["prev"], prev, "event {}", i + 1);
        let digest: Vec<String> = Sha256::digest(bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        prev = Value::String(digest.concat());
    }
}

#[test]
fn each_event_names_the_one_before_it_and_a_heartbeat_the_last() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    fixture.tell(Lifecycle::Started {
        first_of_boot: true,
        message: "starts".into(),
    });
    for n in 0..20 {
        fixture.look(
            Scope::Path(b"/".to_vec()),
            &[changed("/a", Severity::Low, n)],
        );
    }
    let parcels = fixture.waiting();
    let bytes: Vec<Vec<u8>> = parcels.iter().map(|p| p.bytes.to_vec()).collect();
    assert_eq!(bytes.len(), 21);
    chained(&bytes);
    let first: Value = serde_json::from_slice(&bytes[0]).expect("JSON");
    assert_eq!(
        first["unmapped"]["chain"]["reason"],
        "first start on this host"
    );
    assert_eq!(first["unmapped"]["digests"]["manifest"], "ab".repeat(32));
    let before = std::fs::read(directory.path().join("store.redb")).expect("the store");
    let beat: Value =
        serde_json::from_slice(&fixture.store.heartbeat(&Heartbeat::default(), fixture.now))
            .expect("JSON");
    let after = std::fs::read(directory.path().join("store.redb")).expect("the store");
    assert!(before == after, "a heartbeat writes nothing");
    assert_eq!(beat["unmapped"]["chain_head"]["sequence"], 21);
    assert_eq!(
        beat["unmapped"]["chain_head"]["id"],
        first["unmapped"]["chain"]["id"]
    );
    let digest: Vec<String> = Sha256::digest(&bytes[20])
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(beat["unmapped"]["chain_head"]["digest"], digest.concat());
    assert!(beat["metadata"].get("sequence").is_none());
    assert_eq!(beat["unmapped"]["spool"]["events"], 21);
}

#[test]
fn who_did_it_rides_on_the_event() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
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
            container: None,
        }),
        transaction: Some("dpkg".into()),
        while_down: true,
        restored: false,
        replaces: None,
    };
    let scan_id = fixture.store.begin(Scope::Path(b"/a".to_vec()));
    fixture
        .store
        .found(scan_id, &file("/a"), Some(&context), fixture.now);
    fixture.settle();
    let event = &fixture.take()[0];
    let process = &event["actor"]["process"];
    assert_eq!(process["pid"], 812);
    assert_eq!(process["user"]["uid"], "0");
    assert_eq!(process["parent_process"]["name"], "bash");
    let circumstances = &event["unmapped"]["cause"];
    assert_eq!(circumstances["transaction"], "dpkg");
    assert_eq!(circumstances["while_down"], true);
    assert_eq!(circumstances["login_uid"], 1000);
}

#[test]
fn every_sink_gets_everything_and_what_all_have_is_kept_no_longer() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    let sinks = [SinkKind::File, SinkKind::CloudwatchLogs];
    fixture.look(Scope::Files, &[file("/a"), file("/b")]);
    fixture.store.enable(&sinks, fixture.now);
    fixture.look(Scope::Path(b"/c".to_vec()), &[file("/c")]);
    let keys = |fixture: &mut Fixture, sink| -> Vec<u64> {
        let mut parcels = fixture.store.parcels(sink, 100, usize::MAX);
        parcels.sort_by_key(|parcel| parcel.key);
        parcels.iter().map(|parcel| parcel.key).collect()
    };
    let settle = |fixture: &mut Fixture, sink, keys: &[u64]| {
        let delivery = Delivery {
            accepted: keys.to_vec(),
            refused: Vec::new(),
        };
        fixture.store.settle(sink, &delivery, fixture.now);
    };
    assert_eq!(
        fixture.waiting().len(),
        0,
        "a sink that is gone waits for nothing"
    );
    let all = keys(&mut fixture, SinkKind::File);
    assert_eq!(all.len(), 3, "a sink that is new gets what waits");
    assert_eq!(keys(&mut fixture, SinkKind::CloudwatchLogs), all);
    settle(&mut fixture, SinkKind::File, &all[..2]);
    assert_eq!(
        keys(&mut fixture, SinkKind::File),
        all[2..],
        "not handed out again"
    );
    fixture.settle();
    assert_eq!(keys(&mut fixture, SinkKind::File), all[2..]);
    assert_eq!(keys(&mut fixture, SinkKind::CloudwatchLogs), all);
    settle(&mut fixture, SinkKind::CloudwatchLogs, &[all[1], all[2]]);
    fixture.settle();
    assert_eq!(fixture.store.pending(fixture.now).events, 2);
    fixture
        .store
        .enable(&[SinkKind::CloudwatchLogs], fixture.now);
    assert_eq!(fixture.store.pending(fixture.now).events, 1);
    settle(&mut fixture, SinkKind::CloudwatchLogs, &all);
    fixture.settle();
    assert_eq!(fixture.store.pending(fixture.now).events, 0);
    assert_eq!(fixture.store.pending(fixture.now).bytes, 0);
}

#[test]
fn parcels_come_in_portions() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    let some: Vec<Finding> = (0..10).map(|n| file(&format!("/{n}"))).collect();
    fixture.look(Scope::Path(b"/".to_vec()), &some);
    let all = fixture.waiting();
    let size = all[9].bytes.len();
    let mut take = |events, bytes| {
        let parcels = fixture.store.parcels(SinkKind::Stdout, events, bytes);
        parcels.iter().map(|p| p.key).collect::<Vec<u64>>()
    };
    let keys: Vec<u64> = all.iter().map(|p| p.key).collect();
    assert_eq!(take(3, usize::MAX), keys[..3]);
    assert_eq!(
        take(3, usize::MAX),
        keys[3..6],
        "turns go on where they were"
    );
    assert_eq!(take(10, 3 * size), keys[6..9]);
    assert_eq!(take(10, 1).len(), 1);
    assert_eq!(take(20, usize::MAX).len(), 10);
}

/// An ordinary user can bring this about: a directory of files that goes at once, and one new file.
#[test]
fn many_are_cleared_in_the_transaction_that_tells_a_new_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    let files: Vec<Finding> = (1..=520)
        .map(|n| changed(&format!("/home/u/.ssh/d/n{n}"), Severity::High, n))
        .collect();
    fixture.look(Scope::Files, &files);
    fixture.take();
    fixture.now += 10_000;
    fixture.look(
        Scope::Files,
        &[changed("/home/u/.ssh/rc", Severity::High, 1)],
    );
    let told = fixture.take();
    let of = |activity: u64| {
        let is = |event: &&Value| event["activity_id"] == activity && event["class_uid"] == 2004;
        told.iter().filter(is).count()
    };
    assert_eq!((of(1), of(3)), (1, 520));
}
