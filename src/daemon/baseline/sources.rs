//! The files that verdicts rest on, and whether they are still those that were opened.
//!
//! They are excluded from what is watched, since a manifest cannot hold its own digest: so they are looked at now and
//! then, which costs some system calls.

use crate::assess::tree::LAUNCH;
use crate::daemon::setup::Setup;
use agent_baseline::amendment::load::DIRECTORY;
use agent_baseline::manifest::verified::seal_path;
use agent_core::bounds;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names in the directory of amendments that are looked at: each with its seal, and some that have no business there.
const MOST: usize = 4 * bounds::AMENDMENTS;

/// What tells one state of a file from the next; ctime cannot be set by anybody.
type Stamp = (u64, u64, u64, i64, i64);

/// The manifest, its seal, the launch record, and the amendments with their seals, as they were.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Sources {
    manifest: PathBuf,
    stamps: Vec<(PathBuf, Option<Stamp>)>,
}

impl Sources {
    /// To be asked for before they are opened: what changes meanwhile is a change.
    pub(in crate::daemon) fn of(setup: &Setup) -> Sources {
        Sources::now(setup.config.manifest.clone())
    }

    fn now(manifest: PathBuf) -> Sources {
        let seal = seal_path(&manifest);
        let mut paths = vec![manifest.clone(), seal, LAUNCH.into(), DIRECTORY.into()];
        let amendments = std::fs::read_dir(DIRECTORY).into_iter().flatten();
        let mut amendments: Vec<PathBuf> = amendments
            .filter_map(|entry| Some(entry.ok()?.path()))
            .take(MOST)
            .collect();
        amendments.sort_unstable();
        paths.append(&mut amendments);
        let stamps = paths.into_iter().map(|path| {
            let stamp = stamp(&path);
            (path, stamp)
        });
        Sources {
            stamps: stamps.collect(),
            manifest,
        }
    }

    /// Whether any of them has come, gone or changed.
    pub(in crate::daemon) fn have_changed(&self) -> bool {
        Sources::now(self.manifest.clone()) != *self
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
