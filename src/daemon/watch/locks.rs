//! Whether a package manager is at work, asked on a thread of its own: its locks are files of the host, whose opening may
//! be held up for as long as somebody wants.

use crate::daemon::cloud_init;
use crate::daemon::jobs::stalled::Movement;
use crate::daemon::states::first_boot;
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_core::task::{Job, Role, Steps};
use agent_packages::transaction::{self, Manager, Transaction};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Who is asked.
#[derive(Debug)]
pub(in crate::daemon) struct Locks {
    thread: Option<Thread>,
    /// Since when the first boot may be under way.
    began: Instant,
    movement: Movement,
}

#[derive(Debug)]
struct Thread {
    /// Each with the tree that it is about: another may have taken its place.
    questions: Sender<Root>,
    answers: Receiver<Option<Transaction>>,
    /// A question has no answer yet.
    asked: bool,
}

impl Locks {
    /// Nobody was asked yet. `now`: the agent begins.
    pub(in crate::daemon) fn new(now: Instant) -> Locks {
        Locks {
            thread: None,
            began: now,
            movement: Movement::default(),
        }
    }

    /// The transaction that is under way, if one is, and if that can be told: where nobody answers, nothing excuses what
    /// is found.
    pub(in crate::daemon) fn under_way(&mut self, root: &Root) -> Option<Transaction> {
        if self.thread.is_none() {
            let steps = self.movement.steps.clone();
            self.thread = start(self.began, steps).ok();
        }
        let thread = self.thread.as_mut()?;
        let answer = thread.ask(root);
        answer.unwrap_or_else(|gone| {
            if gone == RecvTimeoutError::Disconnected {
                self.thread = None;
            }
            None
        })
    }

    /// How the answer gets on, where one is waited for.
    pub(in crate::daemon) fn movement(&mut self) -> Option<&mut Movement> {
        let is_late = self.thread.as_mut().is_some_and(Thread::is_late);
        if !is_late {
            self.movement.rest();
        }
        is_late.then_some(&mut self.movement)
    }
}

impl Thread {
    fn ask(&mut self, root: &Root) -> Result<Option<Transaction>, RecvTimeoutError> {
        if self.is_late() {
            return Err(RecvTimeoutError::Timeout);
        }
        self.asked = true;
        // A thread that has ended sends no answer either.
        self.questions.send(root.clone()).unwrap_or_default();
        let answer = self.answers.recv_timeout(bounds::deadline(bounds::LOCKS))?;
        self.asked = false;
        Ok(answer)
    }

    /// Whether an answer is missing. What came too late says nothing of now.
    fn is_late(&mut self) -> bool {
        self.asked = self.asked && self.answers.try_recv().is_err();
        self.asked
    }
}

fn start(began: Instant, steps: Arc<Steps>) -> io::Result<Thread> {
    let (questions, asked) = channel::<Root>();
    let (answer, answers) = channel();
    Builder::new().name("locks".into()).spawn(move || {
        Role::new(Job::Watch, steps).take();
        let mut booted = false;
        for root in asked {
            booted = booted || has_booted(began.elapsed());
            let found = transaction::under_way(&root);
            // Whoever asked may have ended.
            answer
                .send(found.filter(|found| counts(found, booted)))
                .unwrap_or_default();
        }
    })?;
    Ok(Thread {
        questions,
        answers,
        asked: false,
    })
}

/// Whether cloud-init, which takes no lock and is told by its control groups, is a cause no more: they can be made by
/// whoever may change what it would excuse.
fn has_booted(since: Duration) -> bool {
    since >= first_boot::PATIENCE || cloud_init::is_done(Path::new("/"))
}

fn counts(found: &Transaction, booted: bool) -> bool {
    found.manager != Manager::CloudInit || !booted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_gives_no_answer_is_waited_for_once() {
        let root = Root::open(Path::new("/")).expect("a root");
        let (questions, asked) = channel();
        let (answer, answers) = channel();
        let mut thread = Thread {
            questions,
            answers,
            asked: false,
        };
        assert_eq!(thread.ask(&root), Err(RecvTimeoutError::Timeout));
        let begun = Instant::now();
        assert_eq!(thread.ask(&root), Err(RecvTimeoutError::Timeout));
        assert!(begun.elapsed() < bounds::LOCKS, "it was waited for again");
        assert_eq!(asked.try_iter().count(), 1);
        let late = Transaction {
            holder: "dpkg".into(),
            pid: 1,
            manager: Manager::Dpkg,
        };
        answer.send(Some(late.clone())).expect("a receiver");
        assert!(!thread.is_late(), "it came back");
        answer.send(Some(late.clone())).expect("a receiver");
        assert_eq!(thread.ask(&root), Ok(Some(late)));
        drop(answer);
        assert_eq!(thread.ask(&root), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn cloud_init_is_a_cause_until_it_is_done() {
        let of = |manager| Transaction {
            holder: String::new(),
            pid: 1,
            manager,
        };
        assert!(counts(&of(Manager::CloudInit), false) && !counts(&of(Manager::CloudInit), true));
        assert!(counts(&of(Manager::Dpkg), true) && counts(&of(Manager::Rpm), true));
        assert!(has_booted(first_boot::PATIENCE));
    }
}
