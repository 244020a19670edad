//! What was mounted over the tree or in it, and what was for a moment.

use super::{InotifyWatcher, alone, whole};
use crate::watch::Notice;
use crate::watch::brief::BriefMount;
use agent_core::paths::is_within;
use std::os::unix::ffi::OsStrExt;

impl InotifyWatcher {
    /// Reads the mount table, and opens nothing.
    pub(in crate::watch) fn look_at_mounts(&mut self) {
        // What cannot be read now is when it is quiet.
        let brief = self.mounts.look().unwrap_or_default();
        self.mounted_briefly(brief);
    }

    /// Tells what of that lay over the tree or in it.
    fn mounted_briefly(&self, brief: Vec<BriefMount>) {
        let own = self.base.path.as_os_str().as_bytes();
        let base = own.strip_suffix(b"/").unwrap_or(own);
        let brief = brief.into_iter().filter_map(|mut brief| {
            let path = match brief.path.strip_prefix(base) {
                Some([b'/', path @ ..]) if !path.is_empty() => path.to_vec(),
                // Over the tree; but nothing hides the root of a process from itself.
                _ if !base.is_empty() && is_within(base, &brief.path) => Vec::new(),
                _ => return None,
            };
            brief.path = path;
            self.rules.scope.at(&brief.path)?;
            Some(brief)
        });
        let brief: Vec<BriefMount> = brief.collect();
        if brief.is_empty() {
            return;
        }
        // If a look saw it all the same, the next one says that it is over.
        let touched = brief.iter().map(|brief| alone(brief.path.clone(), true));
        let touched = touched.collect();
        self.reporter.notice(Notice::MountedBriefly(brief));
        self.reporter.touched(touched);
    }

    /// What was mounted and unmounted.
    pub(super) fn take_mounts(&mut self) {
        let Ok((places, brief)) = self.mounts.changed() else {
            return;
        };
        self.mounted_briefly(brief);
        let own = self.base.path.as_os_str().as_bytes().to_vec();
        if places
            .iter()
            .any(|place| is_within(&own, place.strip_suffix(b"/").unwrap_or(place)))
        {
            self.check_root();
        }
        let base = own.strip_suffix(b"/").unwrap_or(&own);
        let mut touched = Vec::new();
        for place in &places {
            let Some([b'/', path @ ..]) = place.strip_prefix(base) else {
                continue;
            };
            if self.rules.scope.at(path).is_some() {
                self.reconcile(path);
                touched.extend(self.relink(path));
                touched.push(whole(path.to_vec()));
            }
        }
        self.drop_unused();
        self.reporter.touched(touched);
        self.tell_coverage();
    }
}
