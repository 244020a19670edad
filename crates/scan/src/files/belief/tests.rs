use super::*;
use crate::files::probe::{Directory, First, Target, Wanted, first_look};
use agent_baseline::profile::path_rules::Demand;
use agent_core::attributes::{Algorithm, AttributeSet};
use agent_core::os::node::{self, Hint};
use std::fs;
use std::sync::Arc;

const DIGEST: Digest = Digest::Sha256([7; 32]);
const RECORDED: RecordedContents = RecordedContents {
    digest: DIGEST,
    seal: None,
    untouched: true,
};
const DAY: Duration = Duration::from_secs(24 * 3600);

struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Lab {
        let lab = Lab(tempfile::tempdir().expect("a directory"));
        fs::write(lab.0.path().join("file"), "text").expect("written");
        lab
    }

    fn open(&self) -> OpenFile {
        let fd = node::open_dir_path(self.0.path()).expect("there");
        let target = Target::Entry {
            directory: Arc::new(Directory {
                fd,
                path: Box::default(),
                remote: None,
            }),
            name: b"file"[..].into(),
            hint: Hint::File,
            remote: None,
        };
        let wanted = Wanted {
            limit: None,
            contents: Some(Algorithm::Sha256),
            xattrs: true,
            flags: true,
            selinux: true,
            recorded: None,
        };
        match first_look(&target, wanted) {
            Ok(First::Contents(opened)) => opened,
            other => panic!("{other:?}"),
        }
    }
}

fn terms(span: Duration, doubt: Option<&'static str>) -> Terms {
    Terms {
        span,
        doubt,
        ..Terms::default()
    }
}

fn begin(memory: &Memory) -> Belief<'_> {
    // So long that no draw comes to the end of it meanwhile.
    memory.begin(terms(1000 * DAY, None))
}

/// The file has been read whole by a scan, and is as recorded.
fn read(lab: &Lab, memory: &Memory) {
    let belief = begin(memory);
    assert!(!belief.believes(b"file", &lab.open(), RECORDED));
    belief.holds(b"file");
    assert_eq!(belief.end().files, 0);
}

fn believes(lab: &Lab, memory: &Memory) -> bool {
    begin(memory).believes(b"file", &lab.open(), RECORDED)
}

#[test]
fn what_was_read_and_holds_is_believed_as_long_as_nothing_changes() {
    let (lab, memory) = (Lab::new(), Memory::default());
    read(&lab, &memory);
    let belief = begin(&memory);
    assert!(belief.believes(b"file", &lab.open(), RECORDED));
    let unread = belief.end();
    assert_eq!((unread.files, unread.bytes), (1, 4));
    assert_eq!(unread.why, BELIEVED);
    assert!(!begin(&memory).believes(b"another", &lab.open(), RECORDED));
    let other = RecordedContents {
        digest: Digest::Sha256([8; 32]),
        ..RECORDED
    };
    assert!(!begin(&memory).believes(b"file", &lab.open(), other));
}

#[test]
fn what_was_read_and_deviates_is_read_again() {
    let (lab, memory) = (Lab::new(), Memory::default());
    let belief = begin(&memory);
    assert!(!belief.believes(b"file", &lab.open(), RECORDED));
    belief.end();
    assert!(!believes(&lab, &memory));
}

#[test]
fn every_sign_of_a_change_is_heeded() {
    let changes: [(&str, fn(&std::path::Path)); 5] = [
        ("contents", |path| fs::write(path, "TEXT").expect("written")),
        ("mode", |path| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set");
        }),
        ("times", |path| {
            let file = fs::File::options().append(true).open(path).expect("there");
            file.set_modified(std::time::UNIX_EPOCH).expect("set");
        }),
        ("another file", |path| {
            let other = path.with_file_name("other");
            fs::copy(path, &other).expect("copied");
            fs::rename(other, path).expect("moved");
        }),
        ("another name", |path| {
            fs::hard_link(path, path.with_file_name("link")).expect("linked");
        }),
    ];
    for (what, change) in changes {
        let (lab, memory) = (Lab::new(), Memory::default());
        read(&lab, &memory);
        change(&lab.0.path().join("file"));
        assert!(!believes(&lab, &memory), "{what}");
    }
}

#[test]
fn a_file_that_somebody_may_write_to_is_read() {
    let (lab, memory) = (Lab::new(), Memory::default());
    read(&lab, &memory);
    let path = lab.0.path().join("file");
    let writer = fs::File::options().write(true).open(path).expect("there");
    assert!(!believes(&lab, &memory));
    drop(writer);
    assert!(believes(&lab, &memory));
}

#[test]
fn doubt_reads_all_and_begins_anew() {
    let (lab, memory) = (Lab::new(), Memory::default());
    read(&lab, &memory);
    let belief = memory.begin(terms(DAY, Some("a gap")));
    assert!(!belief.believes(b"file", &lab.open(), RECORDED));
    assert_eq!(belief.end().why, "a gap");
    read(&lab, &memory);
    memory.forget();
    assert!(!believes(&lab, &memory));
}

/// The file as fs-verity would seal it.
fn sealed(lab: &Lab, seal: &str) -> OpenFile {
    let mut opened = lab.open();
    opened.attributes.verity = Some(seal.into());
    opened
}

const SEAL: &str = "sha256:4096::d1674caa";

#[test]
fn a_seal_vouches_where_no_watch_does() {
    let (lab, memory) = (Lab::new(), Memory::default());
    let path = lab.0.path().join("file");
    let recorded = RecordedContents {
        seal: memory.seal(SEAL),
        untouched: false,
        ..RECORDED
    };
    let belief = begin(&memory);
    assert!(!belief.believes(b"file", &sealed(&lab, SEAL), recorded));
    belief.holds(b"file");
    belief.end();
    // Neither other names and times nor any doubt: only what is sealed is believed.
    fs::hard_link(&path, path.with_file_name("link")).expect("linked");
    memory.forget();
    let belief = memory.begin(terms(1000 * DAY, Some("a gap")));
    assert!(belief.believes(b"file", &sealed(&lab, SEAL), recorded));
    let unread = belief.end();
    assert_eq!((unread.files, unread.why), (1, SEALED));
    // Another seal is none that was recorded, and one that is lost vouches for nothing.
    for other in ["sha256:4096::d1674cab", "sha256:4096:6c:d1674caa", "sealed"] {
        let opened = sealed(&lab, other);
        assert!(!begin(&memory).believes(b"file", &opened, recorded));
    }
    assert!(!begin(&memory).believes(b"file", &lab.open(), recorded));
    assert_eq!(memory.seal("sealed"), None);
}

#[test]
fn what_is_sealed_is_read_again_in_time() {
    let (lab, memory) = (Lab::new(), Memory::default());
    let recorded = RecordedContents {
        seal: memory.seal(SEAL),
        ..RECORDED
    };
    let belief = begin(&memory);
    assert!(!belief.believes(b"file", &sealed(&lab, SEAL), recorded));
    belief.holds(b"file");
    belief.end();
    for file in memory.kept().files.values_mut() {
        file.due = Duration::ZERO;
    }
    assert!(!begin(&memory).believes(b"file", &sealed(&lab, SEAL), recorded));
}

#[test]
fn what_is_forgotten_during_a_scan_is_not_remembered_by_it() {
    let (lab, memory) = (Lab::new(), Memory::default());
    read(&lab, &memory);
    let belief = begin(&memory);
    memory.forget();
    assert!(!belief.believes(b"file", &lab.open(), RECORDED));
    belief.holds(b"file");
    belief.end();
    assert!(!believes(&lab, &memory));
}

#[test]
fn nothing_is_believed_longer_than_asked_for() {
    let (lab, memory) = (Lab::new(), Memory::default());
    read(&lab, &memory);
    for file in memory.kept().files.values_mut() {
        assert!(file.due < 1001 * DAY);
        file.due = Duration::ZERO;
    }
    assert!(!believes(&lab, &memory));
    // Where the next scan comes too late for any.
    let belief = memory.begin(Terms {
        interval: DAY,
        ..terms(DAY, None)
    });
    assert!(!belief.believes(b"file", &lab.open(), RECORDED));
    belief.holds(b"file");
    belief.end();
    assert!(!believes(&lab, &memory));
}

#[test]
fn what_a_scan_does_not_meet_is_forgotten() {
    let (lab, memory) = (Lab::new(), Memory::default());
    read(&lab, &memory);
    begin(&memory).end();
    assert!(memory.kept().files.is_empty());
    assert!(!believes(&lab, &memory));
}

#[test]
fn the_order_cannot_be_foretold_and_spreads() {
    let spread = |memory: &Memory| -> Vec<u64> {
        let belief = memory.begin(terms(DAY, None));
        (0..1000).map(|key| belief.draw(key).as_secs()).collect()
    };
    let (one, other) = (spread(&Memory::default()), spread(&Memory::default()));
    assert_ne!(one, other);
    let early = one.iter().filter(|due| **due < DAY.as_secs() / 2).count();
    assert!((400..600).contains(&early), "{early}");
}

#[test]
fn what_may_be_believed_is_neither_critical_nor_decides_who_gets_in() {
    let memory = Memory::default();
    let mut touched = Touched::default();
    touched.add(b"usr/lib/touched");
    let belief = memory.begin(Terms {
        touched,
        ..terms(DAY, None)
    });
    let may = |path: &str, severity| {
        let policy = PathPolicy {
            demand: Demand {
                attributes: AttributeSet::ALL,
                severity,
                cross_mounts: false,
                launch: false,
                keep_text: false,
            },
            leads: false,
            weaker: None,
        };
        may_believe(path.as_bytes(), policy) && !belief.touched.covers(path.as_bytes())
    };
    assert!(may("usr/lib/file", Severity::High) && may("usr/lib/touched2", Severity::Low));
    assert!(!may("usr/lib/file", Severity::Critical));
    assert!(!may("etc/passwd", Severity::High));
    assert!(!may("root/.ssh/authorized_keys", Severity::High));
    assert!(!may("usr/lib/touched", Severity::High));
    assert!(!may("usr/lib/touched/deep/file", Severity::High));
}

#[test]
fn touches_are_remembered_up_to_a_bound_and_then_are_everything() {
    let mut touched = Touched::default();
    for n in 0..=bounds::TOUCHED_SINCE_READ {
        assert!(!touched.covers(b"usr/bin/ls"));
        touched.add(format!("var/{n}").as_bytes());
    }
    assert!(touched.covers(b"usr/bin/ls") && touched.paths.is_empty());
}

#[test]
fn a_clock_that_was_set_and_another_mount_are_doubts() {
    let (lab, memory) = (Lab::new(), Memory::default());
    read(&lab, &memory);
    let clocks = memory.kept().clocks;
    let (monotonic, wall) = clocks.expect("a scan has begun");
    memory.kept().clocks = Some((monotonic, wall + Duration::from_secs(60)));
    let belief = begin(&memory);
    assert!(!belief.believes(b"file", &lab.open(), RECORDED));
    assert_eq!(belief.end().why, "the clock was set");
    read(&lab, &memory);
    memory.kept().mounts += 1;
    let belief = begin(&memory);
    assert!(!belief.believes(b"file", &lab.open(), RECORDED));
    assert!(belief.end().why.contains("mounted"));
    let at = |monotonic, wall| {
        let start = (Instant::now(), SystemTime::now());
        let later = Duration::from_secs(monotonic);
        let shown = start.1 + Duration::from_secs(1000) + Duration::from_secs(wall);
        (
            (start.0, start.1 + Duration::from_secs(1000)),
            (start.0 + later, shown),
        )
    };
    let set = |(before, now)| were_set(before, now);
    assert!(!set(at(21_600, 21_605)) && !set(at(21_605, 21_600)));
    assert!(set(at(21_600, 21_660)) && set(at(21_600, 100)));
}

#[test]
fn files_beyond_the_bound_are_read_by_every_scan() {
    let (lab, memory) = (Lab::new(), Memory::default());
    let belief = begin(&memory);
    let remember = |others: usize| {
        let file = |key| {
            let file = File {
                state: [0; 2],
                due: DAY,
                holds: true,
                met: 0,
                sealed: false,
            };
            (key, file)
        };
        memory.kept().files = (0..others as u64).map(file).collect();
    };
    let is_believed = || {
        let believed = belief.believes(b"file", &lab.open(), RECORDED);
        belief.holds(b"file");
        believed
    };
    remember(bounds::FILES_REMEMBERED);
    assert!(!is_believed() && !is_believed());
    assert_eq!(memory.kept().files.len(), bounds::FILES_REMEMBERED);
    remember(bounds::FILES_REMEMBERED - 1);
    assert!(!is_believed() && is_believed());
}
