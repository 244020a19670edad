//! Trees that are hard to walk: nodes that must not be opened, files that may not be, paths longer than any
//! call takes, and very many entries.

use base64ct::Encoding;
use harness::{Caught, Lab, agent_path, run, shell};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, inotify, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// Counts how often files are opened; a handle that only names a file (`O_PATH`) is no opening.
struct Openings(OwnedFd);

impl Openings {
    fn of(files: &[std::path::PathBuf]) -> Openings {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let watch = inotify::init(flags).expect("inotify");
        for file in files {
            inotify::add_watch(&watch, file, inotify::WatchFlags::OPEN).expect("a watch");
        }
        Openings(watch)
    }

    fn count(&self) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        std::iter::from_fn(|| reader.next().ok().map(|_| ())).count()
    }
}

/// Opening a fifo waits for its other end, opening a device may rewind a tape: neither ever happens.
#[test]
fn nodes_are_never_opened() {
    let lab = Lab::new();
    // Major 240 to 254 are for local use: nobody drives them.
    lab.shell(
        "mkfifo fifo; mknod block b 240 77; mknod char c 240 77; mknod null c 1 3
         echo plain > plain; ln -s fifo link",
    );
    drop(UnixListener::bind(lab.root().join("socket")).expect("a socket"));
    let nodes = ["fifo", "block", "char", "null", "socket"];
    let openings = Openings::of(&nodes.map(|node| lab.root().join(node)));
    lab.create().expect(0);
    lab.check(&[]).expect(0);
    for node in nodes {
        lab.shell(&format!("chmod 600 {node}; touch -h -d @1 {node}"));
    }
    let told = nodes.map(|node| format!("fail files.changed /{node} mode,mtime"));
    let mut told = told.to_vec();
    told.sort();
    assert_eq!(lab.check(&[]).expect(1).told(), told);
    // As additions, and in the place of what was a file.
    lab.shell("rm plain; mkfifo plain; mkfifo new; mknod newer b 240 78");
    let more = Openings::of(&["plain", "new", "newer"].map(|node| lab.root().join(node)));
    let told = lab.check(&[]).expect(1).told();
    assert_eq!(told.len(), 8, "{told:?}");
    lab.create().expect(0);
    lab.check(&[]).expect(0);
    assert_eq!((openings.count(), more.count()), (0, 0));
    // The watch does see an opening.
    fs::File::open(lab.root().join("null")).expect("/dev/null's twin");
    assert_eq!(openings.count(), 1);
}

/// Whoever may not read a file learns nothing of it, and judges all others.
#[test]
fn what_may_not_be_read_is_unknown() {
    let lab = Lab::new();
    lab.shell(
        "echo open > open; echo secret > secret; chmod 600 secret
         mkdir -p closed/deep listed; echo x > closed/deep/x; chmod 700 closed
         echo y > listed/y; chmod 744 listed; echo z > zzz",
    );
    lab.create().expect(0);
    shell(lab.path(), "chmod 755 .; chmod 644 manifest.mtree");
    fs::copy(agent_path(), lab.path().join("agent")).expect("copied");
    let check = |more: &[&str]| {
        run(Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "./agent",
            ])
            .args(["check", "--root", "root", "--profile", "./profile.toml"])
            .args(["--manifest", "manifest.mtree", "--only", "files.*"])
            .args(more)
            .current_dir(lab.path()))
    };
    let unseen = [
        "unknown files.unreadable /closed",
        "unknown files.unreadable /closed/deep",
        "unknown files.unreadable /closed/deep/x",
        "unknown files.unreadable /listed/y",
        "unknown files.unreadable /secret",
    ];
    let ran = check(&["--format", "json"]).expect(3);
    assert_eq!(ran.told(), unseen);
    for finding in ran.findings() {
        assert!(finding["observed"].is_null(), "{finding}");
        let message = finding["message"].as_str().expect("text");
        assert!(message.contains("ermission denied"), "{finding}");
    }
    let text = check(&[]).expect(3);
    assert!(text.stdout.starts_with("UNKNOWN"), "{text:?}");

    lab.shell("echo more >> zzz; echo new > closed/new; rm secret; echo late > late");
    let mut expected = unseen.to_vec();
    expected.pop();
    expected.extend([
        "fail files.added /late",
        "fail files.changed /zzz size,mtime,sha256",
        "fail files.removed /secret",
    ]);
    expected.sort_unstable();
    assert_eq!(check(&["--format", "json"]).expect(1).told(), expected);

    // A manifest with holes is not made.
    let created = run(Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "./agent",
        ])
        .args([
            "baseline",
            "create",
            "--root",
            "root",
            "--profile",
            "./profile.toml",
        ])
        .args(["--output", "/tmp/never-made.mtree"])
        .current_dir(lab.path()));
    created
        .expect(2)
        .silent()
        .complains(&["/closed", "/listed/y"]);
    assert!(!Path::new("/tmp/never-made.mtree").exists());
}

/// As many directories of 10-byte names below each other make a path four times PATH_MAX.
const DEPTH: usize = 1500;

/// The directory at the bottom, made if it is not there.
fn bottom(lab: &Lab) -> OwnedFd {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut fd = openat(CWD, lab.root(), flags, Mode::empty()).expect("the tree");
    for _ in 0..DEPTH {
        match mkdirat(&fd, c"directory0", Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => panic!("{errno}"),
        }
        fd = openat(&fd, c"directory0", flags, Mode::empty()).expect("one further down");
    }
    fd
}

/// Makes a file at the bottom.
fn make(bottom: &OwnedFd, name: &CStr) -> OwnedFd {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(bottom, name, flags, Mode::from_raw_mode(0o644)).expect("a file")
}

#[test]
fn paths_longer_than_path_max() {
    let lab = Lab::new();
    let file = make(&bottom(&lab), c"file");
    lab.create().expect(0);
    lab.check(&[]).expect(0);

    rustix::fs::fchmod(file, Mode::from_raw_mode(0o600)).expect("its mode");
    let ran = lab.check(&[]).expect(1);
    let path = |name| format!("{}/{name}", "/directory0".repeat(DEPTH));
    let finding = ran.one("files.changed", &path("file"));
    assert_eq!(finding["changed"], serde_json::json!(["mode"]));
    assert_eq!(ran.findings().len(), 1);

    let bottom = bottom(&lab);
    unlinkat(&bottom, c"file", AtFlags::empty()).expect("removed");
    make(&bottom, c"new");
    let ran = lab.check(&[]).expect(1);
    ran.one("files.removed", &path("file"));
    ran.one("files.added", &path("new"));
    assert_eq!(ran.findings().len(), 2);
}

/// The longest names there are, of every kind of byte, in one path and beside each other.
#[test]
fn names_of_255_bytes() {
    let lab = Lab::new();
    let names: Vec<Vec<u8>> = [b'a', b' ', b'\\', b'\n', 0xff, b'*']
        .into_iter()
        .map(|byte| vec![byte; 255])
        .collect();
    let mut deep = lab.root();
    for name in &names {
        let name = OsStr::from_bytes(name);
        deep.push(name);
        fs::create_dir(&deep).expect("a directory");
        fs::write(deep.join("z"), "z").expect("a file");
        let beside = lab.root().join(name);
        if !beside.exists() {
            fs::write(beside, "beside").expect("a file");
        }
    }
    lab.create().expect(0);
    lab.check(&[]).expect(0);
    fs::write(deep.join("z"), "y").expect("a file");
    let ran = lab.check(&[]).expect(1);
    assert_eq!(ran.findings().len(), 1);
    let finding = &ran.findings()[0];
    let base64 = finding["subject_base64"].as_str().expect("not UTF-8");
    let subject = base64ct::Base64::decode_vec(base64).expect("base64");
    let mut whole = Vec::new();
    for name in &names {
        whole.push(b'/');
        whole.extend_from_slice(name);
    }
    whole.extend_from_slice(b"/z");
    assert_eq!(subject, whole);
}

/// 200,000 files in one directory: found to the last, in memory that does not grow with what is known of them.
#[test]
fn many_files_in_one_directory_take_little_memory() {
    let lab = Lab::in_memory();
    let many = lab.root().join("many");
    fs::create_dir(&many).expect("a directory");
    for number in 0..200_000 {
        fs::File::create(many.join(format!("file-{number:06}"))).expect("a file");
    }
    let created = peak(
        Command::new(agent_path())
            .args([
                "baseline",
                "create",
                "--root",
                "root",
                "--profile",
                "./profile.toml",
            ])
            .args(["--output", "manifest.mtree"])
            .current_dir(lab.path()),
    );
    fs::write(many.join("file-199999"), "x").expect("the last");
    fs::set_permissions(many.join("file-000000"), fs::Permissions::from_mode(0o600))
        .expect("the first");
    fs::remove_file(many.join("file-100000")).expect("one in the middle");
    let checked = peak(
        Command::new(agent_path())
            .args([
                "check",
                "--root",
                "root",
                "--profile",
                "./profile.toml",
                "--format",
                "json",
            ])
            .args(["--manifest", "manifest.mtree", "--output", "report"])
            .args(["--only", "files.*"])
            .current_dir(lab.path()),
    );
    let report = fs::read_to_string(lab.path().join("report")).expect("a report");
    assert_eq!(report.lines().count(), 4, "{report}");
    for name in [
        "file-199999",
        "file-000000",
        "file-100000",
        "\"checked\":200002",
    ] {
        assert!(report.contains(name), "{name}: {report}");
    }
    let limit = 64 * 1024;
    assert!(
        created < limit && checked < limit,
        "{created} and {checked} KiB"
    );
}

/// Runs a command to its end; the most memory that it had resident, in KiB.
fn peak(command: &mut Command) -> u64 {
    let caught = Caught::start(command);
    let status = format!("/proc/{}/status", caught.id());
    let mut peak = 0;
    // The kernel keeps the peak; it is gone with the process, so it is read until then.
    while let Ok(text) = fs::read_to_string(&status) {
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(kib) = line.and_then(|line| line.split_whitespace().next()) else {
            break;
        };
        peak = kib.parse().expect("a number");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let ran = caught.finish();
    assert!(ran.status <= 1, "{ran:#?}");
    assert!(peak > 0);
    peak
}
