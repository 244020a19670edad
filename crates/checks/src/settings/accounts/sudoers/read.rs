//! /etc/sudoers with everything that it includes, below the root.

use super::grammar::{self, Include};
use super::{Place, Policy, Trouble};
use agent_core::attributes::FileType;
use agent_core::os::node;
use agent_core::os::root::Root;
use std::io;

/// Where sudo looks for its policy.
const MAIN: &str = "/etc/sudoers";
/// `MAX_SUDOERS_DEPTH` of toke.l.
const MAX_DEPTH: usize = 128;
/// A file larger than this is no policy.
const MAX_FILE: u64 = agent_core::bounds::SUDOERS_FILE;
/// All files together, each counted as often as it is included.
const MAX_TOTAL: usize = agent_core::bounds::SUDOERS_ALL;
const MAX_FILES: usize = agent_core::bounds::SUDOERS_FILES;

/// Reads the policy; `None` if there is none. `host` is what `%h` in the name of an include stands for.
pub(in crate::settings::accounts) fn read(root: &Root, host: &str) -> io::Result<Option<Policy>> {
    let Some(bytes) = root.read(MAIN.as_bytes(), MAX_FILE)? else {
        return Ok(None);
    };
    let mut policy = Policy::default();
    let mut reader = Reader {
        root,
        host,
        total: 0,
        files: 0,
    };
    reader.text(&bytes, MAIN, 0, &mut policy);
    Ok(Some(policy))
}

struct Reader<'a> {
    root: &'a Root,
    host: &'a str,
    total: usize,
    files: usize,
}

impl Reader<'_> {
    fn text(&mut self, bytes: &[u8], file: &str, depth: usize, policy: &mut Policy) {
        self.total += bytes.len();
        self.files += 1;
        grammar::read(bytes, file, policy, &mut |policy, include, place| {
            self.include(include, place, depth + 1, policy);
        });
    }

    fn include(&mut self, include: Include, place: Place, depth: usize, policy: &mut Policy) {
        let path = match &include {
            Include::File(name) | Include::Directory(name) => self.path(name),
        };
        if depth > MAX_DEPTH {
            let reason = "too many levels of includes".to_owned();
            return policy.troubles.push(Trouble { reason, place });
        }
        if let Include::File(_) = include {
            return self.file(&path, place, depth, policy);
        }
        let names = match self.root.list(path.as_bytes()) {
            Ok(names) => names,
            Err(error) => {
                let reason = format!("{path} cannot be listed: {error}");
                return policy.troubles.push(Trouble { reason, place });
            }
        };
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            // Left behind by editors and package managers (sudoers(5), @includedir).
            if name.ends_with(b"~") || name.contains(&b'.') {
                continue;
            }
            let path = format!("{path}/{}", String::from_utf8_lossy(name));
            if !self.is_file(&path) {
                continue;
            }
            self.file(&path, place.clone(), depth, policy);
        }
    }

    fn file(&mut self, path: &str, place: Place, depth: usize, policy: &mut Policy) {
        if self.total > MAX_TOTAL || self.files > MAX_FILES {
            let reason = format!("{path} is not read: the policy is larger than any real one");
            return policy.troubles.push(Trouble { reason, place });
        }
        match self.root.read(path.as_bytes(), MAX_FILE) {
            Ok(Some(bytes)) => self.text(&bytes, path, depth, policy),
            Ok(None) => {
                let reason = format!("{path} is not there");
                policy.troubles.push(Trouble { reason, place });
            }
            Err(error) => {
                let reason = format!("{path} cannot be read: {error}");
                policy.troubles.push(Trouble { reason, place });
            }
        }
    }

    /// sudo passes over anything else, links that lead nowhere among it.
    fn is_file(&self, path: &str) -> bool {
        let handle = self
            .root
            .resolve(path.as_bytes(), true)
            .ok()
            .and_then(|found| found.handle);
        handle
            .and_then(|handle| node::stat(&handle).ok())
            .is_some_and(|stat| stat.kind == FileType::File)
    }

    /// A name that is not absolute lies beside the main file.
    fn path(&self, name: &str) -> String {
        let name = name.replace("%h", &self.host.replace('/', "_"));
        match name.starts_with('/') {
            true => name.trim_end_matches('/').to_owned(),
            false => format!("/etc/{name}"),
        }
    }
}
