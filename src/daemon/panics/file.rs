//! What is known of panics, as a small file in the state directory keeps it from one run to the next.

use crate::daemon::panics::mark::Subject;
use crate::daemon::states::quarantine::{Count, Held, LAST_WAIT, MOST, Quarantine};
use agent_core::os::{atomic, last_word, trust};
use agent_core::task::{Job, Kind};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The file's name in the state directory.
const NAME: &str = "panics.json";
/// Nobody else's business.
const MODE: u16 = 0o600;
/// Bytes. The longest paths there are, each byte escaped, three for each subject that is remembered.
const LIMIT: u64 = 8 << 20;
/// Another form of the file is not read.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    last: String,
    counts: Vec<Counted>,
    set_aside: Vec<Kept>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    job: String,
    kind: String,
    subject: String,
    panics: u32,
    last: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    job: String,
    kind: String,
    subject: String,
    since: i64,
    wait: i64,
    binary: String,
    input: String,
    tried: Option<i64>,
    told: bool,
}

/// What the run before left. The error says why that is not believed.
pub(in crate::daemon) fn read(state_dir: &Path) -> Result<Quarantine, String> {
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
    let refused = |why: &str| format!("{}: {why}", path.display());
    let file: File = serde_json::from_slice(&bytes).map_err(|e| refused(&e.to_string()))?;
    from_file(file).ok_or_else(|| refused("holds what the agent does not write"))
}

/// Leaves it to the next run.
pub(in crate::daemon) fn write(state_dir: &Path, quarantine: &Quarantine) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(&to_file(quarantine))?;
    atomic::write(&state_dir.join(NAME), MODE, &text)
}

fn to_file(quarantine: &Quarantine) -> File {
    let counts = quarantine.counts.iter().map(|count| Counted {
        job: count.subject.job.name().into(),
        kind: count.subject.kind.name().into(),
        subject: last_word::escape(&count.subject.name),
        panics: count.panics,
        last: count.last,
    });
    let held = quarantine.held.iter().map(|held| Kept {
        job: held.subject.job.name().into(),
        kind: held.subject.kind.name().into(),
        subject: last_word::escape(&held.subject.name),
        since: held.since,
        wait: held.wait,
        binary: held.binary.clone(),
        input: held.input.clone(),
        tried: held.tried,
        told: held.told,
    });
    File {
        version: VERSION,
        last: quarantine.last.clone(),
        counts: counts.collect(),
        set_aside: held.collect(),
    }
}

fn from_file(file: File) -> Option<Quarantine> {
    if file.version != VERSION || file.counts.len() > 2 * MOST || file.set_aside.len() > 2 * MOST {
        return None;
    }
    let counts = file.counts.into_iter().map(|count| {
        Some(Count {
            subject: subject(&count.job, &count.kind, &count.subject)?,
            panics: count.panics,
            last: count.last,
        })
    });
    let held = file.set_aside.into_iter().map(|held| {
        let sane = (0..=LAST_WAIT).contains(&held.wait);
        Some(Held {
            subject: subject(&held.job, &held.kind, &held.subject).filter(|_| sane)?,
            since: held.since,
            wait: held.wait,
            binary: held.binary,
            input: held.input,
            tried: held.tried,
            told: held.told,
        })
    });
    Some(Quarantine {
        counts: counts.collect::<Option<_>>()?,
        held: held.collect::<Option<_>>()?,
        last: file.last,
    })
}

/// A subject as the agent names one: no path but a relative one without `.` and `..`.
fn subject(job: &str, kind: &str, name: &str) -> Option<Subject> {
    let subject = Subject {
        job: Job::from_name(job)?,
        kind: Kind::from_name(kind)?,
        name: last_word::unescape(name)?,
    };
    let odd = |name: &[u8]| matches!(name, b"" | b"." | b"..");
    let wrong = subject.is_path() && subject.name.split(|b| *b == b'/').any(odd);
    (!wrong).then_some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Quarantine {
        let subject = |name: &[u8]| Subject {
            job: Job::Files,
            kind: Kind::File,
            name: name.to_vec(),
        };
        Quarantine {
            counts: vec![Count {
                subject: subject(b"a/\xff\n"),
                panics: 2,
                last: 5,
            }],
            held: vec![Held {
                subject: subject(b"b"),
                since: 7,
                wait: 600_000,
                binary: "d".into(),
                input: "1 2".into(),
                tried: Some(9),
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
