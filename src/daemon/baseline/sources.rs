//! The files that verdicts rest on, and whether they are still those that were opened.
//!
//! They are excluded from what is watched, since a manifest cannot hold its own digest: so they are looked at now and
//! then, which costs three system calls.

use crate::assess::tree::LAUNCH;
use crate::daemon::setup::Setup;
use agent_baseline::manifest::verified::seal_path;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from the next; ctime cannot be set by anybody.
type Stamp = (u64, u64, u64, i64, i64);

/// The manifest, its seal and the launch record, as they were.
#[derive(Debug)]
pub(in crate::daemon) struct Sources([(PathBuf, Option<Stamp>); 3]);

impl Sources {
    /// To be asked for before they are opened: what changes meanwhile is a change.
    pub(in crate::daemon) fn of(setup: &Setup) -> Sources {
        let manifest = setup.config.manifest.clone();
        let seal = seal_path(&manifest);
        Sources([manifest, seal, LAUNCH.into()].map(|path| {
            let stamp = stamp(&path);
            (path, stamp)
        }))
    }

    /// Whether any of them has come, gone or changed.
    pub(in crate::daemon) fn have_changed(&self) -> bool {
        let Sources(files) = self;
        files.iter().any(|(path, before)| stamp(path) != *before)
    }
}

/// Of the file at the end of all links; `None` where there is none.
fn stamp(path: &Path) -> Option<Stamp> {
    let told = std::fs::metadata(path).ok()?;
    Some((
        told.dev(),
        told.ino(),
        told.size(),
        told.ctime(),
        told.ctime_nsec(),
    ))
}
