//! A look that gives a file up whose file system does not answer, and looks at all others.

use super::hand::{self, Hand, Silent};
use super::look::{Look, Looker};
use super::observe::{Target, Unseen, Wanted};
use super::pace::Pace;
use std::sync::Arc;

/// A [`Looker`] at work on a thread that may be given up.
pub(super) struct Patient {
    hand: Hand,
    /// Not here while it is at work; lost with the thread that is given up.
    looker: Option<Looker>,
    pace: Option<Pace>,
    lookers: usize,
    /// Bytes digested so far.
    pub(super) bytes: u64,
    /// Whether the last look waited for the disk.
    pub(super) waited: bool,
}

impl Patient {
    /// See [`Looker::new`].
    pub(super) fn new(pace: Option<&Pace>, lookers: usize) -> Patient {
        Patient {
            hand: Hand::default(),
            looker: None,
            pace: pace.cloned(),
            lookers,
            bytes: 0,
            waited: false,
        }
    }

    /// Looks at all targets; the results stand in their order.
    pub(super) fn look_all<'t>(
        &mut self,
        targets: impl Iterator<Item = (&'t Target, Wanted)>,
    ) -> Vec<Look> {
        let targets: Arc<[(Target, Wanted)]> = targets
            .map(|(target, wanted)| (target.clone(), wanted))
            .collect();
        let mut looks: Vec<Look> = Vec::new();
        looks.resize_with(targets.len(), || Err(Unseen::Silent));
        let hangs = |index: &usize| hand::hangs(|| targets[*index].0.path());
        let mut open: Vec<usize> = (0..targets.len()).filter(|index| !hangs(index)).collect();
        while !open.is_empty() {
            match self.look(&targets, &open) {
                Ok(found) => {
                    for (index, look) in open.into_iter().zip(found) {
                        looks[index] = look;
                    }
                    return looks;
                }
                // The others are looked at anew, without the one that it hangs on.
                Err(Silent { at: Some(at) }) if at < open.len() => drop(open.remove(at)),
                Err(_) => return looks,
            }
        }
        looks
    }

    fn look(
        &mut self,
        targets: &Arc<[(Target, Wanted)]>,
        open: &[usize],
    ) -> Result<Vec<Look>, Silent> {
        let looker = self.looker.take();
        let mut looker = looker.unwrap_or_else(|| Looker::new(self.pace.as_ref(), self.lookers));
        let before = looker.bytes;
        let (all, numbers): (_, Box<[usize]>) = (targets.clone(), open.into());
        let (looker, looks) = self.hand.run(
            move |watch| {
                looker.watch = watch.clone();
                let open = numbers.iter().map(|index| &all[*index]);
                let looks = looker.look_all(open.map(|(target, wanted)| (target, *wanted)));
                (looker, looks)
            },
            |at| {
                let target = open.get(at).and_then(|index| targets.get(*index));
                Some(target.map(|(target, _)| target.path()).unwrap_or_default())
            },
        )?;
        self.bytes += looker.bytes - before;
        self.waited = looker.waited;
        self.looker = Some(looker);
        Ok(looks)
    }
}
