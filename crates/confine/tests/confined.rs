//! What a confined process can and cannot do: the kernel is asked, in a process for each case.
//!
//! Where the kernel has no landlock the cases about files say so and pass: what is lacking must then be named.

use agent_confine::monitor::Monitor;
use agent_confine::{Confinement, Phase, Plan, enter};
use agent_core::os::others;
use std::fs;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

type Case = (&'static str, fn(&Path), Ends);

/// How the process of a case ends.
#[derive(Clone, Copy)]
enum Ends {
    Well,
    /// Killed by SIGSYS.
    Killed,
}

const CASES: &[Case] = &[
    (
        "files_outside_are_not_written",
        files_outside_are_not_written,
        Ends::Well,
    ),
    (
        "a_tree_is_read_and_nothing_else",
        a_tree_is_read_and_nothing_else,
        Ends::Well,
    ),
    (
        "who_reads_a_tree_has_no_network",
        who_reads_a_tree_has_no_network,
        Ends::Well,
    ),
    (
        "a_program_is_never_started",
        a_program_is_never_started,
        Ends::Killed,
    ),
    ("nobody_is_traced", nobody_is_traced, Ends::Killed),
    ("nothing_is_mounted", nothing_is_mounted, Ends::Killed),
    (
        "what_is_on_no_list_is_refused_and_told_once",
        refused_and_told_once,
        Ends::Well,
    ),
    (
        "programs_of_others_are_seen_from_outside",
        programs_of_others,
        Ends::Well,
    ),
    (
        "evidence_that_is_lost_is_no_process_that_ended",
        lost_evidence,
        Ends::Well,
    ),
    (
        "capabilities_are_gone_and_nothing_is_dumped",
        nothing_is_kept,
        Ends::Well,
    ),
    (
        "written_memory_never_runs",
        written_memory_never_runs,
        Ends::Well,
    ),
    (
        "what_a_kernel_lacks_is_named_and_the_rest_holds",
        lacking,
        Ends::Well,
    ),
    (
        "the_process_outside_ends_with_the_other",
        ends_with_the_other,
        Ends::Well,
    ),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--case") {
        let name = arguments.next().expect("a case");
        let place = PathBuf::from(arguments.next().expect("a directory"));
        let case = CASES.iter().find(|case| case.0 == name).expect("known");
        return (case.1)(&place);
    }
    let filter = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let mut failed = 0;
    for (name, _, ends) in CASES {
        if filter
            .as_ref()
            .is_some_and(|filter| !name.contains(filter.as_str()))
        {
            continue;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let ran = run(name, directory.path());
        let well = match ends {
            Ends::Well => ran.status.success(),
            Ends::Killed => ran.status.signal() == Some(libc::SIGSYS),
        };
        println!("test {name} ... {}", if well { "ok" } else { "FAILED" });
        if !well {
            failed += 1;
            println!("{:?}\n{}", ran.status, String::from_utf8_lossy(&ran.stderr));
        }
    }
    assert_eq!(failed, 0, "cases that failed");
}

fn run(name: &str, place: &Path) -> Output {
    for sub in ["own", "tree", "elsewhere"] {
        fs::create_dir(place.join(sub)).expect("made");
        fs::write(place.join(sub).join("file"), sub).expect("written");
    }
    let own = std::env::current_exe().expect("itself");
    let mut command = Command::new(own);
    command.args(["--case", name]).arg(place);
    command.output().expect("runs")
}

/// Confined for `agent run`.
fn running(place: &Path) -> Confinement {
    let plan = Plan {
        phase: Phase::Run { attribution: false },
        writable: vec![place.join("own")],
        readable: None,
    };
    let monitor = Monitor::start().expect("a process outside");
    others::through(Box::new(monitor.clone()));
    enter(&plan, Ok(monitor))
}

/// Confined for reading a tree.
fn parsing(place: &Path) -> Confinement {
    let plan = Plan {
        phase: Phase::Parse,
        writable: vec![place.join("own")],
        readable: Some(vec![place.join("tree"), "/proc/self".into()]),
    };
    enter(&plan, Monitor::start())
}

fn has_landlock(confinement: &Confinement) -> bool {
    let lacks = confinement
        .lacks
        .iter()
        .any(|line| line.starts_with("landlock"));
    let holds = confinement
        .holds
        .iter()
        .any(|line| line.starts_with("landlock"));
    assert_ne!(lacks, holds, "{confinement:?}");
    holds
}

fn refused<T>(result: io::Result<T>) {
    match result {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it was allowed"),
    }
}

fn files_outside_are_not_written(place: &Path) {
    let confinement = running(place);
    let own = place.join("own");
    fs::write(own.join("new"), "x").expect("its own directory");
    fs::rename(own.join("new"), own.join("file")).expect("its own directory");
    fs::create_dir(own.join("below")).expect("its own directory");
    fs::remove_file(own.join("file")).expect("its own directory");
    let elsewhere = place.join("elsewhere");
    assert_eq!(
        fs::read(elsewhere.join("file")).expect("all is read"),
        b"elsewhere"
    );
    if !has_landlock(&confinement) {
        return;
    }
    refused(fs::write(elsewhere.join("file"), "x"));
    refused(fs::write(elsewhere.join("new"), "x"));
    refused(fs::remove_file(elsewhere.join("file")));
    refused(fs::create_dir(elsewhere.join("new")));
    refused(fs::rename(elsewhere.join("file"), own.join("file")));
    refused(std::os::unix::fs::symlink("x", own.join("link")));
}

fn a_tree_is_read_and_nothing_else(place: &Path) {
    let elsewhere = place.join("elsewhere/file");
    let before = fs::File::open(&elsewhere).expect("there");
    let confinement = parsing(place);
    assert_eq!(
        fs::read(place.join("tree/file")).expect("the tree"),
        b"tree"
    );
    fs::write(place.join("own/report"), "x").expect("its own directory");
    let mut text = String::new();
    (&before)
        .read_to_string(&mut text)
        .expect("it was open before");
    if !has_landlock(&confinement) {
        return;
    }
    refused(fs::read(&elsewhere));
    refused(fs::read("/etc/passwd"));
    refused(fs::read_dir("/etc"));
    std::os::unix::fs::symlink("/etc/passwd", "link").expect_err("not made either");
    refused(fs::write(place.join("tree/file"), "x"));
}

fn who_reads_a_tree_has_no_network(place: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let there = listener.local_addr().expect("an address");
    let confinement = parsing(place);
    assert!(
        confinement
            .holds
            .iter()
            .any(|line| line.contains("system calls")),
        "{confinement:?}"
    );
    refused(TcpStream::connect(there));
    refused(UdpSocket::bind("127.0.0.1:0"));
    refused(std::os::unix::net::UnixStream::connect(
        "/run/systemd/notify",
    ));
    refused(
        rustix::net::socket(
            rustix::net::AddressFamily::NETLINK,
            rustix::net::SocketType::RAW,
            None,
        )
        .map_err(io::Error::from),
    );
}

fn a_program_is_never_started(place: &Path) {
    let _confinement = running(place);
    let error = std::os::unix::process::CommandExt::exec(&mut Command::new("/bin/true"));
    panic!("it came back: {error}");
}

fn nobody_is_traced(place: &Path) {
    let _confinement = parsing(place);
    let parent = std::os::unix::process::parent_id();
    // SAFETY: PTRACE_ATTACH takes no pointers.
    let answer = unsafe { libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0) };
    panic!("it came back: {answer}");
}

fn nothing_is_mounted(place: &Path) {
    let _confinement = running(place);
    let answer = rustix::mount::mount(
        "x",
        "/mnt",
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        None,
    );
    panic!("it came back: {answer:?}");
}

fn refused_and_told_once(place: &Path) {
    let confinement = running(place);
    assert_eq!(confinement.refused(), [] as [String; 0], "{confinement:?}");
    for _ in 0..3 {
        refused(fs::set_permissions(
            place.join("own"),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        ));
    }
    let told = confinement.refused();
    let listens = confinement
        .holds
        .iter()
        .any(|line| line.ends_with("and told"));
    if listens {
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(confinement.refused(), [] as [String; 0]);
    }
    // No hostile kernel is needed to be without: an outer filter may have taken the one listener there can be.
    assert!(listens || told.is_empty());
}

fn programs_of_others(place: &Path) {
    let parent = std::os::unix::process::parent_id();
    let program = fs::read_link(format!("/proc/{parent}/exe")).expect("a program");
    let confinement = running(place);
    let process = others::process(parent).expect("a directory");
    let seen = others::read_link(&process, b"exe").expect("a program");
    assert_eq!(seen, program.as_os_str().as_encoded_bytes());
    let mut environment = Vec::new();
    let mut file = others::open(&process, b"environ").expect("an environment");
    file.read_to_end(&mut environment).expect("read");
    assert!(!environment.is_empty());
    others::handle(&process, b"fd/0").expect("a descriptor");
    // What it does not know it does not answer, whoever asks.
    refused(others::open(&process, b"mem"));
    refused(others::open(others_directory(), b"exe"));
    if has_landlock(&confinement) {
        refused(fs::read_link(format!("/proc/{parent}/exe")));
    }
    confinement.end();
}

/// A directory that is none of /proc.
fn others_directory() -> fs::File {
    fs::File::open("/").expect("there")
}

fn lost_evidence(place: &Path) {
    let parent = std::os::unix::process::parent_id();
    let confinement = running(place);
    let process = others::process(parent).expect("a directory");
    others::read_link(&process, b"exe").expect("a program");
    assert!(!confinement.is_blind());
    confinement.end();
    let error = others::read_link(&process, b"exe").expect_err("nobody is there");
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
}

fn nothing_is_kept(place: &Path) {
    let _confinement = parsing(place);
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{key}: {status}"))
            .trim()
            .to_owned()
    };
    // CAP_FOWNER and CAP_DAC_READ_SEARCH.
    let effective = u64::from_str_radix(&line("CapEff:"), 16).expect("a number");
    let permitted = u64::from_str_radix(&line("CapPrm:"), 16).expect("a number");
    assert_eq!((effective | permitted) & !0b1100, 0, "{status}");
    assert_eq!(line("CapInh:"), "0000000000000000");
    assert_eq!(line("NoNewPrivs:"), "1");
    assert_eq!(line("Seccomp:"), "2");
    let dumpable = rustix::process::dumpable_behavior().expect("known");
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
    let core = rustix::process::getrlimit(rustix::process::Resource::Core);
    assert_eq!(core.current, Some(0));
    refused(
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
            .map_err(io::Error::from),
    );
}

fn written_memory_never_runs(place: &Path) {
    let confinement = running(place);
    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: memory that nobody else has.
    let page = unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, rights, MapFlags::PRIVATE) };
    let page = page.expect("memory");
    let run = MprotectFlags::READ | MprotectFlags::EXEC;
    // SAFETY: nothing is run there.
    let result = unsafe { mprotect(page, 4096, run) };
    let both = rights | ProtFlags::EXEC;
    // SAFETY: memory that nobody else has.
    let at_once = unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, both, MapFlags::PRIVATE) };
    let says_so = confinement
        .lacks
        .iter()
        .any(|line| line.contains("memory that can be run"));
    assert!(
        (result.is_err() && at_once.is_err()) || (says_so && cfg!(not(target_arch = "x86_64"))),
        "{confinement:?}"
    );
}

/// A kernel without landlock, without MDWE, and a unit that refuses seccomp(2), as systemd 252 does.
fn lacking(place: &Path) {
    use seccompiler::{SeccompAction, SeccompFilter, apply_filter};
    let refuse = |calls: &[i64], errno: i32| {
        let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
        let errno = SeccompAction::Errno(errno.unsigned_abs());
        let arch = std::env::consts::ARCH.try_into().expect("known");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, arch);
        let program: seccompiler::BpfProgram =
            filter.expect("rules").try_into().expect("a program");
        apply_filter(&program).expect("applied");
    };
    let monitor = Monitor::start();
    refuse(&[libc::SYS_landlock_create_ruleset], libc::ENOSYS);
    refuse(&[libc::SYS_seccomp], libc::EPERM);
    let plan = Plan {
        phase: Phase::Parse,
        writable: Vec::new(),
        readable: Some(vec![place.join("tree")]),
    };
    let confinement = enter(&plan, monitor);
    let lacks = confinement.lacks.join("\n");
    assert!(
        lacks.contains("landlock: the kernel is built without it"),
        "{confinement:?}"
    );
    let calls = confinement
        .holds
        .iter()
        .find(|line| line.contains("system calls"));
    let calls = calls.unwrap_or_else(|| panic!("{confinement:?}"));
    assert!(
        calls.ends_with("others are refused"),
        "nobody hears of them: {calls}"
    );
    refused(TcpStream::connect("127.0.0.1:9"));
    assert_eq!(
        fs::read(place.join("elsewhere/file")).expect("not confined"),
        b"elsewhere"
    );
}

fn ends_with_the_other(place: &Path) {
    let confinement = running(place);
    let own = format!("\nPPid:\t{}\n", std::process::id());
    let children = || {
        let entries = fs::read_dir("/proc").expect("/proc").flatten();
        let status = entries.map(|entry| fs::read_to_string(entry.path().join("status")));
        status
            .filter(|text| text.as_ref().is_ok_and(|text| text.contains(&own)))
            .count()
    };
    assert_eq!(children(), 1);
    confinement.end();
    assert_eq!(children(), 0);
}
