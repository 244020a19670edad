//! When a package came, and by which command: dpkg's log and apt's history (dpkg.cfg(5), apt.conf(5) "Dir::Log").
//!
//! Told, and nothing more: root can write both as easily as any file.

use crate::{Package, unpack};
use agent_core::bounds;
use agent_core::os::root::Root;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::io::{self, BufRead, Read};

/// Of each the newest first; what is older than twelve months is gone by logrotate's configuration.
const ROTATED: [&str; 13] = [
    "", ".1", ".2.gz", ".3.gz", ".4.gz", ".5.gz", ".6.gz", ".7.gz", ".8.gz", ".9.gz", ".10.gz",
    ".11.gz", ".12.gz",
];
/// Commands of apt's history that are kept: twice as many at most, the newest of the newest files.
// Own bound: of older ones it is not told which command it was.
const HISTORY: usize = 2_000;
/// Bytes of a command that are told.
// Own bound: what is longer names packages one by one, of which the events tell anyway.
const COMMAND: usize = 2_000;
/// One step of a package in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    /// When (RFC 3339); as the log has it where the time zone of the tree is not known.
    pub at: String,
    /// The command of the transaction, where apt's history has it.
    pub transaction: Option<String>,
}

/// What the logs of a tree say.
#[derive(Debug, Default)]
pub struct Logs {
    /// By name, architecture and version: when it was last said to be installed.
    installed: HashMap<(String, String, String), DateTime>,
    /// Packages that a log says were taken away, by name and architecture.
    removed: HashMap<(String, String), DateTime>,
    /// Begin, end, command.
    history: Vec<(DateTime, DateTime, String)>,
    zone: Option<TimeZone>,
    /// The first file that was not read to its end, and why.
    unread: Option<String>,
}

impl Logs {
    /// Reads what the logs, rotated ones too, say of the packages whose names are `wanted`. Lines that are none are passed
    /// over.
    pub fn read(root: &Root, wanted: &dyn Fn(&str) -> bool) -> Logs {
        let zone = root.read(b"etc/localtime", bounds::KEYRING).ok().flatten();
        let mut logs = Logs {
            zone: zone.and_then(|bytes| TimeZone::tzif("local", &bytes).ok()),
            ..Logs::default()
        };
        for ending in ROTATED {
            let name = format!("var/log/dpkg.log{ending}");
            let read = lines(root, &name, &mut |line| logs.dpkg(line, wanted));
            logs.note(&name, read);
        }
        let mut entry = History::default();
        for ending in ROTATED {
            let name = format!("var/log/apt/history.log{ending}");
            let newer = logs.history.len();
            let read = lines(root, &name, &mut |line| {
                logs.apt(line, &mut entry);
                // The newest of a file stand last in it.
                if logs.history.len() >= 2 * HISTORY {
                    let end = newer.saturating_add(HISTORY).min(logs.history.len());
                    logs.history.drain(newer..end);
                }
            });
            logs.note(&name, read);
        }
        logs
    }

    fn note(&mut self, name: &str, read: io::Result<()>) {
        if let Err(error) = read {
            let why = || format!("/{name}: {error}");
            self.unread.get_or_insert_with(why);
        }
    }

    /// The first file that was not read to its end, and why; what it says beyond is not known.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// When this version came.
    pub fn came(&self, package: &Package) -> Option<Came> {
        let Package {
            name,
            arch,
            version,
        } = package;
        let key = |arch: &str| (name.clone(), arch.to_owned(), version.clone());
        let at = *self.installed.get(&key(arch))?;
        let within = |(from, to, _): &&(DateTime, DateTime, String)| *from <= at && at <= *to;
        Some(Came {
            at: self.shown(at),
            transaction: self
                .history
                .iter()
                .find(within)
                .map(|(.., command)| command.clone()),
        })
    }

    /// Whether a log says that the package was taken away.
    pub fn removed(&self, package: &Package) -> bool {
        self.removed
            .contains_key(&(package.name.clone(), package.arch.clone()))
    }

    /// Whether there is any log of dpkg's.
    pub fn is_empty(&self) -> bool {
        self.installed.is_empty() && self.removed.is_empty()
    }

    fn shown(&self, at: DateTime) -> String {
        let zone = self.zone.clone();
        let zoned = zone.and_then(|zone| at.to_zoned(zone).ok());
        zoned.map_or_else(
            || at.to_string(),
            |zoned| format!("{:.0}", zoned.timestamp()),
        )
    }

    /// `2026-11-27 10:00:00 status installed libc6:amd64 2.36-9`
    fn dpkg(&mut self, line: &str, wanted: &dyn Fn(&str) -> bool) {
        let mut words = line.split(' ');
        let (day, hour) = (words.next(), words.next());
        let (Some("status"), Some(state), Some(qualified), Some(version), None) = (
            words.next(),
            words.next(),
            words.next(),
            words.next(),
            words.next(),
        ) else {
            return;
        };
        let (name, arch) = qualified.split_once(':').unwrap_or((qualified, ""));
        let came = match state {
            "installed" | "unpacked" | "triggers-pending" => true,
            "config-files" | "not-installed" => false,
            _ => return,
        };
        if !wanted(name) {
            return;
        }
        let Some(at) = time(day, hour) else {
            return;
        };
        let key = (name.to_owned(), arch.to_owned());
        let slot = match came {
            true => {
                let key = (key.0, key.1, version.to_owned());
                self.installed.entry(key).or_insert(at)
            }
            false => self.removed.entry(key).or_insert(at),
        };
        *slot = (*slot).max(at);
    }

    fn apt(&mut self, line: &str, entry: &mut History) {
        let Some((key, value)) = line.split_once(": ") else {
            return;
        };
        let at = || {
            let mut words = value.split_ascii_whitespace();
            time(words.next(), words.next())
        };
        match key {
            "Start-Date" => {
                *entry = History {
                    from: at(),
                    command: None,
                };
            }
            "Commandline" => entry.command = Some(cut(value.trim())),
            "End-Date" => {
                if let (Some(from), Some(to), Some(command)) =
                    (entry.from, at(), entry.command.take())
                {
                    self.history.push((from, to, command));
                }
            }
            _ => {}
        }
    }
}

/// A command as it is told: an upgrade of everything by name has 100 KB.
fn cut(command: &str) -> String {
    let end = command.floor_char_boundary(COMMAND);
    match command.split_at_checked(end) {
        None | Some((_, "")) => command.to_owned(),
        Some((told, _)) => format!("{told}…"),
    }
}

#[derive(Default)]
struct History {
    from: Option<DateTime>,
    command: Option<String>,
}

fn time(day: Option<&str>, time: Option<&str>) -> Option<DateTime> {
    format!("{}T{}", day?, time?).parse().ok()
}

fn lines(root: &Root, name: &str, each: &mut dyn FnMut(&str)) -> io::Result<()> {
    let Some(file) = root.open_file(name.as_bytes())? else {
        return Ok(());
    };
    // A ".1" is no compression.
    let kind = if name.ends_with(".gz") {
        "log.gz"
    } else {
        "log"
    };
    let Some(mut text) = unpack::reader(kind, file, bounds::DPKG_LOG) else {
        return Ok(());
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = bounds::DPKG_LOG_LINE;
        match (&mut text).take(most + 1).read_until(b'\n', &mut line)? {
            0 => return Ok(()),
            length if length as u64 > most => {
                return Err(io::Error::other(format!("a line longer than {most} bytes")));
            }
            _ => each(String::from_utf8_lossy(&line).trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
