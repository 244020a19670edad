use super::*;
use std::fs::{self, File};

/// What of the records of a tree was not read.
fn unread(make: impl FnOnce(&std::path::Path)) -> Vec<(String, String)> {
    let directory = tempfile::tempdir().expect("a directory");
    let records = directory.path().join("etc/userdb");
    fs::create_dir_all(&records).expect("made");
    make(&records);
    read(&Root::open(directory.path()).expect("a root")).unread
}

#[test]
fn more_records_than_are_read_are_said() {
    let members = |number| {
        move |records: &std::path::Path| {
            for n in 0..number {
                File::create(records.join(format!("u{n}:g.membership"))).expect("made");
            }
        }
    };
    assert_eq!(unread(members(bounds::USERDB_RECORDS)), []);
    let told = unread(members(bounds::USERDB_RECORDS + 1));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("are read at most"), "{told:?}");
}

#[test]
fn a_record_larger_than_is_read_is_named() {
    for (more, why) in [(0, "is no JSON"), (1, "larger than")] {
        let told = unread(|records| {
            let file = File::create(records.join("a.user")).expect("made");
            file.set_len(bounds::USERDB_FILE + more).expect("a hole");
        });
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, "/etc/userdb/a.user");
        assert!(told[0].1.contains(why), "{told:?}");
    }
}

#[test]
fn records_beyond_what_is_read_of_all_together_are_named() {
    let record = |name: usize| {
        let about = "x".repeat(1 << 19);
        format!("{{\"userName\":\"u{name}\",\"uid\":{name},\"realName\":\"{about}\"}}")
    };
    let most = usize::try_from(bounds::USERDB_BYTES >> 19).expect("a number");
    for (number, named) in [(most - 1, 0), (most, 1)] {
        let told = unread(|records| {
            for n in 0..number {
                fs::write(records.join(format!("u{n}.user")), record(n)).expect("made");
            }
        });
        assert_eq!(told.len(), named, "{told:?}");
    }
}
