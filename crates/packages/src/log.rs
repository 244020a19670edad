//! When a package came, and by which command: dpkg's log and apt's history (dpkg.cfg(5), apt.conf(5) "Dir::Log").
//!
//! Told, and nothing more: root can write both as easily as any file.

use crate::{Package, unpack};
use agent_core::bounds;
use agent_core::os::root::Root;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::io::{BufRead, Read};

/// Of each the newest first; what is older than twelve months is gone by logrotate's configuration.
const ROTATED: [&str; 13] = [
    "", ".1", ".2.gz", ".3.gz", ".4.gz", ".5.gz", ".6.gz", ".7.gz", ".8.gz", ".9.gz", ".10.gz",
    ".11.gz", ".12.gz",
];
/// Longer than any line of either.
const LINE: u64 = 1 << 20;

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
}

impl Logs {
    /// Reads the logs, rotated ones too. Lines that are none are passed over.
    pub fn read(root: &Root) -> Logs {
        let zone = root.read(b"etc/localtime", bounds::KEYRING).ok().flatten();
        let mut logs = Logs {
            zone: zone.and_then(|bytes| TimeZone::tzif("local", &bytes).ok()),
            ..Logs::default()
        };
        for ending in ROTATED {
            lines(root, &format!("var/log/dpkg.log{ending}"), &mut |line| {
                logs.dpkg(line)
            });
        }
        let mut entry = History::default();
        for ending in ROTATED {
            let name = format!("var/log/apt/history.log{ending}");
            lines(root, &name, &mut |line| logs.apt(line, &mut entry));
        }
        logs
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
    fn dpkg(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let (Some(at), Some(rest)) = (time(words.first(), words.get(1)), words.get(2..)) else {
            return;
        };
        let parts = |qualified: &str| {
            let (name, arch) = qualified.split_once(':').unwrap_or((qualified, ""));
            (name.to_owned(), arch.to_owned())
        };
        match rest {
            [
                "status",
                "installed" | "unpacked" | "triggers-pending",
                package,
                version,
            ] => {
                let (name, arch) = parts(package);
                let slot = self
                    .installed
                    .entry((name, arch, (*version).to_owned()))
                    .or_insert(at);
                *slot = (*slot).max(at);
            }
            ["status", "config-files" | "not-installed", package, _] => {
                let slot = self.removed.entry(parts(package)).or_insert(at);
                *slot = (*slot).max(at);
            }
            _ => {}
        }
    }

    fn apt(&mut self, line: &str, entry: &mut History) {
        let Some((key, value)) = line.split_once(": ") else {
            return;
        };
        let at = || {
            let mut words = value.split_ascii_whitespace();
            time(words.next().as_ref(), words.next().as_ref())
        };
        match key {
            "Start-Date" => {
                *entry = History {
                    from: at(),
                    command: None,
                };
            }
            "Commandline" => entry.command = Some(value.trim().to_owned()),
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

#[derive(Default)]
struct History {
    from: Option<DateTime>,
    command: Option<String>,
}

fn time(day: Option<&&str>, time: Option<&&str>) -> Option<DateTime> {
    format!("{}T{}", day?, time?).parse().ok()
}

fn lines(root: &Root, name: &str, each: &mut dyn FnMut(&str)) {
    let Ok(Some(file)) = root.open_file(name.as_bytes()) else {
        return;
    };
    // A ".1" is no compression.
    let kind = if name.ends_with(".gz") {
        "log.gz"
    } else {
        "log"
    };
    let Some(mut text) = unpack::reader(kind, file, bounds::DPKG_LOG) else {
        return;
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut text).take(LINE).read_until(b'\n', &mut line) {
            Ok(1..) => each(String::from_utf8_lossy(&line).trim_end()),
            Ok(0) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let logs = Logs::read(&Root::open(directory.path()).expect("a root"));
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
