//! The running daemon: how it was called, and when it last read its files.

use agent_core::bounds;
use agent_core::os::node;
use agent_core::os::root::Root;

/// Ticks a second in /proc/PID/stat: USER_HZ, 100 on every processor that Linux distributions build for.
const TICKS: u64 = 100;

/// The listening sshd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Daemon {
    /// `-f`, where the command line has one.
    pub(super) file: Option<String>,
    /// Each `-o`.
    pub(super) options: Vec<String>,
    /// When it started or was last reloaded, seconds since 1970; `None` where that is not known.
    pub(super) read_at: Option<i64>,
    /// `-t`, `-T`, `-G`, `-V`: it only tells something, and listens to nobody.
    pub(super) only_tells: bool,
}

/// Finds the daemon below /proc. `None` if none runs, as with socket activation.
pub(super) fn daemon(root: &Root) -> Option<Daemon> {
    let processes = root.list(b"proc").ok()??;
    for (name, _) in processes.iter() {
        let Ok(pid) = String::from_utf8_lossy(name).parse::<u32>() else {
            continue;
        };
        let Ok(Some(line)) =
            root.read(format!("proc/{pid}/cmdline").as_bytes(), bounds::SHORT_FILE)
        else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        // sshd names itself so while it listens (setproctitle in sshd.c).
        let Some(rest) = line.trim_end().strip_prefix("sshd: ") else {
            continue;
        };
        let Some((command, _)) = rest.split_once(" [listener]") else {
            continue;
        };
        let mut daemon = options(&words(command));
        daemon.read_at = read_at(root, pid);
        return Some(daemon);
    }
    None
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
