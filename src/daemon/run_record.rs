//! What one run must know of the run before it, beside the store: a small file in the state directory.
//!
//! Losing it costs one more launch record to look at and a start that is called the first of its boot.

use crate::daemon::states::unusable_manifest::Unusable;
use agent_core::host::Host;
use agent_core::os::atomic::Pending;
use agent_core::os::own;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's name in the state directory.
const NAME: &str = "run.json";
/// Permissions: nobody else's business.
const MODE: u16 = 0o600;
/// Bytes of the file that are read at most; it has a few hundred.
// Own bound: of a file of the agent's own.
const LIMIT: u64 = 64 * 1024;

/// What a run leaves to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::daemon) struct RunRecord {
    /// `/proc/sys/kernel/random/boot_id` of that run.
    pub(in crate::daemon) boot_id: String,
    /// The instance it ran on: the instance id, else the machine id.
    pub(in crate::daemon) instance: String,
    /// SHA-256 of the manifest that it used, in hexadecimal; empty if it used none.
    pub(in crate::daemon) manifest: String,
    /// That its manifest could not be used, as far as that was told.
    pub(in crate::daemon) unusable: Option<Unusable>,
    /// The launch record of that instance, once it has been seen through.
    pub(in crate::daemon) launch: Option<Launch>,
    /// The amendments that were told and not told to be gone.
    pub(in crate::daemon) amendments: Vec<Amended>,
    /// What programs wrote that the sealed profile lets them write.
    pub(in crate::daemon) written: Vec<Written>,
    /// What changed files did to settings.
    pub(in crate::daemon) effects: Vec<Effect>,
    /// The new packages that were told, as [`crate::daemon::new_packages`] names them.
    pub(in crate::daemon) new_packages: Vec<String>,
    /// The window that was told.
    pub(in crate::daemon) window: Option<ToldWindow>,
    /// Whether it came to its end as it should.
    pub(in crate::daemon) stopped: bool,
}

/// An amendment that was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Amended {
    /// SHA-256 in hexadecimal.
    pub(in crate::daemon) sha256: String,
    /// Where it was.
    pub(in crate::daemon) path: String,
    /// Why it was made.
    pub(in crate::daemon) reason: String,
}

/// A deviation that a sealed writer explains: a scan that finds it again has not seen who wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Written {
    /// SHA-256 of the deviation, in hexadecimal: path, what should be, what is.
    pub(in crate::daemon) deviation: String,
    /// The program.
    pub(in crate::daemon) program: String,
    /// When it wrote (RFC 3339).
    pub(in crate::daemon) at: String,
}

/// What a changed file did to the settings that are read from it: what is told with its finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Effect {
    /// The file.
    pub(in crate::daemon) path: String,
    /// The values before and after, in words.
    pub(in crate::daemon) text: String,
    /// `FILE:LINE` of the first of them.
    pub(in crate::daemon) location: String,
    /// SHA-256 of the deviation with which it is told, in hexadecimal; empty until there is one.
    pub(in crate::daemon) deviation: String,
}

/// A window that was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct ToldWindow {
    /// When it was opened, in milliseconds since 1970.
    pub(in crate::daemon) opened: i64,
    /// Whether its end was told as well.
    pub(in crate::daemon) closed: bool,
}

/// A launch record that was written or found, and shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Launch {
    /// SHA-256 in hexadecimal; empty where nothing could be put on record.
    pub(in crate::daemon) sha256: String,
}

impl RunRecord {
    /// What the run before left; what cannot be read is as if there had been none.
    pub(in crate::daemon) fn load(state_dir: &Path) -> Option<RunRecord> {
        let text = own::read(&place(state_dir), LIMIT).ok()??;
        serde_json::from_slice(&text).ok()
    }

    /// Leaves it to the next run.
    pub(in crate::daemon) fn save(&self, state_dir: &Path) -> io::Result<()> {
        let mut pending = Pending::create(&place(state_dir), MODE)?;
        pending.write_all(&serde_json::to_vec(self)?)?;
        pending.commit()
    }
}

/// This run's record and the one before.
#[derive(Debug)]
pub(in crate::daemon) struct RunRecords {
    /// What the next run must know.
    pub(in crate::daemon) current: RunRecord,
    /// What the run before left.
    previous: Option<RunRecord>,
    /// Answers that the store owes about what was to be saved.
    pub(in crate::daemon) unsaved: usize,
}

impl RunRecords {
    /// Of the run that begins on that host, after the one that left `previous`.
    pub(in crate::daemon) fn new(previous: Option<RunRecord>, host: &Host) -> RunRecords {
        let mut current = RunRecord {
            boot_id: host.boot_id.clone(),
            instance: host.binding().unwrap_or_default(),
            ..RunRecord::default()
        };
        let same = |previous: &&RunRecord| previous.instance == current.instance;
        if let Some(previous) = previous.as_ref().filter(same) {
            current.launch = previous.launch.clone();
            current.manifest = previous.manifest.clone();
            current.unusable = previous.unusable;
            current.amendments = previous.amendments.clone();
            current.window = previous.window.clone();
            current.written = previous.written.clone();
            current.effects = previous.effects.clone();
            current.new_packages = previous.new_packages.clone();
        }
        RunRecords {
            current,
            previous,
            unsaved: 0,
        }
    }

    /// Whether this is the first run since the host booted.
    pub(in crate::daemon) fn first_of_boot(&self) -> bool {
        let boot_id = &self.current.boot_id;
        let previous = self.previous.as_ref();
        previous.is_none_or(|previous| previous.boot_id != *boot_id)
    }

    /// What a reader should know of how this run starts.
    pub(in crate::daemon) fn start_message(&self) -> &'static str {
        match &self.previous {
            None => "the first start on this host",
            Some(previous) if !previous.stopped && !self.first_of_boot() => {
                "the run before did not come to its end"
            }
            Some(_) => "started",
        }
    }

    /// Whether there was a manifest before.
    pub(in crate::daemon) fn had_manifest(&self) -> bool {
        !self.current.manifest.is_empty()
    }
}

fn place(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(RunRecord::load(directory.path()), None);
        let record = RunRecord {
            boot_id: "b".into(),
            launch: Some(Launch { sha256: "d".into() }),
            ..RunRecord::default()
        };
        record.save(directory.path()).expect("written");
        assert_eq!(RunRecord::load(directory.path()), Some(record));
        std::fs::write(place(directory.path()), "{").expect("written");
        assert_eq!(RunRecord::load(directory.path()), None);
    }

    #[test]
    fn a_run_goes_on_where_one_on_the_same_instance_ended() {
        let host = |instance: &str| Host {
            boot_id: "b".into(),
            instance_id: instance.into(),
            ..Host::default()
        };
        let first = RunRecords::new(None, &host("i-1"));
        assert!(first.first_of_boot() && !first.had_manifest());
        assert_eq!(first.start_message(), "the first start on this host");
        let mut left = first.current;
        left.manifest = "m".into();
        let killed = RunRecords::new(Some(left.clone()), &host("i-1"));
        assert!(!killed.first_of_boot() && killed.had_manifest());
        assert!(killed.start_message().contains("did not come to its end"));
        left.stopped = true;
        let other = RunRecords::new(Some(left), &host("i-2"));
        assert!(!other.had_manifest() && other.start_message() == "started");
    }
}
