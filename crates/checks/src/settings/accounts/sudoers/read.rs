//! A policy with everything that it includes, below the root.

use super::grammar::{self, Include};
use super::{Dialect, Location, Policy, Trouble};
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::os::node;
use agent_core::os::root::Root;
use std::io;
use std::rc::Rc;

/// `MAX_SUDOERS_DEPTH` of toke.l, `INCLUDE_LIMIT` of sudo-rs.
// Own bound: sudo's.
const MAX_DEPTH: usize = 128;

/// Where a policy begins, and who must own its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::settings::accounts) struct Source {
    /// The first file, absolute.
    pub(in crate::settings::accounts) main: String,
    pub(in crate::settings::accounts) dialect: Dialect,
    /// `sudoers_uid` and `sudoers_gid` of sudo.conf(5); 0 for sudo-rs.
    pub(in crate::settings::accounts) uid: u32,
    pub(in crate::settings::accounts) gid: u32,
}

/// Reads the policy; `None` if there is none. `host` is what `%h` in the name of an include stands for.
pub(in crate::settings::accounts) fn read(
    root: &Root,
    source: &Source,
    host: &str,
) -> io::Result<Option<Policy>> {
    let mut policy = Policy::default();
    let mut loader = PolicyLoader {
        root,
        host,
        source,
        total: 0,
        files: 0,
    };
    match loader.stat(&source.main) {
        None => return Ok(None),
        Some(stat) if stat.kind == FileType::File => {
            if let Some(reason) = loader.insecure(&stat) {
                policy.ignored.push(format!("{} ({reason})", source.main));
                return Ok(Some(policy));
            }
        }
        Some(_) => {}
    }
    let Some(bytes) = root.read(source.main.as_bytes(), bounds::SUDOERS_FILE)? else {
        return Ok(None);
    };
    loader.text(&bytes, &source.main, 0, &mut policy);
    Ok(Some(policy))
}

struct PolicyLoader<'a> {
    root: &'a Root,
    host: &'a str,
    source: &'a Source,
    total: usize,
    files: usize,
}

impl PolicyLoader<'_> {
    fn text(&mut self, bytes: &[u8], file: &str, depth: usize, policy: &mut Policy) {
        self.total = self.total.saturating_add(bytes.len());
        self.files = self.files.saturating_add(1);
        let (file, dialect) = (Rc::from(file), self.source.dialect);
        let directory = match dialect {
            // A name that is not absolute lies beside the file that includes it; with sudo, beside that as well.
            _ if depth > MAX_DEPTH => return,
            _ => parent(&file).to_owned(),
        };
        grammar::read(
            bytes,
            &file,
            dialect,
            policy,
            &mut |policy, include, place| {
                self.include(include, &directory, place, depth.saturating_add(1), policy);
            },
        );
    }

    fn include(
        &mut self,
        include: Include,
        beside: &str,
        place: Location,
        depth: usize,
        policy: &mut Policy,
    ) {
        let path = match &include {
            Include::File(name) | Include::Directory(name) => self.path(name, beside),
        };
        if depth > MAX_DEPTH {
            let reason = "too many levels of includes".to_owned();
            return policy.troubles.push(Trouble { reason, place });
        }
        if let Include::File(_) = include {
            return self.file(&path, place, depth, policy);
        }
        // A directory that others may write is passed over (push_include of toke.l).
        let is_sudo = self.source.dialect != Dialect::SudoRs;
        let reason = self.stat(&path).and_then(|stat| self.insecure(&stat));
        if let Some(reason) = reason.filter(|_| is_sudo) {
            return policy.ignored.push(format!("{path} ({reason})"));
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
            // Anything else is passed over, links that lead nowhere among it.
            if self
                .stat(&path)
                .is_some_and(|stat| stat.kind == FileType::File)
            {
                self.file(&path, place.clone(), depth, policy);
            }
        }
    }

    fn file(&mut self, path: &str, place: Location, depth: usize, policy: &mut Policy) {
        if self.total > bounds::SUDOERS_ALL || self.files > bounds::SUDOERS_FILES {
            let reason = format!("{path} is not read: the policy is larger than any real one");
            return policy.troubles.push(Trouble { reason, place });
        }
        if let Some(reason) = self.stat(path).and_then(|stat| self.insecure(&stat)) {
            return policy.ignored.push(format!("{path} ({reason})"));
        }
        match self.root.read(path.as_bytes(), bounds::SUDOERS_FILE) {
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

    fn stat(&self, path: &str) -> Option<node::Stat> {
        let found = self.root.resolve(path.as_bytes(), true).ok()?;
        node::stat(&found.handle?).ok()
    }

    /// Why the program does not trust a file or directory (`sudo_check_secure` of secure_path.c; audit.rs of sudo-rs).
    fn insecure(&self, stat: &node::Stat) -> Option<&'static str> {
        if stat.uid != self.source.uid {
            Some("another owner than root")
        } else if stat.mode & 0o002 != 0 {
            Some("everybody may write to it")
        } else if stat.mode & 0o020 != 0 && stat.gid != self.source.gid {
            Some("a group may write to it")
        } else {
            None
        }
    }

    fn path(&self, name: &str, beside: &str) -> String {
        let name = match self.source.dialect {
            Dialect::Sudo { .. } => name.replace("%h", &self.host.replace('/', "_")),
            Dialect::SudoRs => name.to_owned(),
        };
        match name.starts_with('/') {
            true => name.trim_end_matches('/').to_owned(),
            false => format!("{beside}/{name}"),
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
