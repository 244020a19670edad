//! What one run must know of the run before it, beside the store: a small file in the state directory.
//!
//! Losing it costs one more launch record to look at and a start that is called the first of its boot.

use crate::daemon::states::unusable_manifest::Unusable;
use agent_core::os::atomic::Pending;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's name in the state directory.
const NAME: &str = "run.json";
/// Nobody else's business.
const MODE: u16 = 0o600;
/// Larger than it has reason to be.
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
    /// Whether it came to its end as it should.
    pub(in crate::daemon) stopped: bool,
}

/// A launch record that was written or found, and shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Launch {
    /// SHA-256 in hexadecimal; empty where nothing could be put on record.
    pub(in crate::daemon) sha256: String,
}

impl RunRecord {
    /// What the run before left; what cannot be read is as if there had been none.
    pub(in crate::daemon) fn recall(state_dir: &Path) -> Option<RunRecord> {
        use std::io::Read;
        let file = std::fs::File::open(place(state_dir)).ok()?;
        let mut text = Vec::new();
        file.take(LIMIT).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Leaves it to the next run.
    pub(in crate::daemon) fn keep(&self, state_dir: &Path) -> io::Result<()> {
        let mut pending = Pending::create(&place(state_dir), MODE)?;
        pending.write_all(&serde_json::to_vec(self)?)?;
        pending.commit()
    }
}

fn place(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_recalled() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(RunRecord::recall(directory.path()), None);
        let memory = RunRecord {
            boot_id: "b".into(),
            launch: Some(Launch { sha256: "d".into() }),
            ..RunRecord::default()
        };
        memory.keep(directory.path()).expect("written");
        assert_eq!(RunRecord::recall(directory.path()), Some(memory));
        std::fs::write(place(directory.path()), "{").expect("written");
        assert_eq!(RunRecord::recall(directory.path()), None);
    }
}
