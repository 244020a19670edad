//! Looks at what a server or a program answers for, one after the other, each with a deadline.

use super::look::{Look, Looker};
use super::pace::Pace;
use super::probe::{Target, Wanted};
use super::remote::{self, Device};
use agent_core::bounds;

/// A looker at work on a helper thread.
#[derive(Debug)]
pub(super) struct Away {
    /// Not here before the first look, and lost with a look that is given up.
    looker: Option<Box<Looker>>,
    pace: Option<Pace>,
    lookers: usize,
}

impl Away {
    /// See [`Looker::new`].
    pub(super) fn new(pace: Option<&Pace>, lookers: usize) -> Away {
        Away {
            looker: None,
            pace: pace.cloned(),
            lookers,
        }
    }

    /// What is seen of the target, and how many bytes were digested for it.
    pub(super) fn look(&mut self, device: Device, target: &Target, wanted: Wanted) -> (Look, u64) {
        let looker = self.looker.take();
        let mut looker =
            looker.unwrap_or_else(|| Box::new(Looker::new(self.pace.as_ref(), self.lookers)));
        let before = looker.bytes();
        let target = target.clone();
        let answer = remote::ask(bounds::ANSWER, device, move |pulse| {
            looker.with_pulse(pulse);
            let look = looker.look_all([(&target, wanted)]).pop();
            // Also the last handle: to close a file may take an answer too.
            drop(target);
            (looker, look)
        });
        match answer {
            Ok((looker, Some(look))) => {
                let bytes = looker.bytes() - before;
                self.looker = Some(looker);
                (look, bytes)
            }
            Ok((_, None)) => (Err(remote::Unanswered::Silent.into()), 0),
            Err(unanswered) => (Err(unanswered.into()), 0),
        }
    }
}
