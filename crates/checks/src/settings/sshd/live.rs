//! The running daemon: how it was called, and when it last read its files.

use agent_core::bounds;
use agent_core::os::root::Root;
use agent_core::os::{node, others, procfs};
use std::os::fd::AsFd;

/// Ticks a second in /proc/PID/stat: USER_HZ, 100 on every processor that Linux distributions build for.
const TICKS: u64 = 100;

/// An sshd that listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Daemon {
    /// Its process; `None` of a unit's command line.
    pub(super) pid: Option<u32>,
    /// `-f`, where the command line has one.
    pub(super) file: Option<String>,
    /// Each `-o`.
    pub(super) options: Vec<String>,
    /// When it started or was last reloaded, seconds since 1970; `None` where that is not known.
    pub(super) read_at: Option<i64>,
    /// `-t`, `-T`, `-G`, `-V`: it only tells something, and listens to nobody.
    pub(super) only_tells: bool,
    /// Its title had no room for the whole command line: options may be missing.
    pub(super) cut: bool,
}

/// The host's daemons below /proc; none with socket activation. The one that wrote the pid file comes first, then the
/// one that was started first.
pub(super) fn daemons(root: &Root) -> Vec<Daemon> {
    let mut pids = procfs::processes(root).unwrap_or_default();
    let written = text(root, "run/sshd.pid").and_then(|pid| pid.trim().parse::<u32>().ok());
    pids.sort_by_key(|pid| (Some(*pid) != written, *pid));
    let mut found: Vec<Daemon> = pids.iter().filter_map(|pid| daemon(root, *pid)).collect();
    found.sort_by_key(|daemon| daemon.cut);
    found
}

fn text(root: &Root, path: &str) -> Option<String> {
    let bytes = root.read(path.as_bytes(), bounds::SHORT_FILE).ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The daemon that the process is.
fn daemon(root: &Root, pid: u32) -> Option<Daemon> {
    let line = root.read(
        format!("proc/{pid}/cmdline").as_bytes(),
        bounds::SETTINGS_FILE,
    );
    let line = String::from_utf8_lossy(&line.ok()??).replace('\0', " ");
    // sshd names itself so while it listens (setproctitle in sshd.c), by its absolute path, without which it does not
    // start. Its sessions bear names of users.
    let rest = line.trim_end().strip_prefix("sshd: ")?;
    // An option may hold these words too.
    let (command, cut) = match rest.rsplit_once(" [listener]") {
        Some((command, _)) => (command, false),
        // The title takes the room of arguments and environment, and is cut where that ends.
        None if rest.starts_with('/') => (rest, true),
        None => return None,
    };
    is_sshd(root, pid).then(|| Daemon {
        pid: Some(pid),
        read_at: read_at(root, pid),
        cut,
        ..options(&words(command))
    })
}

/// Whether the process is an sshd of the host's root: anybody's process may call itself one, and a setuid program runs
/// under any name.
fn is_sshd(root: &Root, pid: u32) -> bool {
    let directory = format!("proc/{pid}");
    let Some(status) = text(root, &format!("{directory}/status")) else {
        return false;
    };
    let line = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().split_whitespace()
    };
    // Real, effective, saved and of the file system.
    let of_root = line("Uid:").count() == 4 && line("Uid:").all(|uid| uid == "0");
    if !of_root {
        return false;
    }
    // Numbered in a PID namespace of its own: most likely a container's, whose files are not the host's.
    let nested = line("NSpid:").count() > 1;
    let handle = root.resolve(directory.as_bytes(), false);
    let Some(process) = handle.ok().and_then(|found| found.handle) else {
        return false;
    };
    match others::read_link(&process, b"exe") {
        Ok(program) => is_program(&program) && (!nested || is_own(root, &process, &program)),
        // Without CAP_SYS_PTRACE its program cannot be seen: then uid 0 alone decides. What is wrongly taken for an sshd
        // so is judged beside the others, and hides none of them.
        Err(_) => !nested,
    }
}

/// Whether the path is an sshd's, also one that an update has replaced.
fn is_program(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next();
    name.is_some_and(|name| name.starts_with(b"sshd"))
}

/// Whether the program of the process is the host's file of that path.
fn is_own(root: &Root, process: impl AsFd, path: &[u8]) -> bool {
    let theirs = others::handle(process, b"exe").and_then(|file| Ok(node::stat(&file)?));
    let own = root.resolve(path, true).ok().and_then(|found| found.handle);
    match (theirs, own.map(|file| node::stat(&file))) {
        (Ok(theirs), Some(Ok(own))) => theirs.id == own.id,
        _ => false,
    }
}

/// The words behind the program's name. The title has lost its quotes: what no dash begins belongs to the value
/// before it, as in `-o AuthorizedKeysCommand /usr/bin/it %u`.
fn words(command: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in command.split_whitespace().skip(1) {
        match words.last_mut() {
            Some(last)
                if !word.starts_with('-')
                    && (!last.starts_with('-') || last.starts_with("-o") && last.len() > 2) =>
            {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Flags of sshd(8) that take a word.
const WITH_WORD: &str = "CEbcfghkopu";

/// `-f` and `-o` of a command line; each with its word or attached to it (getopt(3)).
pub(super) fn options(words: &[String]) -> Daemon {
    let mut daemon = Daemon::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(flags) = word.strip_prefix('-') else {
            continue;
        };
        let with_word = flags.trim_start_matches(|c| !WITH_WORD.contains(c));
        let alone = flags.strip_suffix(with_word).unwrap_or(flags);
        daemon.only_tells |= alone.contains(['t', 'T', 'G', 'V']);
        let mut with_word = with_word.chars();
        let Some(flag) = with_word.next() else {
            continue;
        };
        let value = match with_word.as_str() {
            "" => words.next().map_or("", String::as_str),
            attached => attached,
        };
        match flag {
            'f' => daemon.file = Some(value.to_owned()),
            'o' => daemon.options.push(value.to_owned()),
            _ => {}
        }
    }
    daemon
}

/// The start of the process, or the later time of its pid file, which a reload writes anew.
fn read_at(root: &Root, pid: u32) -> Option<i64> {
    let stat = root
        .read(format!("proc/{pid}/stat").as_bytes(), bounds::SHORT_FILE)
        .ok()??;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    // The name in parentheses may hold blanks; field 22 is the 20th after it (proc(5)).
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let boot = root.read(b"proc/stat", bounds::SETTINGS_FILE).ok()??;
    let boot: u64 = String::from_utf8_lossy(&boot)
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    let started = i64::try_from(boot.checked_add(ticks / TICKS)?).ok()?;
    let written = root
        .read(b"run/sshd.pid", bounds::SHORT_FILE)
        .ok()
        .flatten();
    let own = written.is_some_and(|text| String::from_utf8_lossy(&text).trim() == pid.to_string());
    let reloaded = own.then(|| modified(root, "run/sshd.pid")).flatten();
    Some(started.max(reloaded.unwrap_or(i64::MIN)))
}

/// When the file was last changed, seconds since 1970.
pub(super) fn modified(root: &Root, path: &str) -> Option<i64> {
    let handle = root.resolve(path.as_bytes(), true).ok()?.handle?;
    Some(node::stat(&handle).ok()?.mtime.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_beyond_all_times_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let process = directory.path().join("proc/7");
        std::fs::create_dir_all(&process).expect("made");
        let read_at = |booted: u64, ticks: u64| {
            let stat = format!("7 (sshd) S{} {ticks} 0\n", " 0".repeat(18));
            std::fs::write(process.join("stat"), stat).expect("written");
            let booted = format!("cpu 0\nbtime {booted}\n");
            std::fs::write(directory.path().join("proc/stat"), booted).expect("written");
            read_at(&Root::open(directory.path()).expect("a root"), 7)
        };
        assert_eq!(read_at(1_700_000_000, 60 * TICKS), Some(1_700_000_060));
        assert_eq!(read_at(u64::MAX, u64::MAX), None);
    }

    /// A process as /proc shows it.
    fn process(root: &std::path::Path, pid: u32, title: &str, uid: &str, more: (&str, &str)) {
        let process = root.join(format!("proc/{pid}"));
        std::fs::create_dir_all(&process).expect("made");
        std::fs::write(process.join("cmdline"), format!("{title}\0\0")).expect("written");
        let (program, nested) = more;
        let status = format!("Name:\tsshd\nUid:\t{uid}\nNSpid:\t{pid}{nested}\n");
        std::fs::write(process.join("status"), status).expect("written");
        if !program.is_empty() {
            std::os::unix::fs::symlink(program, process.join("exe")).expect("linked");
        }
    }

    #[test]
    fn what_calls_itself_sshd_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        let title = |options: &str| {
            format!("sshd: /usr/sbin/sshd -D{options} [listener] 0 of 10-100 startups")
        };
        let (zero, sshd) = ("0\t0\t0\t0", "/usr/sbin/sshd");
        process(
            root,
            5,
            &title(" -f /a"),
            "1000\t1000\t1000\t1000",
            ("/usr/bin/sleep", ""),
        );
        process(root, 6, &title(" -f /b"), "1000\t0\t0\t0", ("", ""));
        process(root, 7, &title(" -f /c"), zero, ("/usr/bin/sudo", ""));
        process(root, 8, &title(" -f /d"), zero, (sshd, "\t1"));
        process(
            root,
            9,
            &title(" -f /e"),
            "100000\t100000\t100000\t100000",
            (sshd, ""),
        );
        process(root, 10, "sshd: root [priv]", zero, (sshd, ""));
        process(
            root,
            20,
            &title(" -o PermitRootLogin=yes"),
            zero,
            (sshd, ""),
        );
        process(
            root,
            21,
            &title(" -o Banner=/x [listener] -o PermitRootLogin=yes"),
            zero,
            ("/usr/sbin/sshd (deleted)", ""),
        );
        process(
            root,
            22,
            "sshd: /usr/sbin/sshd -D -o PermitR",
            zero,
            (sshd, ""),
        );
        process(root, 100, &title(""), zero, ("", ""));
        std::fs::create_dir(root.join("run")).expect("made");
        std::fs::write(root.join("run/sshd.pid"), "100\n").expect("written");
        let found = daemons(&Root::open(root).expect("a root"));
        let found: Vec<_> = found
            .iter()
            .map(|daemon| {
                (
                    daemon.pid.unwrap_or_default(),
                    daemon.options.join(","),
                    daemon.cut,
                )
            })
            .collect();
        let of = |pid, options: &str, cut| (pid, options.to_owned(), cut);
        assert_eq!(
            found,
            [
                of(100, "", false),
                of(20, "PermitRootLogin=yes", false),
                of(21, "Banner=/x [listener],PermitRootLogin=yes", false),
                of(22, "PermitR", true),
            ]
        );
    }

    #[test]
    fn options_attached_and_apart() {
        let daemon = options(&words(
            "/usr/sbin/sshd -Df /etc/x -p 2222 -oPort=22 -o UsePAM=no -oBanner /x -o AuthorizedKeysCommand /y %u %f -4",
        ));
        assert_eq!(daemon.file.as_deref(), Some("/etc/x"));
        assert_eq!(
            daemon.options,
            [
                "Port=22",
                "UsePAM=no",
                "Banner /x",
                "AuthorizedKeysCommand /y %u %f"
            ]
        );
    }
}
