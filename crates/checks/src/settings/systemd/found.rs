//! What lies at a path that may hold a unit, or a link that pulls one in.

use agent_core::attributes::FileType;
use agent_core::os::node;
use agent_core::os::root::{Resolved, Root};
use std::os::fd::AsFd;

/// What systemd makes of a name in a directory of units (unit_file_build_name_map() and unit_load_fragment()).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or what systemd passes over: a directory, a pipe. A weaker directory decides.
    Nothing,
    /// Nothing can start it: an empty file, or a link that ends at one, or at a device.
    Null,
    /// A link that leads nowhere: there is no unit of that name, whatever weaker directories have.
    Broken,
    /// A file.
    Other,
}

/// Links from one path to the next.
// Own bound: as many as Linux follows.
const MAX_LINKS: usize = 40;

pub(super) fn found(root: &Root, path: &str) -> Found {
    let Some((resolved, stat)) = at(root, path.as_bytes(), false) else {
        return Found::Nothing;
    };
    match stat.kind {
        FileType::File if stat.size == 0 => Found::Null,
        FileType::File => Found::Other,
        FileType::Link => end(root, &resolved.path),
        _ => Found::Nothing,
    }
}

/// Whether what lies in a `.wants` directory pulls its name in: a link, one that leads nowhere too, and none to a mask
/// (process_deps() of load-dropin.c).
pub(super) fn pulls(root: &Root, path: &str) -> bool {
    at(root, path.as_bytes(), false).is_some_and(|(resolved, stat)| {
        stat.kind == FileType::Link && end(root, &resolved.path) != Found::Null
    })
}

/// Whether anything is there.
pub(super) fn there(root: &Root, path: &str) -> bool {
    at(root, path.as_bytes(), false).is_some()
}

fn at(root: &Root, path: &[u8], follow: bool) -> Option<(Resolved, node::Stat)> {
    let mut resolved = root.resolve(path, follow).ok()?;
    let handle = resolved.handle.take()?;
    let stat = node::stat(&handle).ok()?;
    resolved.handle = Some(handle);
    Some((resolved, stat))
}

/// Where a link ends.
fn end(root: &Root, path: &[u8]) -> Found {
    match at(root, path, true) {
        Some((resolved, _)) if resolved.path == b"dev/null" => Found::Null,
        Some((_, stat)) => match stat.kind {
            FileType::File if stat.size == 0 => Found::Null,
            FileType::File => Found::Other,
            FileType::Char | FileType::Block => Found::Null,
            _ => Found::Broken,
        },
        None if says_null(root, path) => Found::Null,
        None => Found::Broken,
    }
}

/// Whether links lead to /dev/null by what they say: a tree may have no /dev.
fn says_null(root: &Root, path: &[u8]) -> bool {
    let mut path = path.to_vec();
    for _ in 0..MAX_LINKS {
        // The path of the link itself, which has no links on the way.
        let Some((resolved, stat)) = at(root, &path, false) else {
            return false;
        };
        let target = resolved.handle.as_ref();
        let target = target.and_then(|handle| node::read_link(handle.as_fd()).ok());
        let Some(target) = target.filter(|_| stat.kind == FileType::Link) else {
            return false;
        };
        let mut parts: Vec<&[u8]> = match target.first() {
            Some(b'/') => Vec::new(),
            _ => resolved.path.split(|byte| *byte == b'/').collect(),
        };
        parts.pop();
        for part in target.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        path = parts.join(&b'/');
        if path == b"dev/null" {
            return true;
        }
    }
    false
}
