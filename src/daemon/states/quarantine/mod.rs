//! Which subjects are set aside since a job on them ended in a panic. Pure; the time is passed in.
//!
//! Three panics of a job on one subject set it aside. It is tried again by another binary, and when a wait is over:
//! ten minutes at first, twice as long each time, a day at most; a quarter of it where the input has changed. One
//! panic sets it aside again. So the owner of an input restarts the agent a few times a day at most. Who makes new
//! ones gains nothing either: of too many in one directory, that directory is set aside.

use crate::daemon::clock::UnixMillis;
use crate::daemon::panics::mark::{Mark, Subject};
use agent_core::paths::{is_within, split};
use agent_core::task::{Job, TaskKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// Panics on one subject that set it aside.
pub(in crate::daemon) const PANICS: u32 = 3;
/// It is first tried again after this.
pub(in crate::daemon) const FIRST_WAIT: Duration = Duration::from_secs(10 * 60);
/// It is tried again after this at the latest, and a panic no longer counts after this.
pub(in crate::daemon) const LAST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Panics on subjects of one directory, none of which is set aside, that set the directory aside: its owner makes
/// another one each time. Twice as many for each directory further above.
const IN_DIRECTORY: u32 = 2 * PANICS;
/// Subjects set aside that lie directly in one directory; with one more it is set aside itself.
// Own bound: likewise.
const MOST_IN_DIRECTORY: usize = 8;
/// Subjects that are remembered, counted and set aside each: what is kept stays below a few hundred kilobytes, and
/// whoever makes them has restarted the agent for every one of them.
// Own bound: of subjects; their directories stand for more of them.
pub(in crate::daemon) const MOST: usize = 64;

/// Panics on one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Count {
    #[serde(flatten)]
    pub(in crate::daemon) subject: Subject,
    pub(in crate::daemon) panics: u32,
    /// When the last one was.
    pub(in crate::daemon) last: UnixMillis,
}

/// A subject that is set aside, or tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Held {
    #[serde(flatten)]
    pub(in crate::daemon) subject: Subject,
    /// When it was last set aside.
    pub(in crate::daemon) since: UnixMillis,
    /// How long it waits until it is tried again.
    #[serde(with = "milliseconds")]
    pub(in crate::daemon) wait: Duration,
    /// By which binary it was set aside.
    pub(in crate::daemon) binary: String,
    /// What tells one state of the input from another; empty where nothing does.
    pub(in crate::daemon) input: String,
    /// Whether it is tried again, and since when.
    pub(in crate::daemon) tried: Option<UnixMillis>,
    /// Whether it was told that it is set aside.
    pub(in crate::daemon) told: bool,
}

/// What is known of panics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Quarantine {
    pub(in crate::daemon) counts: Vec<Count>,
    #[serde(rename = "set_aside")]
    pub(in crate::daemon) held: Vec<Held>,
    /// The mark that was counted last.
    pub(in crate::daemon) last: String,
}

/// Whether a subject can be left out while everything else goes on.
fn can_be_left_out(subject: &Subject) -> bool {
    match subject.job {
        Job::Files => subject.is_path(),
        Job::Settings | Job::Ground => subject.kind == TaskKind::Part,
        Job::Instance | Job::Launch | Job::Watch => true,
        Job::Other | Job::Loop | Job::Store => false,
    }
}

/// What is left out in place of the subject: of jobs that are one subject, all of them.
fn unit(subject: &Subject) -> Subject {
    match subject.job {
        Job::Watch if subject.kind == TaskKind::Part => subject.clone(),
        Job::Instance | Job::Launch | Job::Watch => Subject {
            job: subject.job,
            kind: TaskKind::Whole,
            name: Vec::new(),
        },
        _ => subject.clone(),
    }
}

impl Quarantine {
    /// Counts a panic, once. `input` tells the state of a subject's input, `binary` is the one that runs now.
    pub(in crate::daemon) fn panicked(
        &mut self,
        mark: &Mark,
        binary: &str,
        input: &dyn Fn(&Subject) -> String,
        now: UnixMillis,
    ) {
        if self.last == mark.id {
            return;
        }
        self.last = mark.id.clone();
        self.forget(now);
        let subject = unit(&mark.subject);
        let culprit = match mark.binary.as_str() {
            "" => binary,
            binary => binary,
        };
        // What is tried again may be part of what was set aside.
        let tried = |held: &&mut Held| {
            held.subject == subject || held.tried.is_some() && holds(&held.subject, &subject)
        };
        if let Some(held) = self.held.iter_mut().find(tried) {
            held.wait = (held.wait * 2).clamp(FIRST_WAIT, LAST_WAIT);
            held.since = now;
            held.tried = None;
            held.binary = culprit.to_owned();
            held.input = input(&held.subject);
            return;
        }
        let panics = self.count(&subject, now);
        let aside = match panics >= PANICS && can_be_left_out(&subject) {
            true => Some(subject.clone()),
            false => self.directory_of_many(&subject),
        };
        if let Some(subject) = aside {
            let input = input(&subject);
            self.set_aside(subject, culprit, input, now);
        }
        self.bound(culprit, input, now);
    }

    /// Subjects that were not left out and whose panics reached the number that sets others aside: they are told, and
    /// no more can be done about them.
    pub(in crate::daemon) fn stubborn(&self) -> impl Iterator<Item = &Count> {
        let often = |count: &&Count| count.panics >= PANICS && !can_be_left_out(&count.subject);
        self.counts.iter().filter(often)
    }

    /// What is tried again from now on.
    pub(in crate::daemon) fn release(
        &mut self,
        binary: &str,
        input: &dyn Fn(&Subject) -> String,
        now: UnixMillis,
    ) -> Vec<Subject> {
        self.forget(now);
        // What does not end by itself has passed when it has gone on for the time that it had waited.
        self.held.retain(|held| {
            let tried = held.tried.filter(|_| held.subject.job == Job::Watch);
            tried.is_none_or(|tried| now - tried < held.wait)
        });
        let mut released = Vec::new();
        for held in self.held.iter_mut().filter(|held| held.tried.is_none()) {
            // A clock that was set back must not make it wait for longer.
            held.since = held.since.min(now);
            let waited = now - held.since;
            let early = (held.wait / 4).max(FIRST_WAIT);
            let other = !binary.is_empty() && binary != held.binary;
            if other
                || waited >= held.wait
                || (waited >= early && input(&held.subject) != held.input)
            {
                held.tried = Some(now);
                released.push(held.subject.clone());
            }
        }
        released
    }

    /// A job has ended that began then and covered what `covers` says: what was tried in it is no longer of note.
    pub(in crate::daemon) fn passed(
        &mut self,
        covers: impl Fn(&Subject) -> bool,
        began: UnixMillis,
    ) -> bool {
        let before = self.held.len();
        self.held.retain(|held| {
            let passed = held.tried.is_some_and(|tried| tried <= began) && covers(&held.subject);
            !passed
        });
        before != self.held.len()
    }

    /// What is left out now.
    pub(in crate::daemon) fn aside(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(|held| held.tried.is_none())
    }

    /// Whether files are digested one by one, since it is not known which of several a panic was about.
    pub(in crate::daemon) fn alone(&self) -> bool {
        let unknown = |count: &Count| count.subject.kind == TaskKind::Batch;
        self.counts.iter().any(unknown)
    }

    fn forget(&mut self, now: UnixMillis) {
        self.counts
            .retain(|count| (now - count.last).max(count.last - now) < LAST_WAIT);
    }

    fn count(&mut self, subject: &Subject, now: UnixMillis) -> u32 {
        let counted = self.counts.iter_mut().find(|c| c.subject == *subject);
        match counted {
            Some(count) => {
                count.panics = count.panics.saturating_add(1);
                count.last = now;
                count.panics
            }
            None => {
                self.counts.push(Count {
                    subject: subject.clone(),
                    panics: 1,
                    last: now,
                });
                1
            }
        }
    }

    fn set_aside(&mut self, subject: Subject, binary: &str, input: String, now: UnixMillis) {
        self.counts.retain(|c| !holds(&subject, &c.subject));
        self.held.retain(|h| !holds(&subject, &h.subject));
        // Paths directly below the root give way to nothing.
        if self.held.len() >= 2 * MOST {
            return;
        }
        self.held.push(Held {
            subject,
            since: now,
            wait: FIRST_WAIT,
            binary: binary.to_owned(),
            input,
            tried: None,
            told: false,
        });
    }

    /// The directory in which there were too many panics; the root never is.
    fn directory_of_many(&self, subject: &Subject) -> Option<Subject> {
        if subject.job != Job::Files || !subject.is_path() {
            return None;
        }
        let mut directory = split(&subject.name).0;
        let mut enough = IN_DIRECTORY;
        while !directory.is_empty() {
            let within = self.counts.iter().filter(|count| {
                count.subject.is_path() && is_within(&count.subject.name, directory)
            });
            if within.map(|count| count.panics).sum::<u32>() >= enough {
                return Some(directory_at(directory));
            }
            directory = split(directory).0;
            enough = enough.saturating_mul(2);
        }
        None
    }

    /// Keeps within the bounds: what is too much gives way to a directory that holds it.
    fn bound(&mut self, binary: &str, input: &dyn Fn(&Subject) -> String, now: UnixMillis) {
        while let Some(directory) = self.crowded() {
            let input = input(&directory);
            self.set_aside(directory, binary, input, now);
        }
        while self.counts.len() > MOST {
            // The oldest: it costs that subject one more panic.
            let oldest = self.counts.iter().enumerate().min_by_key(|(_, c)| c.last);
            let Some((oldest, _)) = oldest else {
                return;
            };
            self.counts.swap_remove(oldest);
        }
    }

    /// A directory with more in it than is remembered one by one.
    fn crowded(&self) -> Option<Subject> {
        let paths = self.held.iter().map(|held| &held.subject);
        let mut paths: Vec<&[u8]> = paths
            .filter(|subject| subject.is_path())
            .map(|subject| subject.name.as_slice())
            .collect();
        paths.sort_unstable_by(|a, b| agent_core::paths::compare(a, b));
        let full = paths.iter().map(|path| split(path).0).find(|directory| {
            let inside = paths.iter().filter(|path| split(path).0 == *directory);
            !directory.is_empty() && inside.count() > MOST_IN_DIRECTORY
        });
        let nearest = || {
            let pairs = paths.windows(2).map(|pair| common(pair[0], pair[1]));
            pairs.max_by_key(|directory| directory.len())
        };
        let directory = match full {
            None if paths.len() > MOST => nearest().filter(|directory| !directory.is_empty()),
            full => full,
        };
        directory.map(directory_at)
    }
}

fn directory_at(path: &[u8]) -> Subject {
    Subject {
        job: Job::Files,
        kind: TaskKind::Directory,
        name: path.to_vec(),
    }
}

/// The directory nearest to both paths.
fn common<'a>(a: &'a [u8], b: &[u8]) -> &'a [u8] {
    let mut directory = split(a).0;
    while !is_within(b, directory) {
        directory = split(directory).0;
    }
    directory
}

/// Whether leaving out `held` leaves out `subject`.
fn holds(held: &Subject, subject: &Subject) -> bool {
    let within = held.kind == TaskKind::Directory
        && held.job == subject.job
        && subject.is_path()
        && is_within(&subject.name, &held.name);
    held == subject || within
}

mod milliseconds {
    use super::*;

    pub(super) fn serialize<S: Serializer>(wait: &Duration, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(wait.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests;
