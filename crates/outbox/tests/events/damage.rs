//! Stores that are damaged, of another host, locked, or on a disk that is full.

use super::{Desk, T, changed, gists, origin, values};
use agent_core::finding::{Finding, Severity};
use agent_outbox::event::Heartbeat;
use agent_outbox::store::{Keeper, Opening, Scope, Sink};
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
        let mut desk = Desk::open(directory.path(), 4 << 20, T);
        desk.look(Scope::Files, &[file("/etc/foo"), file("/b")]);
        let id = desk.keeper.head().expect("a head").id;
        drop(desk);
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
        let mut desk = Desk::open(directory.path(), 4 << 20, T + 5000);
        let [Opening::SetAside { path: aside, .. }] = &desk.news[..] else {
            panic!("{what}: {:?}", desk.news);
        };
        assert_eq!(std::fs::read(aside).expect("it is kept"), bytes, "{what}");
        let first = &values(&desk.waiting())[0];
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
        desk.look(Scope::Files, &[file("/etc/foo")]);
        assert_eq!(gists(&desk.take()), ["store.set_aside", "raised /etc/foo"]);
    }
}

#[test]
fn no_flipped_bit_ends_the_agent_or_changes_what_it_ships() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.redb");
    let mut desk = Desk::open(directory.path(), 4 << 20, T);
    let some: Vec<Finding> = (0..60).map(|n| file(&format!("/{n}"))).collect();
    desk.look(Scope::Files, &some);
    let good = desk.waiting();
    drop(desk);
    let bytes = std::fs::read(&path).expect("the store");
    let count = std::env::var("AGENT_TEST_FLIPS").map_or(150, |n| n.parse().expect("a number"));
    let mut random = fastrand::Rng::with_seed(11);
    let mut aside = 0;
    for round in 0..count {
        for name in stores(directory.path()) {
            std::fs::remove_file(directory.path().join(name)).expect("gone");
        }
        let mut damaged = bytes.clone();
        let at = match round % 3 {
            // The header is small and matters most.
            0 => random.usize(..512),
            _ => random.usize(..bytes.len()),
        };
        damaged[at] ^= 1 << random.u8(0..8);
        std::fs::write(&path, &damaged).expect("damage");
        let mut desk = Desk::open(directory.path(), 4 << 20, T + 1);
        match &desk.news[..] {
            [] => assert_eq!(desk.waiting(), good, "byte {at}"),
            [Opening::SetAside { .. }] => aside += 1,
            news => panic!("byte {at}: {news:?}"),
        }
        desk.look(Scope::Files, &some[..1]);
    }
    assert!(aside > 0);
}

#[test]
fn another_instance_begins_a_chain_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut desk = Desk::open(directory.path(), 4 << 20, T);
    desk.look(Scope::Files, &[file("/a")]);
    let former = desk.keeper.head().expect("a head");
    // The same instance, seen late or in part, is the same.
    let mut late = origin();
    late.host.instance_id = String::new();
    assert_eq!(desk.keeper.set_origin(late, T), []);
    assert_eq!(desk.keeper.set_origin(origin(), T), []);
    assert_eq!(desk.keeper.head().as_ref(), Some(&former));
    let key = desk.waiting()[0].key;
    let mut other = origin();
    other.host.instance_id = "i-0fedcba9876543210".into();
    let news = desk.keeper.set_origin(other.clone(), T);
    assert!(
        matches!(&news[..], [Opening::OtherInstance { former, .. }] if former == "i-0123456789abcdef0"),
        "{news:?}"
    );
    let parcels = desk.waiting();
    assert!(
        parcels[0].key > key,
        "what was handed out before is not mistaken for it"
    );
    let first = &values(&parcels)[0];
    let after = &first["unmapped"]["chain"]["after"];
    assert_eq!(after["id"], former.id);
    assert_eq!(after["sequence"], former.sequence);
    assert_eq!(first["device"]["instance_uid"], "i-0fedcba9876543210");
    desk.look(Scope::Files, &[file("/a")]);
    // The former instance's log is elsewhere: this one's is whole by itself.
    let log = directory.path().join("log");
    let lines: Vec<u8> = desk
        .waiting()
        .iter()
        .flat_map(|p| [&p.bytes[..], b"\n"].concat())
        .collect();
    std::fs::write(&log, lines).expect("the log");
    agent(["log".as_ref(), "verify".as_ref(), log.as_os_str()]).expect(0);
    std::fs::remove_file(&log).expect("gone");
    assert_eq!(gists(&desk.take()), ["store.set_aside", "raised /a"]);
    drop(desk);
    // An image that was baked with a state in it, started as yet another one.
    other.host.instance_id = "i-0aaaaaaaaaaaaaaaa".into();
    let (_, news) = Keeper::open(directory.path(), 4 << 20, other, T).expect("it opens");
    assert!(
        matches!(&news[..], [Opening::OtherInstance { .. }]),
        "{news:?}"
    );
    assert_eq!(stores(directory.path()).len(), 3);
}

#[test]
fn two_agents_and_no_directory_are_errors() {
    let directory = tempfile::tempdir().expect("a directory");
    let _desk = Desk::open(directory.path(), 4 << 20, T);
    let second = Keeper::open(directory.path(), 4 << 20, origin(), T);
    let error = second.expect_err("it is open already");
    assert!(error.message.contains("another agent"), "{error}");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("a file");
    assert!(Keeper::open(&file, 4 << 20, origin(), T).is_err());
}

#[test]
fn only_its_owner_reads_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("a/b");
    let _desk = Desk::open(&state, 4 << 20, T);
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
    let mut desk = Desk::open(tiny.0.path(), 64 << 20, T);
    desk.look(Scope::Files, &[file("/first")]);
    assert_eq!(gists(&desk.take()), ["raised /first"]);
    let noise = |n: usize| {
        let mut finding = file(&format!("/{n}"));
        let text: String = (0..300).map(|_| fastrand::alphanumeric()).collect();
        finding.observed["link"] = text.into();
        finding
    };
    let round = desk.keeper.begin(Scope::Path(b"/".to_vec()));
    let many: Vec<Finding> = (0..3000).map(noise).collect();
    for finding in &many {
        desk.keeper.found(round, finding, None, desk.now);
        desk.now += 1;
        desk.keeper.tick(desk.now);
    }
    desk.keeper.end(round, desk.now);
    desk.keeper.commit(desk.now);
    let pending = desk.keeper.pending(desk.now);
    let trouble = pending.trouble.clone().expect("the disk is full");
    assert!(trouble.contains("space"), "{trouble}");
    assert_eq!(pending.lost, 0, "{pending:?}");
    let beat: Value =
        serde_json::from_slice(&desk.keeper.heartbeat(&Heartbeat::default(), desk.now))
            .expect("JSON");
    assert_eq!(beat["status"], "Failure");
    // What comes in is delivered from memory, in a chain of its own that says why.
    let mut told = Vec::new();
    for _ in 0..4 {
        told.extend(desk.take());
        desk.now += 1;
    }
    assert!(raised(&told).len() > 1000, "{}", raised(&told).len());
    let of_memory = |event: &Value| {
        let reason = event["unmapped"]["chain"]["reason"].as_str();
        reason.is_some_and(|reason| reason.contains("cannot be written"))
    };
    assert_eq!(told.iter().filter(|event| of_memory(event)).count(), 1);
    // One more, and room again before it is delivered.
    let round = desk.keeper.begin(Scope::Path(b"/late".to_vec()));
    desk.keeper.found(round, &file("/late"), None, desk.now);
    desk.keeper.end(round, desk.now);
    desk.keeper.commit(desk.now);
    shell(tiny.0.path(), "mount -o remount,size=200M .");
    desk.now += 120_000;
    desk.settle();
    let pending = desk.keeper.pending(desk.now);
    assert_eq!((pending.trouble, pending.held), (None, 0));
    let mut events = desk.take();
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
    desk.look(Scope::Files, &[many.as_slice(), &[file("/late")]].concat());
    events = desk.take();
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
    let mut desk = Desk::open(tiny.0.path(), 64 << 20, T);
    desk.look(Scope::Files, &[file("/first")]);
    let noise = |n: usize| {
        let mut finding = changed(&format!("/{}/{n}", n % 7), Severity::Low, 1);
        let text: String = (0..3000).map(|_| fastrand::alphanumeric()).collect();
        finding.observed["link"] = text.into();
        finding
    };
    let many: Vec<Finding> = (0..6000).map(noise).collect();
    let round = desk.keeper.begin(Scope::Path(b"/".to_vec()));
    for finding in &many {
        desk.keeper.found(round, finding, None, desk.now);
        desk.keeper.tick(desk.now);
    }
    desk.keeper.found(
        round,
        &changed("/etc/passwd", Severity::Critical, 1),
        None,
        desk.now,
    );
    desk.keeper.end(round, desk.now);
    let mut told = Vec::new();
    for _ in 0..4 {
        told.extend(desk.take());
        desk.now += 1;
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
    let mut desk = Desk::open(&state, 64 << 20, T);
    desk.look(Scope::Files, &[file("/first")]);
    desk.take();
    std::fs::remove_dir_all(&state).expect("removed");
    let round = desk.keeper.begin(Scope::Path(b"/a".to_vec()));
    desk.keeper.found(round, &file("/a"), None, desk.now);
    desk.keeper.end(round, desk.now);
    desk.keeper.commit(desk.now);
    assert!(desk.keeper.pending(desk.now).trouble.is_some());
    assert_eq!(raised(&values(&desk.waiting())), ["/a"], "from memory");
    desk.take();
    desk.now += 120_000;
    desk.settle();
    assert_eq!(desk.keeper.pending(desk.now).trouble, None);
    assert_eq!(stores(&state), ["store.redb"]);
    desk.look(Scope::Files, &[file("/first"), file("/a")]);
    let told = desk.take();
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
    let (mut keeper, news) = Keeper::open(tiny.0.path(), 4 << 20, origin(), T).expect("it starts");
    assert!(matches!(&news[..], [Opening::Unusable { .. }]), "{news:?}");
    let round = keeper.begin(Scope::Files);
    keeper.found(round, &file("/a"), None, T);
    keeper.end(round, T);
    assert!(keeper.pending(T).trouble.is_some());
    keeper.enable(&[Sink::Stdout], T);
    let wait = keeper.tick(T + 100).expect("it will try again");
    assert!(wait > 0);
    let parcels = keeper.parcels(Sink::Stdout, 10, usize::MAX);
    assert_eq!(gists(&values(&parcels)), ["raised /a"]);
    shell(tiny.0.path(), "rm filler; mount -o remount,size=20M .");
    keeper.tick(T + 70_000);
    assert_eq!(keeper.pending(T + 70_000).trouble, None);
    let parcels = keeper.parcels(Sink::Stdout, 10, usize::MAX);
    assert_eq!(gists(&values(&parcels)), ["store.unwritable", "raised /a"]);
}
