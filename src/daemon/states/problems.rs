//! What a person should look at, one sentence a subject, for status and heartbeats.

use std::collections::BTreeMap;

/// What a problem is about. In the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::daemon) enum Problem {
    /// A file was changed on purpose and the watch did not notice.
    Canary,
    /// What was read again is not good.
    Configuration,
    /// Nobody answers who other processes are.
    Confinement,
    /// Events go where neither AWS nor the configuration sends them.
    Endpoint,
    /// The manifest cannot be used.
    Manifest,
    /// What the next run must know cannot be written.
    RunRecord,
    /// The state directory is not the one that was opened, or cannot be written.
    StateDirectory,
    /// The agent panicked, and leaves something out for it.
    Panics,
    /// A scan broke off.
    Scan,
    /// A look takes no step any more.
    Stalled,
    /// The status cannot be written.
    Status,
    /// Not everything is watched.
    Watch,
}

/// Problems that last.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Problems(BTreeMap<Problem, String>);

impl Problems {
    /// Sets the sentence on a subject, `None` where all is well there; whether that is news.
    pub(in crate::daemon) fn set(&mut self, problem: Problem, sentence: Option<String>) -> bool {
        let Problems(problems) = self;
        let before = match sentence.clone() {
            Some(sentence) => problems.insert(problem, sentence),
            None => problems.remove(&problem),
        };
        before != sentence
    }

    /// The sentence on a subject.
    pub(in crate::daemon) fn get(&self, problem: Problem) -> Option<&String> {
        self.0.get(&problem)
    }

    /// Every sentence.
    pub(in crate::daemon) fn sentences(&self) -> Vec<String> {
        self.0.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_sentence_until_it_is_well() {
        let mut problems = Problems::default();
        assert!(problems.set(Problem::Watch, Some("a".into())));
        assert!(!problems.set(Problem::Watch, Some("a".into())));
        assert!(problems.set(Problem::Canary, Some("b".into())));
        assert!(problems.set(Problem::Watch, Some("c".into())));
        assert_eq!(problems.sentences(), ["b", "c"]);
        assert_eq!(problems.get(Problem::Watch).map(String::as_str), Some("c"));
        assert!(problems.set(Problem::Watch, None));
        assert!(!problems.set(Problem::Watch, None));
        assert_eq!(problems.sentences(), ["b"]);
    }
}
