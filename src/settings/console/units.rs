//! What systemd starts on a terminal line: a unit with its drop-ins, as systemd.unit(5) puts them together.

use crate::attributes::FileType;
use crate::os::node;
use crate::os::root::Root;
use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// Where units lie, the strongest first.
const DIRECTORIES: [&str; 4] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
const LIMIT: u64 = 1 << 20;

/// One `ExecStart=` in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) command: String,
    /// `FILE:LINE`
    pub(super) location: String,
}

/// Whether the name is a link to /dev/null somewhere, so that systemd starts nothing.
pub(super) fn masked(root: &Root, unit: &str) -> bool {
    for directory in DIRECTORIES {
        match link(root, &format!("{directory}/{unit}")) {
            Found::Null => return true,
            // The strongest decides.
            Found::Other => return false,
            Found::Nothing => {}
        }
    }
    false
}

/// The link below getty.target.wants that starts the unit, whatever the kernel's consoles are.
pub(super) fn wanted(root: &Root, unit: &str) -> Option<String> {
    DIRECTORIES
        .into_iter()
        .map(|directory| format!("{directory}/getty.target.wants/{unit}"))
        .find(|path| link(root, path) == Found::Other)
        .map(|path| format!("/{path}"))
}

/// The link below any `*.wants` or `*.requires` that starts the unit.
pub(super) fn pulled_in(root: &Root, unit: &str) -> Option<String> {
    for directory in DIRECTORIES {
        let names = root.list(directory.as_bytes()).ok().flatten();
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            if name.ends_with(b".wants") || name.ends_with(b".requires") {
                let path = format!("{directory}/{}/{unit}", String::from_utf8_lossy(name));
                if link(root, &path) == Found::Other {
                    return Some(format!("/{path}"));
                }
            }
        }
    }
    None
}

#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Null,
    Other,
}

fn link(root: &Root, path: &str) -> Found {
    let Some(handle) = root
        .resolve(path.as_bytes(), false)
        .ok()
        .and_then(|found| found.handle)
    else {
        return Found::Nothing;
    };
    let is_link = node::stat(&handle).is_ok_and(|stat| stat.kind == FileType::Link);
    match is_link && node::read_link(handle.as_fd()).is_ok_and(|target| &*target == b"/dev/null") {
        true => Found::Null,
        false => Found::Other,
    }
}

/// The commands that the instance `TEMPLATE@INSTANCE.service` starts.
pub(super) fn starts(root: &Root, template: &str, instance: &str) -> Vec<Start> {
    let own = format!("{template}@{instance}.service");
    let shared = format!("{template}@.service");
    let mut found = Vec::new();
    // The unit itself: the instance's own file, else the template's.
    let unit = [&own, &shared].into_iter().find_map(|name| {
        DIRECTORIES.iter().find_map(|directory| {
            let path = format!("{directory}/{name}");
            // An instance is mostly a link to its template: the file that is read is the same.
            root.read(path.as_bytes(), LIMIT)
                .ok()
                .flatten()
                .map(|bytes| (path, bytes))
        })
    });
    if let Some((path, bytes)) = unit {
        read(&path, &bytes, &mut found);
    }
    // Drop-ins: sorted by name, of equal names the strongest directory's.
    let mut drop_ins: BTreeMap<Vec<u8>, Option<(String, Vec<u8>)>> = BTreeMap::new();
    for directory in DIRECTORIES {
        for name in [&own, &shared] {
            let directory = format!("{directory}/{name}.d");
            let Ok(Some(names)) = root.list(directory.as_bytes()) else {
                continue;
            };
            for (file, _) in names.iter().filter(|(file, _)| file.ends_with(b".conf")) {
                let path = format!("{directory}/{}", String::from_utf8_lossy(file));
                drop_ins.entry(file.to_vec()).or_insert_with(|| {
                    let bytes = root.read(path.as_bytes(), LIMIT).ok().flatten();
                    bytes.map(|bytes| (path, bytes))
                });
            }
        }
    }
    for (path, bytes) in drop_ins.into_values().flatten() {
        read(&path, &bytes, &mut found);
    }
    found
}

/// Adds the `ExecStart=` lines of a file; an empty one clears what came before.
fn read(path: &str, bytes: &[u8], found: &mut Vec<Start>) {
    let text = String::from_utf8_lossy(bytes);
    let mut in_service = false;
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if open.is_none() && (trimmed.starts_with(['#', ';']) || trimmed.is_empty()) {
            continue;
        }
        let (start, whole) = match open.take() {
            Some((start, before)) => (start, format!("{before} {trimmed}")),
            None => (number + 1, trimmed.to_owned()),
        };
        if let Some(head) = whole.strip_suffix('\\') {
            open = Some((start, head.trim_end().to_owned()));
            continue;
        }
        if whole.starts_with('[') {
            in_service = whole == "[Service]";
        } else if let Some((key, value)) = whole.split_once('=')
            && in_service
            && key.trim_end() == "ExecStart"
        {
            match value.trim() {
                "" => found.clear(),
                command => found.push(Start {
                    command: command.to_owned(),
                    location: format!("/{path}:{start}"),
                }),
            }
        }
    }
}

/// Whether the command logs somebody in without asking (agetty(8)).
pub(super) fn logs_in(command: &str) -> bool {
    command.split_whitespace().any(|word| {
        let short = word.starts_with('-') && !word.starts_with("--") && word.starts_with("-a");
        word == "--autologin" || word.starts_with("--autologin=") || short
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_unit() {
        let mut found = Vec::new();
        let text = b"[Unit]\nExecStart=no\n[Service]\n# ExecStart=no\nExecStart=-/sbin/agetty \\\n --autologin root %I\n";
        read("u", text, &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].location, "/u:5");
        assert!(logs_in(&found[0].command));
        read(
            "u",
            b"[Service]\nExecStart=\nExecStart=-/sbin/agetty -o '-p' %I\n",
            &mut found,
        );
        assert_eq!(found.len(), 1);
        assert!(!logs_in(&found[0].command));
    }
}
