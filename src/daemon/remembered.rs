//! What one run must know of the run before it, beside the store: a small file in the state directory.
//!
//! Losing it costs one more launch record to look at and a start that is called the first of its boot.

use super::unusable::Unusable;
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
pub(super) struct Memory {
    /// `/proc/sys/kernel/random/boot_id` of that run.
    pub(super) boot_id: String,
    /// The instance it ran on: the instance id, else the machine id.
    pub(super) instance: String,
    /// SHA-256 of the manifest that it used, in hexadecimal; empty if it used none.
    pub(super) manifest: String,
    /// That its manifest could not be used, as far as that was told.
    pub(super) unusable: Option<Unusable>,
    /// The launch record of that instance, once it has been seen through.
    pub(super) launch: Option<Launch>,
    /// Whether it came to its end as it should.
    pub(super) stopped: bool,
}

/// A launch record that was written or found, and shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Launch {
    /// SHA-256 in hexadecimal; empty where nothing could be put on record.
    pub(super) sha256: String,
}

impl Memory {
    /// What the run before left; what cannot be read is as if there had been none.
    pub(super) fn recall(state_dir: &Path) -> Option<Memory> {
        use std::io::Read;
        let file = std::fs::File::open(place(state_dir)).ok()?;
        let mut text = Vec::new();
        file.take(LIMIT).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Leaves it to the next run.
    pub(super) fn keep(&self, state_dir: &Path) -> io::Result<()> {
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
        assert_eq!(Memory::recall(directory.path()), None);
        let memory = Memory {
            boot_id: "b".into(),
            launch: Some(Launch { sha256: "d".into() }),
            ..Memory::default()
        };
        memory.keep(directory.path()).expect("written");
        assert_eq!(Memory::recall(directory.path()), Some(memory));
        std::fs::write(place(directory.path()), "{").expect("written");
        assert_eq!(Memory::recall(directory.path()), None);
    }
}
