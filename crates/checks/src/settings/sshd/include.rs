//! The files that a pattern of a configuration names, below the root: `Include` of sshd and its like.

use agent_core::bounds;
use agent_core::glob::{Glob, Syntax};
use agent_core::os::root::Root;
use std::io;

/// Where relative names are looked for, whichever file includes them.
const SSHDIR: &str = "/etc/ssh";
/// Bytes of a path, with the NUL at its end, that the kernel takes (limits.h): a longer pattern names no file.
// Own bound: the kernel's.
const PATH_MAX: usize = 4096;

/// Paths that match, in the order of their bytes, as glob(3) without flags finds them.
pub(in crate::settings) fn matches(
    root: &Root,
    pattern: &str,
    syntax: Syntax,
) -> io::Result<Vec<String>> {
    let pattern = match pattern.starts_with(['/', '~']) {
        true => pattern.to_owned(),
        false => format!("{SSHDIR}/{pattern}"),
    };
    if !pattern.starts_with('/') || pattern.len() >= PATH_MAX {
        // `~` is left as it stands: a name relative to where sshd happens to run.
        return Ok(Vec::new());
    }
    let mut found = vec![String::new()];
    for component in pattern.split('/').filter(|name| !name.is_empty()) {
        let glob = Glob::of_names(component.as_bytes(), syntax);
        let mut next = Vec::new();
        for base in &found {
            if !component.contains(['*', '?', '[', '\\']) {
                let path = format!("{base}/{component}");
                if exists(root, &path) {
                    next.push(path);
                }
                continue;
            }
            // What cannot be listed matches nothing, as in glob(3) without GLOB_ERR.
            let Ok(Some(names)) = root.list(base.as_bytes()) else {
                continue;
            };
            for (name, _) in names.iter() {
                if glob.matches(name) {
                    next.push(format!("{base}/{}", String::from_utf8_lossy(name)));
                }
            }
            if next.len() > bounds::INCLUDED {
                return Err(io::Error::other(format!(
                    "more than {} files match {pattern}",
                    bounds::INCLUDED
                )));
            }
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

/// The directory above what a pattern may match, as far as the pattern spells it out.
pub(super) fn directory(pattern: &str) -> String {
    let pattern = match pattern.starts_with('/') {
        true => pattern.to_owned(),
        false => format!("{SSHDIR}/{pattern}"),
    };
    let end = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
    let plain = pattern.get(..end).unwrap_or(&pattern);
    let directory = plain
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    directory.to_owned()
}

fn exists(root: &Root, path: &str) -> bool {
    // A dangling link is there for glob(3), and is an error when it is opened.
    root.resolve(path.as_bytes(), false)
        .is_ok_and(|found| found.handle.is_some())
}
