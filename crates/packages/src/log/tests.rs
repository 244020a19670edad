use super::*;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Why a log of that length is not read, with a line end as often.
fn unread(size: u64, every: u64) -> Option<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("var/log");
    std::fs::create_dir_all(&log).expect("made");
    let file = File::create(log.join("dpkg.log")).expect("made");
    file.set_len(size).expect("a hole");
    for end in (every..=size).step_by(usize::try_from(every).expect("small")) {
        file.write_all_at(b"\n", end - 1).expect("written");
    }
    let logs = Logs::read(&Root::open(directory.path()).expect("a root"), &|_| true);
    logs.unread().map(str::to_owned)
}

#[test]
fn a_log_or_a_line_beyond_its_bound_is_named() {
    let (most, line) = (bounds::DPKG_LOG, bounds::DPKG_LOG_LINE);
    assert_eq!(unread(most, line), None);
    let why = unread(most + 1, line).expect("told");
    assert!(why.starts_with("/var/log/dpkg.log: it is larger"), "{why}");
    let why = unread(line + 1, line + 1).expect("told");
    assert!(why.contains("a line longer than"), "{why}");
}

#[test]
fn a_package_came_by_a_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("var/log/apt");
    std::fs::create_dir_all(&log).expect("made");
    let dpkg = "2026-11-27 10:00:05 upgrade a:amd64 1 2\n2026-11-27 10:00:06 status unpacked a:amd64 2\n\
        2026-11-27 10:00:07 status installed a:amd64 2\n2026-11-20 09:00:00 status installed b:all 1\n\
        rubbish\n2026-99-99 10:00:00 status installed c:all 1\n2026-11-28 10:00:00 status not-installed d:all <none>\n";
    std::fs::write(log.parent().expect("it").join("dpkg.log"), dpkg).expect("written");
    let apt = "\nStart-Date: 2026-11-27  10:00:00\nCommandline: apt-get upgrade\nUpgrade: a:amd64 (1, 2)\n\
        End-Date: 2026-11-27  10:00:09\n";
    std::fs::write(log.join("history.log"), apt).expect("written");
    let logs = Logs::read(&Root::open(directory.path()).expect("a root"), &|_| true);
    let package = |name: &str, arch: &str, version: &str| Package {
        name: name.into(),
        version: version.into(),
        arch: arch.into(),
    };
    let came = logs.came(&package("a", "amd64", "2")).expect("it came");
    assert_eq!(came.at, "2026-11-27T10:00:07");
    assert_eq!(came.transaction.as_deref(), Some("apt-get upgrade"));
    assert_eq!(
        logs.came(&package("b", "all", "1"))
            .expect("it came")
            .transaction,
        None
    );
    assert_eq!(logs.came(&package("a", "amd64", "1")), None);
    assert_eq!(logs.came(&package("c", "all", "1")), None);
    assert!(logs.removed(&package("d", "all", "1")));
}

#[test]
fn of_two_commands_in_one_second_the_later_brought_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("var/log/apt");
    std::fs::create_dir_all(&log).expect("made");
    let at = "2026-11-27 10:00:07";
    let dpkg = format!("{at} status installed a:all 1\n{at} status installed a:all 2\n");
    std::fs::write(log.parent().expect("it").join("dpkg.log"), dpkg).expect("written");
    let entry = |from: &str, to: &str, command: &str| {
        format!("\nStart-Date: {from}\nCommandline: {command}\nEnd-Date: {to}\n")
    };
    let first = entry("2026-11-27  10:00:06", "2026-11-27  10:00:07", "first");
    let second = entry("2026-11-27  10:00:07", "2026-11-27  10:00:08", "second");
    std::fs::write(log.join("history.log"), first + &second).expect("written");
    let logs = Logs::read(&Root::open(directory.path()).expect("a root"), &|_| true);
    let came = logs.came(&Package {
        name: "a".into(),
        version: "2".into(),
        arch: "all".into(),
    });
    let command = came.expect("it came").transaction;
    assert_eq!(command.as_deref(), Some("second"));
}

#[test]
fn what_a_log_gains_is_read_and_nothing_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("var/log");
    std::fs::create_dir_all(log.join("apt")).expect("made");
    let (dpkg, apt) = (log.join("dpkg.log"), log.join("apt/history.log"));
    let add = |path: &std::path::Path, text: &str| {
        use std::io::Write as _;
        let file = File::options().create(true).append(true).open(path);
        file.expect("opened")
            .write_all(text.as_bytes())
            .expect("written");
    };
    let root = Root::open(directory.path()).expect("a root");
    let came = |logs: &Logs, version: &str| {
        let came = logs.came(&Package {
            name: "a".into(),
            version: version.into(),
            arch: "all".into(),
        })?;
        Some((came.at, came.transaction.unwrap_or_default()))
    };
    let is_wanted = |name: &str| name != "unwanted";
    let mut logs = Logs::read(&root, &is_wanted);
    assert!(
        logs.follow(&root, &is_wanted) && logs.is_empty(),
        "no log yet"
    );
    let status = |hour: u8, version: &str| {
        format!("2026-11-27 {hour}:00:01 status installed a:all {version}\n")
    };
    add(&dpkg, &status(10, "1"));
    // The end of a line, and of an entry, comes later.
    add(&dpkg, "2026-11-27 11:00:01 status installed a:all 1.");
    add(
        &apt,
        "\nStart-Date: 2026-11-27  11:00:00\nCommandline: apt up",
    );
    assert!(logs.follow(&root, &is_wanted));
    assert_eq!(came(&logs, "1").expect("it came").0, "2026-11-27T10:00:01");
    assert_eq!(came(&logs, "1.2"), None);
    add(
        &dpkg,
        "2\n2026-11-27 11:00:02 status installed unwanted:all 1\n",
    );
    add(&apt, "grade\nEnd-Date: 2026-11-27  11:00:09\n");
    assert!(logs.follow(&root, &is_wanted));
    let upgraded = ("2026-11-27T11:00:01".to_owned(), "apt upgrade".to_owned());
    assert_eq!(came(&logs, "1.2"), Some(upgraded.clone()));
    assert_eq!(logs.history.len(), 1);
    // As all of it says that is read anew.
    let anew = Logs::read(&root, &is_wanted);
    assert_eq!(came(&anew, "1.2"), Some(upgraded));
    assert!(!anew.installed.keys().any(|(name, ..)| name == "unwanted"));
    let known = logs.installed.len();
    assert!(logs.follow(&root, &is_wanted) && logs.installed.len() == known);
    std::fs::rename(&dpkg, log.join("dpkg.log.1")).expect("rotated");
    assert!(!logs.follow(&root, &is_wanted), "it is gone");
    add(&dpkg, &status(12, "2"));
    assert!(!logs.follow(&root, &is_wanted), "it is another one");
    logs = Logs::read(&root, &is_wanted);
    File::options()
        .write(true)
        .open(&dpkg)
        .expect("it")
        .set_len(3)
        .expect("cut");
    assert!(!logs.follow(&root, &is_wanted), "it has lost some");
}
