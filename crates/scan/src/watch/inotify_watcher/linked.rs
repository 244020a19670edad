//! Files that are watched themselves, beside their directories: what is written through a name elsewhere shows in no
//! directory that is watched.

use super::{InotifyWatcher, OpenDirectory, whole};
use crate::files::linked::Linked;
use crate::files::probe::Directory;
use crate::watch::inotify::Adder;
use crate::watch::tree::Descriptor;
use crate::watch::{LinkedFiles, Touch};
use agent_core::attributes::FileType;
use agent_core::os::node;
use agent_core::paths::split;
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::os::fd::AsFd;
use std::sync::Arc;

/// So often events are taken from the kernel's queue while files are added.
const ADDED_BETWEEN: usize = 256;

/// Which files are watched themselves, by their places in the choice. Pure. Names of one file share its descriptor.
#[derive(Debug)]
pub(super) struct Files {
    chosen: Arc<Linked>,
    descriptors: Vec<Option<Descriptor>>,
    behind: HashMap<Descriptor, Vec<usize>>,
    /// Those that the kernel gave no watch.
    refused: BTreeSet<usize>,
    why: Option<Errno>,
}

impl Files {
    pub(super) fn new(chosen: Arc<Linked>) -> Files {
        Files {
            descriptors: vec![None; chosen.paths().len()],
            chosen,
            behind: HashMap::new(),
            refused: BTreeSet::new(),
            why: None,
        }
    }

    /// Whether a path is one that is to be watched itself.
    pub(super) fn wants(&self, path: &[u8]) -> bool {
        self.chosen.holds(path)
    }

    /// The paths that a descriptor stands for.
    pub(super) fn behind(&self, descriptor: Descriptor) -> impl Iterator<Item = &[u8]> {
        let places = self.behind.get(&descriptor).into_iter().flatten();
        places.map(|place| &*self.chosen.paths()[*place])
    }

    /// Whether a descriptor stands for a file.
    pub(super) fn holds(&self, descriptor: Descriptor) -> bool {
        self.behind.contains_key(&descriptor)
    }

    /// All descriptors in use.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        self.behind.keys().copied()
    }

    /// The kernel watches it no more.
    pub(super) fn forget(&mut self, descriptor: Descriptor) {
        for place in self.behind.remove(&descriptor).unwrap_or_default() {
            self.descriptors[place] = None;
        }
    }

    /// What a path is watched by from here on; a descriptor that stands for no file any more.
    fn set(&mut self, place: usize, to: Option<Descriptor>) -> Option<Descriptor> {
        self.refused.remove(&place);
        let from = std::mem::replace(&mut self.descriptors[place], to);
        if from == to {
            return None;
        }
        if let Some(to) = to {
            self.behind.entry(to).or_default().push(place);
        }
        let from = from?;
        let places = self.behind.get_mut(&from)?;
        places.retain(|other| *other != place);
        if !places.is_empty() {
            return None;
        }
        self.behind.remove(&from);
        Some(from)
    }

    fn refuse(&mut self, place: usize, errno: Errno) {
        self.refused.insert(place);
        self.why = Some(errno);
    }

    /// What is watched, and what is not, for those who ask.
    pub(super) fn told(&self) -> LinkedFiles {
        let watched = self.descriptors.iter().flatten().count() as u64;
        let (beyond, refused) = (self.chosen.beyond(), self.refused.len() as u64);
        let unwatched = beyond + refused;
        let why = match (refused, self.why) {
            (1.., Some(Errno::NOSPC)) => {
                "the kernel gives no more watches: raise fs.inotify.max_user_watches".to_owned()
            }
            (1.., Some(errno)) => format!("they cannot be watched: {errno}"),
            _ => format!(
                "only {} such files may be watched, and where there are more, only critical ones are",
                self.chosen.most()
            ),
        };
        LinkedFiles {
            watched,
            unwatched,
            reason: (unwatched > 0).then(|| {
                format!(
                    "{unwatched} paths whose files have several names have no watch of their own ({why}): \
                     a write through a name elsewhere is found by the next scan"
                )
            }),
        }
    }
}

impl InotifyWatcher {
    /// Watches the files at a path and below it that are to be watched themselves. Touched are those that are other
    /// files than before: what was written meanwhile was seen by nobody.
    pub(super) fn relink(&mut self, path: &[u8]) -> Vec<Touch> {
        let chosen = self.files.chosen.clone();
        let mut touched = Vec::new();
        // Sorted, so that a directory is opened once for all of its files that follow each other.
        let mut directory: Option<(&[u8], Option<OpenDirectory>)> = None;
        for (count, place) in chosen.within(path).into_iter().enumerate() {
            let path = &*chosen.paths()[place];
            let (above, name) = split(path);
            if directory.as_ref().is_none_or(|(open, _)| *open != above) {
                directory = Some((above, self.open(above)));
            }
            let opened = directory.as_ref().and_then(|(_, opened)| opened.as_ref());
            let before = self.files.descriptors[place];
            let found = match opened.map(|opened| self.watch_file(opened, name)) {
                Some(Ok(descriptor)) => descriptor,
                Some(Err(errno)) => {
                    self.unused.extend(self.files.set(place, None));
                    self.files.refuse(place, errno);
                    continue;
                }
                None => None,
            };
            self.unused.extend(self.files.set(place, found));
            if found.is_some() && found != before {
                touched.push(whole(path.to_vec()));
            }
            if count % ADDED_BETWEEN == ADDED_BETWEEN - 1 {
                self.relieve();
            }
        }
        touched
    }

    /// Watches an entry of a directory, if it is a file that is looked at.
    fn watch_file(
        &self,
        directory: &OpenDirectory,
        name: &[u8],
    ) -> Result<Option<Descriptor>, Errno> {
        if self.rules.scope.reach(&directory.place, name).is_none() {
            return Ok(None);
        }
        let (inotify, directory) = (self.inotify.adder(), directory.directory.clone());
        let Some(device) = directory.remote else {
            return watch_file(&inotify, &directory, name);
        };
        let name = name.to_vec();
        let answer = self
            .base
            .doors
            .ask(device, move || watch_file(&inotify, &directory, &name));
        answer.unwrap_or_else(|unanswered| Err(unanswered.errno()))
    }
}

fn watch_file(
    inotify: &Adder,
    directory: &Directory,
    name: &[u8],
) -> Result<Option<Descriptor>, Errno> {
    let handle = match node::open_handle(directory.fd.as_fd(), name) {
        Ok(handle) => handle,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    if node::stat(&handle)?.kind != FileType::File {
        return Ok(None);
    }
    inotify.add_file(handle.as_fd()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file_share_its_descriptor() {
        let found = ["a", "b", "c"].map(|path| (path.as_bytes().into(), false));
        let mut files = Files::new(Arc::new(Linked::choose(found, 10)));
        for place in 0..2 {
            assert_eq!(files.set(place, Some(7)), None);
        }
        files.refuse(2, Errno::NOSPC);
        let behind = |files: &Files, descriptor| {
            let paths = files.behind(descriptor);
            paths.map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(behind(&files, 7), [b"a".to_vec(), b"b".to_vec()]);
        let told = files.told();
        assert_eq!((told.watched, told.unwatched), (2, 1));
        let reason = told.reason.unwrap_or_default();
        assert!(reason.contains("max_user_watches"), "{reason}");
        // One was replaced: the other still has it.
        assert_eq!(files.set(0, Some(8)), None);
        assert_eq!(files.set(1, None), Some(7));
        assert_eq!(files.set(2, Some(8)), None);
        assert_eq!(files.told().reason, None);
        files.forget(8);
        assert_eq!((files.told().watched, files.holds(8)), (0, false));
    }
}
