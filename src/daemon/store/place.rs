//! Whether the state directory is still the one that was opened, and can be written: whoever takes it away from under
//! the daemon leaves it writing where no later run looks.

use agent_outbox::store::FILE;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two looks.
pub(super) const APART: Duration = Duration::from_secs(10);

/// The state directory as it was opened.
#[derive(Debug)]
pub(super) struct StatePlace {
    path: PathBuf,
    /// Device and inode; `None` where it was not there.
    id: Option<(u64, u64)>,
    /// Whether the store's file was there.
    had_file: bool,
    next: Instant,
    said: Option<String>,
}

impl StatePlace {
    /// As it is now.
    pub(super) fn new(path: PathBuf, now: Instant) -> StatePlace {
        let id = std::fs::metadata(&path).ok();
        StatePlace {
            id: id.map(|there| (there.dev(), there.ino())),
            had_file: false,
            next: now,
            said: None,
            path,
        }
    }

    /// The store was opened again: the directory that it is in now is the one.
    pub(super) fn renew(&mut self) {
        self.id = None;
        self.had_file = false;
    }

    /// What there is to say, where that has changed: what is wrong, or that nothing is any more.
    pub(super) fn news(&mut self, now: Instant) -> Option<Option<String>> {
        if now < self.next {
            return None;
        }
        self.next = now + APART;
        let found = self.look();
        (found != self.said).then(|| {
            self.said.clone_from(&found);
            found
        })
    }

    fn look(&mut self) -> Option<String> {
        let StatePlace { path, id, .. } = self;
        let holds = is_open(&path.join(FILE));
        let wrong = |what: &str| {
            let path = path.display();
            Some(format!(
                "the state directory {path} {what}: what is kept is lost with this run"
            ))
        };
        let there = match std::fs::metadata(&*path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return wrong("was removed or renamed");
            }
            Err(error) => return wrong(&format!("cannot be looked at ({error})")),
        };
        let now = (there.dev(), there.ino());
        if holds {
            // The store has begun anew there.
            *id = Some(now);
        }
        if *id.get_or_insert(now) != now {
            return wrong("is another one than was opened: it was replaced or mounted over");
        }
        if let Err(errno) = accessat(CWD, &*path, Access::WRITE_OK, AtFlags::empty()) {
            let why = io::Error::from(errno);
            return wrong(&format!("cannot be written ({why})"));
        }
        match path.join(FILE).symlink_metadata() {
            Ok(file) if file.is_file() => self.had_file = true,
            _ if self.had_file => return wrong("has lost the store's file"),
            _ => {}
        }
        None
    }
}

/// Whether this process has that very file open.
fn is_open(path: &Path) -> bool {
    let id = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.dev(), about.ino()))
    };
    let Some(wanted) = id(path) else {
        return false;
    };
    let open = std::fs::read_dir("/proc/self/fd");
    open.into_iter()
        .flatten()
        .flatten()
        .any(|entry| id(&entry.path()) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_take_the_directory_away_is_said_once_and_that_it_is_back() {
        let lab = tempfile::tempdir().expect("a directory");
        let (state, away) = (lab.path().join("state"), lab.path().join("away"));
        std::fs::create_dir(&state).expect("made");
        std::fs::write(state.join(FILE), "x").expect("written");
        let mut now = Instant::now();
        let mut place = StatePlace::new(state.clone(), now);
        let mut news = || {
            now += APART;
            let news = place.news(now);
            assert_eq!(place.news(now), None, "not yet again");
            news
        };
        assert_eq!(news(), None);
        let expect = |news: Option<Option<String>>, words: &str| {
            let said = news.expect("news").expect("something is wrong");
            assert!(said.contains(words), "{said}");
        };
        std::fs::rename(&state, &away).expect("renamed");
        expect(news(), "removed or renamed");
        assert_eq!(news(), None);
        std::fs::create_dir(&state).expect("made");
        expect(news(), "another one");
        std::fs::remove_dir(&state).expect("removed");
        std::fs::rename(&away, &state).expect("renamed back");
        assert_eq!(news(), Some(None));
        std::fs::remove_file(state.join(FILE)).expect("removed");
        expect(news(), "lost the store's file");
    }
}
