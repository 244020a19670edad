//! What is known of panics, as a small file in the state directory keeps it from one run to the next.

use crate::daemon::states::quarantine::{LAST_WAIT, MOST, Quarantine};
use agent_core::os::{atomic, trust};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::Path;

/// The file's name in the state directory.
const NAME: &str = "panics.json";
/// Permissions: nobody else's business.
const MODE: u16 = 0o600;
/// Bytes of the file that are read at most: the longest paths there are, each byte escaped, three for each subject that
/// is remembered.
// Own bound: of a file of the agent's own.
const LIMIT: u64 = 8 << 20;
/// Another form of the file is not read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    #[serde(flatten)]
    quarantine: Quarantine,
}

/// What the run before left. The error says why that is not believed.
pub(super) fn read(state_dir: &Path) -> Result<Quarantine, String> {
    let path = state_dir.join(NAME);
    let read = trust::open(&path, trust::Owner::Agent).and_then(|file| {
        file.map(|file| trust::read(&file, &path, LIMIT))
            .transpose()
    });
    let bytes = match read {
        Ok(None) => return Ok(Quarantine::default()),
        Ok(Some(bytes)) => bytes,
        Err(error) => return Err(error.to_string()),
    };
    parse(&bytes).map_err(|why| format!("{}: {why}", path.display()))
}

/// Leaves it to the next run.
pub(super) fn write(state_dir: &Path, quarantine: &Quarantine) -> io::Result<()> {
    let file = File {
        version: VERSION,
        quarantine: quarantine.clone(),
    };
    atomic::write(
        &state_dir.join(NAME),
        MODE,
        &serde_json::to_vec_pretty(&file)?,
    )
}

fn parse(bytes: &[u8]) -> Result<Quarantine, String> {
    let there: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let file = File::deserialize(&there).map_err(|error| error.to_string())?;
    // Written again it is the same: there is nothing in it that the agent does not write.
    let again = serde_json::to_value(&file).map_err(|error| error.to_string())?;
    let quarantine = file.quarantine;
    let few = quarantine.counts.len() <= 2 * MOST && quarantine.held.len() <= 2 * MOST;
    let sane = quarantine.held.iter().all(|held| held.wait <= LAST_WAIT);
    match file.version == VERSION && few && sane && again == there {
        true => Ok(quarantine),
        false => Err("holds what the agent does not write".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::clock::UnixMillis;
    use crate::daemon::panics::mark::Subject;
    use crate::daemon::states::quarantine::{Count, Held};
    use agent_core::task::{Job, TaskKind};
    use std::time::Duration;

    fn known() -> Quarantine {
        let subject = |name: &[u8]| Subject {
            job: Job::Files,
            kind: TaskKind::File,
            name: name.to_vec(),
        };
        Quarantine {
            counts: vec![Count {
                subject: subject(b"a/\xff\n"),
                panics: 2,
                last: UnixMillis(5),
            }],
            held: vec![Held {
                subject: subject(b"b"),
                since: UnixMillis(7),
                wait: Duration::from_millis(600_000),
                binary: "d".into(),
                input: "1 2".into(),
                tried: Some(UnixMillis(9)),
                told: true,
            }],
            last: "1 2".into(),
        }
    }

    #[test]
    fn what_is_kept_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(read(directory.path()), Ok(Quarantine::default()));
        write(directory.path(), &known()).expect("written");
        assert_eq!(read(directory.path()), Ok(known()));
    }

    #[test]
    fn what_the_agent_does_not_write_is_refused_with_a_word() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(NAME);
        write(directory.path(), &known()).expect("written");
        let good = std::fs::read_to_string(&path).expect("written");
        for (from, to) in [
            ("{", ""),
            ("\"version\": 1", "\"version\": 2"),
            ("\"files\"", "\"fields\""),
            ("\"subject\": \"b\"", "\"subject\": \"../b\""),
            ("\"subject\": \"b\"", "\"subject\": \"/b\""),
            ("600000", "-1"),
            ("600000", "86400001"),
            ("\"told\"", "\"sold\""),
            ("\"told\": true", "\"told\": true, \"sold\": true"),
            ("\"version\"", "\"sold\": 1, \"version\""),
        ] {
            assert!(good.contains(from), "{good}");
            std::fs::write(&path, good.replacen(from, to, 1)).expect("written");
            let error = read(directory.path()).expect_err(to);
            assert!(error.contains("panics.json"), "{error}");
        }
        std::fs::write(&path, good).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&path, mode).expect("changed");
        assert!(read(directory.path()).is_err(), "everybody may write it");
    }
}
