//! A mark as the run that panicked left it, read by the next one.

use crate::daemon::clock::UnixMillis;
use agent_core::os::last_word::{self, TITLE};
use agent_core::task::{Job, TaskKind};
use serde::{Deserialize, Serialize};

/// What was at hand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub(in crate::daemon) struct Subject {
    pub(in crate::daemon) job: Job,
    pub(in crate::daemon) kind: TaskKind,
    /// A path relative to the root, or the name of a part; empty for the job itself.
    pub(in crate::daemon) name: Vec<u8>,
}

impl Subject {
    /// Whether it is a path.
    pub(in crate::daemon) fn is_path(&self) -> bool {
        matches!(self.kind, TaskKind::File | TaskKind::Directory) && !self.name.is_empty()
    }

    /// In words, as `files: /etc/passwd`.
    pub(in crate::daemon) fn describe(&self) -> String {
        let name = last_word::escape(&self.name);
        let job = self.job.name();
        match self.kind {
            TaskKind::Whole => job.to_owned(),
            TaskKind::Batch => format!("{job}: several files at once"),
            TaskKind::Part => format!("{job}: {name}"),
            TaskKind::File => format!("{job}: /{name}"),
            TaskKind::Directory => format!("{job}: /{name} with all below it"),
        }
    }
}

/// A subject as it is written down.
#[derive(Serialize, Deserialize)]
struct Text {
    job: String,
    kind: String,
    subject: String,
}

impl From<Subject> for Text {
    fn from(subject: Subject) -> Text {
        Text {
            job: subject.job.name().into(),
            kind: subject.kind.name().into(),
            subject: last_word::escape(&subject.name),
        }
    }
}

/// As the agent names one: no path but a relative one without `.` and `..`.
impl TryFrom<Text> for Subject {
    type Error = String;

    fn try_from(text: Text) -> Result<Subject, String> {
        let subject = || {
            Some(Subject {
                job: Job::from_name(&text.job)?,
                kind: TaskKind::from_name(&text.kind)?,
                name: last_word::unescape(&text.subject)?,
            })
        };
        let odd = |name: &[u8]| matches!(name, b"" | b"." | b"..");
        let wrong = |subject: &Subject| {
            subject.is_path() && subject.name.split(|byte| *byte == b'/').any(odd)
        };
        let named = subject().filter(|subject| !wrong(subject));
        named.ok_or_else(|| format!("\"{}\" is no subject of the agent's", text.subject))
    }
}

/// One panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Mark {
    /// Tells it from every other one.
    pub(in crate::daemon) id: String,
    pub(in crate::daemon) time: UnixMillis,
    pub(in crate::daemon) version: String,
    /// In hexadecimal; empty where it was not known yet.
    pub(in crate::daemon) binary: String,
    /// `FILE:LINE:COLUMN` in the agent's source.
    pub(in crate::daemon) location: String,
    pub(in crate::daemon) subject: Subject,
}

impl Mark {
    /// Reads a mark; `None` if it is none, or not whole.
    pub(in crate::daemon) fn parse(bytes: &[u8]) -> Option<Mark> {
        // It stands in a file that is longer.
        let length = bytes.iter().position(|byte| *byte == 0);
        let text = std::str::from_utf8(&bytes[..length.unwrap_or(bytes.len())]).ok()?;
        let text = text.strip_suffix("end\n")?;
        let mut lines = text.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let fields: Vec<(&str, &str)> = lines
            .map(|line| line.split_once(' '))
            .collect::<Option<_>>()?;
        let field = |key: &str| {
            let found = fields.iter().find(|(found, _)| *found == key);
            found.map(|(_, value)| *value)
        };
        let text = |key: &str| field(key).unwrap_or_default().to_owned();
        let (time, process) = (field("time")?, field("process")?);
        Some(Mark {
            id: format!("{time} {process}"),
            time: UnixMillis(time.parse().ok()?),
            version: text("version"),
            binary: text("binary"),
            location: text("location"),
            subject: Subject {
                job: field("job").map_or(Some(Job::Other), Job::from_name)?,
                kind: field("kind").map_or(Some(TaskKind::Whole), TaskKind::from_name)?,
                name: last_word::unescape(field("subject").unwrap_or_default())?,
            },
        })
    }

    /// The sentence that is told of it.
    pub(in crate::daemon) fn sentence(&self) -> String {
        let Mark {
            version,
            location,
            subject,
            ..
        } = self;
        let binary = match self.binary.as_str() {
            "" => "not known yet",
            binary => binary,
        };
        format!(
            "the run before ended by a fault of the agent itself, please report it: panic at {location} ({}); version {version}, binary sha256 {binary}",
            subject.describe()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "host-integrity-agent panic 1\ntime 1700000000000\nprocess 12\nversion 0.1.0\n\
        location src/a.rs:1:2\nbinary ab\njob files\nkind file\nsubject data/a\\x0ab\nend\n";

    #[test]
    fn a_mark_is_read_as_it_was_left() {
        let padded = [TEXT.as_bytes(), &[0; 100]].concat();
        let mark = Mark::parse(&padded).expect("whole");
        assert_eq!(mark.subject.name, b"data/a\nb");
        assert_eq!(
            (mark.subject.job, mark.subject.kind),
            (Job::Files, TaskKind::File)
        );
        assert_eq!(
            (mark.time, mark.id.as_str()),
            (UnixMillis(1_700_000_000_000), "1700000000000 12")
        );
        let sentence = mark.sentence();
        for part in ["src/a.rs:1:2", "files: /data/a\\x0ab", "0.1.0", "sha256 ab"] {
            assert!(sentence.contains(part), "{sentence}");
        }
    }

    #[test]
    fn what_is_not_whole_is_no_mark() {
        for wrong in [
            TEXT.replace("end\n", ""),
            TEXT.replace("panic 1", "panic 2"),
            TEXT.replace("time 1", "time x"),
            TEXT.replace("job files", "job elsewhere"),
            TEXT.replace("\\x0a", "\\x"),
            TEXT.replace("binary ab", "binary"),
            String::new(),
        ] {
            assert_eq!(Mark::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(Mark::parse(&[0xff; 10]), None);
    }
}
