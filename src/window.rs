//! A time in which changes are expected: a small file in the state directory, written by `agent baseline window` and read
//! by the daemon. It marks what is told, and lowers nothing: whoever is root can write it.

use agent_core::error::{Error, Result};
use agent_core::os::atomic::Pending;
use agent_core::os::trust::{self, Owner};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest that a window may be: a shift. What is expected for longer is expected for good, and belongs into an
/// amendment or an image.
// Own bound: what `agent baseline window` takes.
pub(crate) const LONGEST: Duration = Duration::from_secs(8 * 60 * 60);

/// Its name in the state directory.
const NAME: &str = "window.json";
/// Everybody may know of it.
const MODE: u16 = 0o644;
/// Bytes of the file that are read at most; a reason fits on a line.
// Own bound: of a file of the agent's own.
const LIMIT: u64 = 64 * 1024;

/// A window. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// Since when.
    pub opened: i64,
    /// Until when at most.
    pub until: i64,
    /// When it was ended before that.
    pub ended: Option<i64>,
    /// Why.
    pub reason: String,
    /// Who opened it, in words.
    pub by: String,
    /// The id of that login; `None` where the kernel knows none.
    pub login_uid: Option<u32>,
}

impl Window {
    /// When it ends, or ended.
    pub(crate) fn end(&self) -> i64 {
        self.ended.map_or(self.until, |ended| ended.min(self.until))
    }

    /// Whether changes are expected then.
    pub(crate) fn is_open(&self, at: i64) -> bool {
        (self.opened..self.end()).contains(&at)
    }

    /// The window of that state directory, if there is one. One that is longer than [`LONGEST`] is none, but an error.
    pub(crate) fn load(state_dir: &Path) -> Result<Option<Window>> {
        let path = place(state_dir);
        let Some(file) = trust::open(&path, Owner::Agent)? else {
            return Ok(None);
        };
        let text = trust::read(&file, &path, LIMIT)?;
        let wrong =
            |what: String| Error::in_file(&path, what).help("agent baseline window --end ends it");
        let window: Window = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("is no window: {error}")))?;
        let longest = i64::try_from(LONGEST.as_millis()).unwrap_or(i64::MAX);
        match window.until.checked_sub(window.opened) {
            Some(length) if (0..=longest).contains(&length) => Ok(Some(window)),
            _ => Err(wrong("is longer than eight hours".into())),
        }
    }

    /// Puts it there, whole or not at all.
    pub(crate) fn save(&self, state_dir: &Path) -> Result<()> {
        let path = place(state_dir);
        let write = || {
            let mut pending = Pending::create(&path, MODE)?;
            pending.write_all(&serde_json::to_vec(self)?)?;
            pending.commit()
        };
        write().map_err(|error| Error::cannot_write(&path, &error))
    }
}

/// Where the window of a state directory lies.
pub(crate) fn place(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_from_its_beginning_to_its_end() {
        let mut window = Window {
            opened: 1_000,
            until: 2_000,
            ended: None,
            reason: "r".into(),
            by: "b".into(),
            login_uid: None,
        };
        for (at, open) in [(999, false), (1_000, true), (1_999, true), (2_000, false)] {
            assert_eq!(window.is_open(at), open, "{at}");
        }
        window.ended = Some(1_500);
        assert!(window.is_open(1_499) && !window.is_open(1_500));
        window.ended = Some(9_000);
        assert_eq!(
            window.end(),
            2_000,
            "nobody makes it longer by ending it late"
        );
    }

    #[test]
    fn what_is_saved_is_loaded_unless_it_is_too_long() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(Window::load(directory.path()).expect("none"), None);
        let mut window = Window {
            opened: 0,
            until: 8 * 60 * 60 * 1_000,
            ended: None,
            reason: "r".into(),
            by: "b".into(),
            login_uid: Some(1000),
        };
        window.save(directory.path()).expect("written");
        assert_eq!(
            Window::load(directory.path()).expect("read"),
            Some(window.clone())
        );
        for until in [8 * 60 * 60 * 1_000 + 1, -1, i64::MAX] {
            window.until = until;
            window.save(directory.path()).expect("written");
            assert!(Window::load(directory.path()).is_err(), "{until}");
        }
    }
}
