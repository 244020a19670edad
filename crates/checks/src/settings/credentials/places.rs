//! `credentials.no_long_term_keys`: the files that AWS's tools and services read keys from.

use super::access_keys::{KeyId, MAX_TOLD, scan};
use super::homes::homes;
use super::{Gap, NO_LONG_TERM_KEYS, allowed, conclude, environments};
use crate::settings::context::Context;
use crate::settings::sshd::include;
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::escape;
use agent_core::finding::{Finding, Verdict};
use agent_core::glob::Syntax;
use agent_core::os::node;
use agent_core::os::root::Root;
use serde_json::json;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

/// In each home.
const IN_HOMES: [&str; 23] = [
    ".aws/credentials",
    ".aws/config",
    ".boto",
    ".s3cfg",
    ".passwd-s3fs",
    ".rclone.conf",
    ".config/rclone/rclone.conf",
    ".mc/config.json",
    ".env",
    ".profile",
    ".bash_profile",
    ".bashrc",
    ".bash_login",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".config/fish/config.fish",
    ".local/share/fish/fish_history",
    ".bash_history",
    ".zsh_history",
    ".sh_history",
    ".python_history",
    ".ssh/environment",
];
/// Single files.
const FILES: [&str; 18] = [
    "/etc/environment",
    "/etc/profile",
    "/etc/bashrc",
    "/etc/bash.bashrc",
    "/etc/zshrc",
    "/etc/zshenv",
    "/etc/zprofile",
    "/etc/zsh/zshrc",
    "/etc/zsh/zshenv",
    "/etc/zsh/zprofile",
    "/etc/fish/config.fish",
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/cloud/cloud.cfg",
    "/etc/boto.cfg",
    "/etc/passwd-s3fs",
    "/etc/crontab",
    "/etc/security/pam_env.conf",
];
/// Directories whose files are read, not what lies deeper.
const DIRECTORIES: [&str; 10] = [
    "/etc/default",
    "/etc/sysconfig",
    "/etc/profile.d",
    "/etc/environment.d",
    "/etc/cron.d",
    "/etc/systemd/system.conf.d",
    "/etc/conf.d",
    "/etc/fish/conf.d",
    "/etc/cloud/cloud.cfg.d",
    "/var/spool/cron/crontabs",
];

pub(super) fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let mut gaps = Vec::new();
    let homes = homes(context, &mut gaps);
    let mut search = KeySearch::new(context, emit, gaps);
    for home in &homes {
        let there = context
            .root
            .resolve(home.path.as_bytes(), true)
            .is_ok_and(|found| found.handle.is_some());
        if there {
            for name in IN_HOMES {
                search.file(&format!("{}/{name}", home.path));
            }
        }
    }
    for path in FILES {
        search.file(path);
    }
    for path in DIRECTORIES {
        search.directory(path, &|_| true, &mut |_| {});
    }
    // What was handed to the instance at its launch stays on disk.
    for pattern in [
        "/var/lib/cloud/instances/*/user-data.txt*",
        "/var/lib/cloud/instances/*/scripts/*",
    ] {
        search.matches(pattern);
    }
    environments::units(&mut search);
    let mut named = std::mem::take(&mut search.named);
    named.sort();
    named.dedup();
    for pattern in named {
        search.matches(&pattern);
    }
    if context.live() {
        environments::processes(&mut search);
    }
    let (found, gaps) = (search.found, search.gaps);
    let pass = "no long-term access key lies where tools and services look for one".to_owned();
    conclude(context, &NO_LONG_TERM_KEYS, found, &gaps, pass, emit);
}

/// Reads files, each once, and tells what it finds.
pub(super) struct KeySearch<'a, 'b> {
    context: &'a Context<'b>,
    emit: &'a mut dyn FnMut(Finding),
    gaps: Vec<Gap>,
    seen: HashSet<node::Id>,
    bytes: u64,
    /// What units name with `EnvironmentFile=`.
    named: Vec<String>,
    found: bool,
}

impl<'a, 'b> KeySearch<'a, 'b> {
    pub(super) fn new(
        context: &'a Context<'b>,
        emit: &'a mut dyn FnMut(Finding),
        gaps: Vec<Gap>,
    ) -> KeySearch<'a, 'b> {
        KeySearch {
            context,
            emit,
            gaps,
            seen: HashSet::new(),
            bytes: 0,
            named: Vec::new(),
            found: false,
        }
    }

    #[cfg(test)]
    pub(super) fn into_gaps(self) -> Vec<Gap> {
        self.gaps
    }

    pub(super) fn root(&self) -> &'b Root {
        self.context.root
    }

    /// How many files units have named.
    pub(super) fn named(&self) -> usize {
        self.named.len()
    }

    pub(super) fn gap(&mut self, place: &str, why: impl ToString) {
        self.gaps.push(Gap {
            place: escape::terminal_text(place).into_owned(),
            why: why.to_string(),
        });
    }

    /// Whether the object is looked at for the first time.
    pub(super) fn is_new(&mut self, id: node::Id) -> bool {
        self.seen.insert(id)
    }

    /// Reads a file by its path; nothing there is nothing wrong.
    pub(super) fn file(&mut self, path: &str) {
        match self.root().open_file(path.as_bytes()) {
            Ok(Some(file)) => self.open(path, file),
            Ok(None) => {}
            // A home that is a file has nothing in it, and no history is kept in /dev/null.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(_) if self.keeps_nothing(path) => {}
            Err(error) => self.gap(path, error),
        }
    }

    fn keeps_nothing(&self, path: &str) -> bool {
        let found = self.root().resolve(path.as_bytes(), true).ok();
        let stat = found
            .and_then(|found| found.handle)
            .and_then(|handle| node::stat(&handle).ok());
        stat.is_some_and(|stat| matches!(stat.kind, FileType::Char | FileType::Dir))
    }

    /// Reads an open file.
    pub(super) fn open(&mut self, path: &str, file: File) {
        match node::stat(&file) {
            Ok(stat) if !self.is_new(stat.id) || stat.size < 20 => return,
            Ok(stat) => {
                let read = stat.size.min(bounds::CREDENTIALS_FILE);
                self.bytes = self.bytes.saturating_add(read);
            }
            Err(errno) => return self.gap(path, errno),
        }
        if self.seen.len() > bounds::CREDENTIALS_FILES || self.bytes > bounds::CREDENTIALS_ALL {
            return self.gap(path, "more files than are looked at");
        }
        let read = match environments::is_unit(path) {
            true => self.unit(file),
            false => scan(file, bounds::CREDENTIALS_FILE),
        };
        match read {
            Ok((keys, whole)) => {
                self.tell(path, Some(path), &keys);
                if !whole {
                    self.gap(path, "longer than is looked at");
                }
            }
            Err(error) => self.gap(path, error),
        }
    }

    /// A unit, with the files that it names for later.
    fn unit(&mut self, file: File) -> std::io::Result<(Vec<KeyId>, bool)> {
        let mut bytes = Vec::new();
        file.take(bounds::UNIT_FILE + 1).read_to_end(&mut bytes)?;
        environments::named(&bytes, &mut self.named);
        let (keys, _) = scan(bytes.as_slice(), bounds::UNIT_FILE)?;
        Ok((keys, bytes.len() as u64 <= bounds::UNIT_FILE))
    }

    /// Reads the files in a directory whose names are wanted, and names the directories in it.
    pub(super) fn directory(
        &mut self,
        path: &str,
        wanted: &dyn Fn(&[u8]) -> bool,
        directories: &mut dyn FnMut(String),
    ) {
        let handle = match self.root().resolve(path.as_bytes(), true) {
            Ok(found) => found.handle,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return self.gap(path, error),
        };
        let Some(handle) = handle else { return };
        match node::stat(&handle) {
            Ok(stat) if !self.is_new(stat.id) => return,
            Ok(_) => {}
            Err(errno) => return self.gap(path, errno),
        }
        let names = node::open_dir(handle.as_fd(), b".").and_then(|dir| {
            Ok((
                node::read_some_names(dir.as_fd(), bounds::CREDENTIALS_FILES)?,
                dir,
            ))
        });
        let ((names, whole), dir) = match names {
            Ok(found) => found,
            Err(errno) => return self.gap(path, errno),
        };
        if !whole {
            self.gap(path, "more names than are looked at");
        }
        for (name, hint) in names.iter() {
            let below = || format!("{path}/{}", String::from_utf8_lossy(name));
            match hint {
                node::Hint::Dir => directories(below()),
                node::Hint::File if wanted(name) => match node::open_file(dir.as_fd(), name) {
                    Ok(file) => self.open(&below(), File::from(file)),
                    Err(rustix::io::Errno::NOENT) => {}
                    Err(errno) => self.gap(&below(), errno),
                },
                // A link may lead to a file elsewhere, or to nothing, as masked units do.
                node::Hint::Other | node::Hint::Unknown if wanted(name) => {
                    if let Ok(Some(file)) = self.root().open_file(below().as_bytes()) {
                        self.open(&below(), file);
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads the files that a glob(7) names.
    pub(super) fn matches(&mut self, pattern: &str) {
        match include::matches(self.root(), pattern, Syntax::Fnmatch) {
            Ok(paths) => {
                for path in paths {
                    // A directory among them is none of the files that are meant.
                    if let Ok(Some(file)) = self.root().open_file(path.as_bytes()) {
                        self.open(&path, file);
                    }
                }
            }
            Err(error) => self.gap(pattern, error),
        }
    }

    /// One finding for all keys of a subject, unless the profile lets it hold them.
    pub(super) fn tell(&mut self, subject: &str, path: Option<&str>, keys: &[KeyId]) {
        let Some(first) = keys.first() else { return };
        if allowed(self.context, &NO_LONG_TERM_KEYS, subject.as_bytes()) {
            return;
        }
        self.found = true;
        let ends: Vec<&str> = keys.iter().map(|key| key.last_four.as_str()).collect();
        let message = match ends.as_slice() {
            [one] => format!("a long-term access key, its id ending in {one}"),
            several => format!(
                "{}{} long-term access keys, their ids ending in {}",
                if several.len() == MAX_TOLD {
                    "at least "
                } else {
                    ""
                },
                several.len(),
                several.join(", ")
            ),
        };
        let mut finding = self
            .context
            .finding(&NO_LONG_TERM_KEYS, Verdict::Fail, subject, message)
            .evidence(json!({ "keys": [] }), json!({ "keys": ends }))
            .remediation(NO_LONG_TERM_KEYS.remedy.unwrap_or_default());
        if let Some(path) = path {
            finding = finding.location(format!("{path}:{}", first.line));
        }
        (self.emit)(finding);
    }
}
