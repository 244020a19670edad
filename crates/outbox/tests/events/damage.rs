//! Stores that are damaged, of another host, locked, or on a disk that is full.

use super::{Fixture, T, changed, gists, source, values};
use agent_core::finding::{Finding, Severity};
use agent_outbox::event::Heartbeat;
use agent_outbox::store::{OpenOutcome, Scope, SinkKind, Store};
use harness::{agent, shell};
use serde_json::Value;
use std::path::Path;

fn file(path: &str) -> Finding {
    changed(path, Severity::High, 1030)
}

fn stores(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .expect("the directory")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_damaged_store_is_set_aside_and_the_next_one_says_so() {
    let damages: [(&str, &dyn Fn(&mut Vec<u8>)); 5] = [
        ("cut short", &|bytes| bytes.truncate(9000)),
        ("of zeros", &|bytes| bytes.fill(0)),
        ("of something else", &|bytes| *bytes = b"hello".repeat(4000)),
        ("with a bit flipped in a page in use", &|bytes| {
            let at = bytes
                .windows(8)
                .rposition(|w| w == b"/etc/foo")
                .expect("the subject");
            bytes[at] ^= 4;
        }),
        ("with its header overwritten", &|bytes| {
            bytes[..320].fill(0xff)
        }),
    ];
    for (what, damage) in damages {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store.redb");
        let mut fixture = Fixture::open(directory.path(), 4 << 20, T);
        fixture.look(Scope::Files, &[file("/etc/foo"), file("/b")]);
        let id = fixture.store.head().expect("a head").id;
        drop(fixture);
        let mut bytes = std::fs::read(&path).expect("the store");
        // Keys of the ledger write a slash as zero: find it in a held text or an event instead.
        match what {
            "with a bit flipped in a page in use" => {
                let at = bytes
                    .windows(8)
                    .rposition(|w| w == b"\0etc\0foo")
                    .expect("the key");
                bytes[at + 2] ^= 4;
            }
            _ => damage(&mut bytes),
        }
        std::fs::write(&path, &bytes).expect("damage");
        let mut fixture = Fixture::open(directory.path(), 4 << 20, T + 5000);
        let [OpenOutcome::SetAside { path: aside, .. }] = &fixture.news[..] else {
            panic!("{what}: {:?}", fixture.news);
        };
        assert_eq!(std::fs::read(aside).expect("it is kept"), bytes, "{what}");
        let first = &values(&fixture.waiting())[0];
        assert_eq!(first["status_code"], "store.set_aside", "{what}: {first:#}");
        assert_eq!(first["metadata"]["sequence"], 1);
        let link = &first["unmapped"]["chain"];
        assert!(
            link["reason"]
                .as_str()
                .is_some_and(|r| r.contains("damaged")),
            "{link}"
        );
        assert_ne!(link["id"], id);
        fixture.look(Scope::Files, &[file("/etc/foo")]);
        assert_eq!(
            gists(&fixture.take()),
            ["store.set_aside", "raised /etc/foo"]
        );
    }
}

#[test]
fn no_flipped_bit_ends_the_agent_or_changes_what_it_ships() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.redb");
    let mut fixture = Fixture::open(directory.path(), 4 << 20, T);
    let some: Vec<Finding> = (0..60).map(|n| file(&format!("/{n}"))).collect();
    fixture.look(Scope::Files, &some);
    let good = fixture.waiting();
    drop(fixture);
    let bytes = std::fs::read(&path).expect("the store");
    let count = std::env::var("AGENT_TEST_FLIPS").map_or(150, |n| n.parse().expect("a number"));
    let mut random = fastrand::Rng::with_seed(11);
    let mut aside = 0;
    for scan_id in 0..count {
        for name in stores(directory.path()) {
            std::fs::remove_file(directory.path().join(name)).expect("gone");
        }
        let mut damaged = bytes.clone();
        let at = match scan_id % 3 {
            // The header is small and matters most.
            0 => random.usize(..512),
            _ => random.usize(..bytes.len()),
        };
        damaged[at] ^= 1 << random.u8(0..8);
        std::fs::write(&path, &damaged).expect("damage");
        let mut fixture = Fixture::open(directory.path(), 4 << 20, T + 1);
        match &fixture.news[..] {
            [] => assert_eq!(fixture.waiting(), good, "byte {at}"),
            [OpenOutcome::SetAside { .. }] => aside += 1,
            news => panic!("byte {at}: {news:?}"),
        }
        fixture.look(Scope::Files, &some[..1]);
    }
    assert!(aside > 0);
}

#[test]
fn another_instance_begins_a_chain_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 4 << 20, T);
    fixture.look(Scope::Files, &[file("/a")]);
    let former = fixture.store.head().expect("a head");
    // The same instance, seen late or in part, is the same.
    let mut late = source();
    late.host.instance_id = String::new();
    assert_eq!(fixture.store.set_source(late, T), []);
    assert_eq!(fixture.store.set_source(source(), T), []);
    assert_eq!(fixture.store.head().as_ref(), Some(&former));
    let key = fixture.waiting()[0].key;
    let mut other = source();
    other.host.instance_id = "i-0fedcba9876543210".into();
    let news = fixture.store.set_source(other.clone(), T);
    assert!(
        matches!(&news[..], [OpenOutcome::OtherInstance { former, .. }] if former == "i-0123456789abcdef0"),
        "{news:?}"
    );
    let parcels = fixture.waiting();
    assert!(
        parcels[0].key > key,
        "what was handed out before is not mistaken for it"
    );
    let first = &values(&parcels)[0];
    let after = &first["unmapped"]["chain"]["after"];
    assert_eq!(after["id"], former.id);
    assert_eq!(after["sequence"], former.sequence);
    assert_eq!(first["device"]["instance_uid"], "i-0fedcba9876543210");
    fixture.look(Scope::Files, &[file("/a")]);
    // The former instance's log is elsewhere: this one's is whole by itself.
    let log = directory.path().join("log");
    let lines: Vec<u8> = fixture
        .waiting()
        .iter()
        .flat_map(|p| [&p.bytes[..], b"\n"].concat())
        .collect();
    std::fs::write(&log, lines).expect("the log");
    agent(["log".as_ref(), "verify".as_ref(), log.as_os_str()]).expect(0);
    std::fs::remove_file(&log).expect("gone");
    assert_eq!(gists(&fixture.take()), ["store.set_aside", "raised /a"]);
    drop(fixture);
    // An image that was baked with a state in it, started as yet another one.
    other.host.instance_id = "i-0aaaaaaaaaaaaaaaa".into();
    let (_, news) = Store::open(directory.path(), 4 << 20, other, T).expect("it opens");
    assert!(
        matches!(&news[..], [OpenOutcome::OtherInstance { .. }]),
        "{news:?}"
    );
    assert_eq!(stores(directory.path()).len(), 3);
}

#[test]
fn two_agents_and_no_directory_are_errors() {
    let directory = tempfile::tempdir().expect("a directory");
    let _desk = Fixture::open(directory.path(), 4 << 20, T);
    let second = Store::open(directory.path(), 4 << 20, source(), T);
    let error = second.expect_err("it is open already");
    assert!(error.message.contains("another agent"), "{error}");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("a file");
    assert!(Store::open(&file, 4 << 20, source(), T).is_err());
}

#[test]
fn only_its_owner_reads_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("a/b");
    let _desk = Fixture::open(&state, 4 << 20, T);
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&state.join("store.redb")), 0o600);
    assert_eq!(mode(&state), 0o700);
}

/// A file system of its own, gone when dropped.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn new(size: &str) -> Tiny {
        let directory = tempfile::tempdir().expect("a directory");
        shell(
            directory.path(),
            &format!("mount -t tmpfs -o size={size} tmpfs ."),
        );
        Tiny(directory)
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        shell(
            Path::new("/"),
            &format!("umount -l {}", self.0.path().display()),
        );
    }
}

#[test]
fn a_full_disk_is_waited_out() {
    let tiny = Tiny::new("1M");
    let mut fixture = Fixture::open(tiny.0.path(), 64 << 20, T);
    fixture.look(Scope::Files, &[file("/first")]);
    assert_eq!(gists(&fixture.take()), ["raised /first"]);
    let noise = |n: usize| {
        let mut finding = file(&format!("/{n}"));
        let text: String = (0..300).map(|_| fastrand::alphanumeric()).collect();
        finding.observed["link"] = text.into();
        finding
    };
    let scan_id = fixture.store.begin(Scope::Path(b"/".to_vec()));
    let many: Vec<Finding> = (0..3000).map(noise).collect();
    for finding in &many {
        fixture.store.found(scan_id, finding, None, fixture.now);
        fixture.now += 1;
        fixture.store.tick(fixture.now);
    }
    fixture.store.end(scan_id, fixture.now);
    fixture.store.commit(fixture.now);
    let pending = fixture.store.pending(fixture.now);
    let trouble = pending.trouble.clone().expect("the disk is full");
    assert!(trouble.contains("space"), "{trouble}");
    assert_eq!(pending.lost, 0, "{pending:?}");
    let beat: Value =
        serde_json::from_slice(&fixture.store.heartbeat(&Heartbeat::default(), fixture.now))
            .expect("JSON");
    assert_eq!(beat["status"], "Failure");
    // What comes in is delivered from memory, in a chain of its own that says why.
    let mut told = Vec::new();
    for _ in 0..4 {
        told.extend(fixture.take());
        fixture.now += 1;
    }
    assert!(raised(&told).len() > 1000, "{}", raised(&told).len());
    let of_memory = |event: &Value| {
        let reason = event["unmapped"]["chain"]["reason"].as_str();
        reason.is_some_and(|reason| reason.contains("cannot be written"))
    };
    assert_eq!(told.iter().filter(|event| of_memory(event)).count(), 1);
    // One more, and room again before it is delivered.
    let scan_id = fixture.store.begin(Scope::Path(b"/late".to_vec()));
    fixture
        .store
        .found(scan_id, &file("/late"), None, fixture.now);
    fixture.store.end(scan_id, fixture.now);
    fixture.store.commit(fixture.now);
    shell(tiny.0.path(), "mount -o remount,size=200M .");
    fixture.now += 120_000;
    fixture.settle();
    let pending = fixture.store.pending(fixture.now);
    assert_eq!((pending.trouble, pending.held), (None, 0));
    let mut events = fixture.take();
    assert!(raised(&events).contains(&"/late"));
    // What the disk held waited for it.
    told.append(&mut events.clone());
    let mut all = raised(&told);
    all.sort_unstable();
    all.dedup();
    assert_eq!(
        (all.len(), raised(&told).len()),
        (many.len() + 1, many.len() + 1)
    );
    assert!(
        events
            .iter()
            .any(|event| event["status_code"] == "store.unwritable")
    );
    // What was told from memory stands on disk now: nothing of it is told again.
    fixture.look(Scope::Files, &[many.as_slice(), &[file("/late")]].concat());
    events = fixture.take();
    assert_eq!(raised(&events), [""; 0]);
    let cleared = events
        .iter()
        .filter(|event| event["activity_id"] == 3 && event["class_uid"] == 2004);
    assert_eq!(cleared.count(), 1, "/first and nothing else");
}

fn raised(events: &[Value]) -> Vec<&str> {
    let raised = |event: &&Value| event["class_uid"] == 2004 && event["activity_id"] == 1;
    let all = events.iter().filter(raised);
    all.map(|event| event["unmapped"]["subject"].as_str().expect("a subject"))
        .collect()
}

#[test]
fn what_neither_disk_nor_memory_holds_is_declared() {
    let tiny = Tiny::new("1M");
    let mut fixture = Fixture::open(tiny.0.path(), 64 << 20, T);
    fixture.look(Scope::Files, &[file("/first")]);
    let noise = |n: usize| {
        let mut finding = changed(&format!("/{}/{n}", n % 7), Severity::Low, 1);
        let text: String = (0..3000).map(|_| fastrand::alphanumeric()).collect();
        finding.observed["link"] = text.into();
        finding
    };
    let many: Vec<Finding> = (0..6000).map(noise).collect();
    let scan_id = fixture.store.begin(Scope::Path(b"/".to_vec()));
    for finding in &many {
        fixture.store.found(scan_id, finding, None, fixture.now);
        fixture.store.tick(fixture.now);
    }
    fixture.store.found(
        scan_id,
        &changed("/etc/passwd", Severity::Critical, 1),
        None,
        fixture.now,
    );
    fixture.store.end(scan_id, fixture.now);
    let mut told = Vec::new();
    for _ in 0..4 {
        told.extend(fixture.take());
        fixture.now += 1;
    }
    let dropped: u64 = told
        .iter()
        .filter(|event| event["activity_name"] == "Dropped events")
        .map(|event| event["count"].as_u64().expect("a count"))
        .sum();
    assert!(dropped > 0);
    assert!(raised(&told).contains(&"/etc/passwd"));
    assert_eq!(
        raised(&told).len() as u64 + dropped,
        6002,
        "told or declared"
    );
}

#[test]
fn a_state_directory_that_goes_is_noticed_and_begun_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let mut fixture = Fixture::open(&state, 64 << 20, T);
    fixture.look(Scope::Files, &[file("/first")]);
    fixture.take();
    std::fs::remove_dir_all(&state).expect("removed");
    let scan_id = fixture.store.begin(Scope::Path(b"/a".to_vec()));
    fixture.store.found(scan_id, &file("/a"), None, fixture.now);
    fixture.store.end(scan_id, fixture.now);
    fixture.store.commit(fixture.now);
    assert!(fixture.store.pending(fixture.now).trouble.is_some());
    assert_eq!(raised(&values(&fixture.waiting())), ["/a"], "from memory");
    fixture.take();
    fixture.now += 120_000;
    fixture.settle();
    assert_eq!(fixture.store.pending(fixture.now).trouble, None);
    assert_eq!(stores(&state), ["store.redb"]);
    fixture.look(Scope::Files, &[file("/first"), file("/a")]);
    let told = fixture.take();
    assert_eq!(
        raised(&told),
        ["/first"],
        "what it knew went with it, but not what memory knew"
    );
}

#[test]
fn a_disk_that_is_full_from_the_start_is_waited_out() {
    let tiny = Tiny::new("16K");
    std::fs::write(tiny.0.path().join("filler"), vec![1; 12 << 10]).expect("it fits");
    let (mut store, news) = Store::open(tiny.0.path(), 4 << 20, source(), T).expect("it starts");
    assert!(
        matches!(&news[..], [OpenOutcome::Unusable { .. }]),
        "{news:?}"
    );
    let scan_id = store.begin(Scope::Files);
    store.found(scan_id, &file("/a"), None, T);
    store.end(scan_id, T);
    assert!(store.pending(T).trouble.is_some());
    store.enable(&[SinkKind::Stdout], T);
    let wait = store.tick(T + 100).expect("it will try again");
    assert!(wait > 0);
    let parcels = store.parcels(SinkKind::Stdout, 10, usize::MAX);
    assert_eq!(gists(&values(&parcels)), ["raised /a"]);
    shell(tiny.0.path(), "rm filler; mount -o remount,size=20M .");
    store.tick(T + 70_000);
    assert_eq!(store.pending(T + 70_000).trouble, None);
    let parcels = store.parcels(SinkKind::Stdout, 10, usize::MAX);
    assert_eq!(gists(&values(&parcels)), ["store.unwritable", "raised /a"]);
}
