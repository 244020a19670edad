//! When a package came, and by which command: dpkg's log and apt's history (dpkg.cfg(5), apt.conf(5) "Dir::Log").
//!
//! Told, and nothing more: root can write both as easily as any file.

use crate::{Package, unpack};
use agent_core::bounds;
use agent_core::os::node::{self, Id};
use agent_core::os::root::Root;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

const DPKG: &str = "var/log/dpkg.log";
const APT: &str = "var/log/apt/history.log";
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
    /// What apt's history has begun to say and not ended.
    entry: History,
    /// How far dpkg's log and apt's history were read.
    ends: [Option<End>; 2],
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
            let end = logs.take_dpkg(root, &format!("{DPKG}{ending}"), 0, wanted);
            let [dpkg, _] = &mut logs.ends;
            keep_first(dpkg, end, ending);
        }
        for ending in ROTATED {
            let end = logs.take_apt(root, &format!("{APT}{ending}"), 0);
            let [_, apt] = &mut logs.ends;
            keep_first(apt, end, ending);
        }
        logs
    }

    /// Reads what the logs have gained since, as they are written to at their ends; false where they are other files by
    /// now, or were not read whole: then all of them are to be read anew, as for names that were not wanted before.
    pub fn follow(&mut self, root: &Root, wanted: &dyn Fn(&str) -> bool) -> bool {
        let [dpkg, apt] = self.ends;
        let (Some(from_dpkg), Some(from_apt)) = (gains(root, DPKG, dpkg), gains(root, APT, apt))
        else {
            return false;
        };
        if self.unread.is_some() || self.history.len() > HISTORY {
            return false;
        }
        if let Some(from) = from_dpkg {
            let end = self.take_dpkg(root, DPKG, from, wanted);
            self.ends = [end, apt];
        }
        if let Some(from) = from_apt {
            let end = self.take_apt(root, APT, from);
            let [_, apt] = &mut self.ends;
            *apt = end;
        }
        self.unread.is_none()
    }

    fn take_dpkg(
        &mut self,
        root: &Root,
        name: &str,
        from: u64,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Option<End> {
        let read = lines(root, name, from, &mut |line| self.dpkg(line, wanted));
        self.note(name, read)
    }

    fn take_apt(&mut self, root: &Root, name: &str, from: u64) -> Option<End> {
        // What a rotated file does not end stays open.
        let mut entry = match name == APT {
            true => std::mem::take(&mut self.entry),
            false => History::default(),
        };
        let newer = self.history.len();
        let read = lines(root, name, from, &mut |line| {
            self.apt(line, &mut entry);
            // The newest of a file stand last in it.
            if self.history.len() >= 2 * HISTORY {
                let end = newer.saturating_add(HISTORY).min(self.history.len());
                self.history.drain(newer..end);
            }
        });
        if name == APT {
            self.entry = entry;
        }
        self.note(name, read)
    }

    fn note(&mut self, name: &str, read: io::Result<Option<End>>) -> Option<End> {
        match read {
            Ok(end) => end,
            Err(error) => {
                let why = || format!("/{name}: {error}");
                self.unread.get_or_insert_with(why);
                None
            }
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
        // Of those within one second the later: it is the last time that the version came.
        let of = self.history.iter().filter(within).max_by_key(|it| it.0);
        Some(Came {
            at: self.shown(at),
            transaction: of.map(|(.., command)| command.clone()),
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

#[derive(Clone, Debug, Default)]
struct History {
    from: Option<DateTime>,
    command: Option<String>,
}

fn time(day: Option<&str>, time: Option<&str>) -> Option<DateTime> {
    format!("{}T{}", day?, time?).parse().ok()
}

/// How far a log was read: which file it was, and where its last whole line ends.
#[derive(Clone, Copy, Debug)]
struct End {
    id: Id,
    at: u64,
}

/// Keeps the end of the newest file: the others are not written to.
fn keep_first(kept: &mut Option<End>, end: Option<End>, ending: &str) {
    if ending.is_empty() {
        *kept = end;
    }
}

/// From where on a log has something new, if it has; the outer `None`: it is another file, or has lost some.
fn gains(root: &Root, name: &str, known: Option<End>) -> Option<Option<u64>> {
    let handle = match root.resolve(name.as_bytes(), true) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        resolved => resolved.ok()?.handle,
    };
    let now = match handle {
        Some(handle) => Some(node::stat(handle).ok()?),
        None => None,
    };
    match (known, now) {
        (None, None) => Some(None),
        (None, Some(_)) => Some(Some(0)),
        (Some(end), Some(now)) if now.id == end.id && now.size >= end.at => {
            Some((now.size > end.at).then_some(end.at))
        }
        (Some(_), _) => None,
    }
}

/// Each line of a file from that byte on. Returns how far it was read; `None` if there is none.
fn lines(
    root: &Root,
    name: &str,
    from: u64,
    each: &mut dyn FnMut(&str),
) -> io::Result<Option<End>> {
    let Some(mut file) = root.open_file(name.as_bytes())? else {
        return Ok(None);
    };
    let id = node::stat(&file)?.id;
    file.seek(SeekFrom::Start(from))?;
    // A ".1" is no compression.
    let kind = if name.ends_with(".gz") {
        "log.gz"
    } else {
        "log"
    };
    let mut end = End { id, at: from };
    let left = bounds::DPKG_LOG.saturating_sub(from);
    let Some(mut text) = unpack::reader(kind, file, left) else {
        return Ok(Some(end));
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = bounds::DPKG_LOG_LINE;
        match (&mut text).take(most + 1).read_until(b'\n', &mut line)? {
            0 => return Ok(Some(end)),
            length if length as u64 > most => {
                return Err(io::Error::other(format!("a line longer than {most} bytes")));
            }
            length => {
                each(String::from_utf8_lossy(&line).trim_end());
                if line.ends_with(b"\n") {
                    end.at = end.at.saturating_add(length as u64);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
