//! Looks that must end: each on a thread of its own, given up at its deadline.
//!
//! A thread that waits for a file system that does not answer cannot be ended. It is left behind, and what it was
//! to judge is not begun again while it hangs: no more of them can be left than there are names of looks.

use agent_core::bounds;
use agent_core::escape;
use agent_core::os::trail::Trail;
use agent_core::task;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// A look with an end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    /// One word or two, for people and for the thread.
    pub(super) name: &'static str,
    /// How long it may take. While whoever gets its findings is busy with one, time stands still.
    pub(super) deadline: Duration,
}

/// What becomes of a stage, in the order in which it happens.
#[derive(Debug)]
pub(super) enum Event<T> {
    /// It said something.
    Said(T),
    /// It came to its end.
    Ended,
    /// It did not, and never will: why, as a clause.
    Unended(String),
}

/// What a thread does: stage after stage, until [`Turns::next`] has no more.
pub(super) type Work<T> = dyn Fn(&mut Turns<T>) + Send + Sync;

/// The stages that a thread is to do.
pub(super) struct Turns<T> {
    left: std::ops::Range<usize>,
    stages: Arc<[Stage]>,
    begun: bool,
    words: SyncSender<Option<T>>,
}

impl<T> Turns<T> {
    /// The next stage, by its number; the one before has come to its end.
    pub(super) fn next(&mut self) -> Option<usize> {
        // Whoever was given up ends here.
        if self.begun && self.words.send(None).is_err() {
            return None;
        }
        self.begun = true;
        let next = self.left.next()?;
        stall(self.stages[next].name);
        Some(next)
    }

    /// Hands on what the present stage has to say.
    pub(super) fn say(&self, word: T) -> ControlFlow<()> {
        match self.words.send(Some(word)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Words that may wait for whoever hears them.
const WAITING: usize = 64;

/// Does the stages one after the other on one thread, for what they share; on another one from where one was given up.
pub(super) fn in_turn<T: Send + 'static>(
    stages: &[Stage],
    work: &Arc<Work<T>>,
    each: &mut dyn FnMut(usize, Event<T>),
) {
    let stages: Arc<[Stage]> = stages.iter().map(bounded).collect();
    let mut next = 0;
    while let Some(stage) = stages.get(next) {
        if let Some(why) = hangs(stage.name) {
            each(next, Event::Unended(why));
            next += 1;
            continue;
        }
        let hanging = (next..stages.len()).find(|i| hangs(stages[*i].name).is_some());
        let end = hanging.unwrap_or(stages.len());
        let trail = Arc::new(Trail::default());
        let own = Arc::downgrade(&trail);
        let (words, heard) = sync_channel(WAITING);
        let mut turns = Turns {
            left: next..end,
            stages: stages.clone(),
            begun: false,
            words,
        };
        let work = work.clone();
        let role = task::Role::of_this_thread();
        let begun = Builder::new().name(stage.name.into()).spawn(move || {
            role.take();
            trail.follow();
            work(&mut turns);
        });
        if let Err(error) = begun {
            let why = format!("no thread could be started for it: {error}");
            each(next, Event::Unended(why));
            next += 1;
            continue;
        }
        next = hear(&stages, next..end, &own, &heard, each);
    }
}

/// Hears a thread out, as long as it keeps its deadlines; returns the stage that comes after those it did.
fn hear<T>(
    stages: &[Stage],
    turns: std::ops::Range<usize>,
    trail: &Weak<Trail>,
    heard: &Receiver<Option<T>>,
    each: &mut dyn FnMut(usize, Event<T>),
) -> usize {
    for (at, stage) in stages.iter().enumerate().take(turns.end).skip(turns.start) {
        let mut left = stage.deadline;
        loop {
            let asked = Instant::now();
            let why = match heard.recv_timeout(left) {
                Ok(Some(word)) => {
                    left = left.saturating_sub(asked.elapsed());
                    each(at, Event::Said(word));
                    continue;
                }
                Ok(None) => break,
                Err(RecvTimeoutError::Timeout) => leave(stage, trail),
                Err(RecvTimeoutError::Disconnected) => {
                    "the look broke off, which is a fault of the agent".to_owned()
                }
            };
            each(at, Event::Unended(why));
            return at + 1;
        }
        each(at, Event::Ended);
    }
    turns.end
}

/// One look that says one thing. The error says why it did not.
pub(super) fn one<T: Send + 'static>(
    stage: Stage,
    look: impl Fn() -> T + Send + Sync + 'static,
) -> Result<T, String> {
    let work: Arc<Work<T>> = Arc::new(move |turns| {
        while turns.next().is_some() {
            if turns.say(look()).is_break() {
                return;
            }
        }
    });
    let mut outcome = Err("it said nothing".to_owned());
    in_turn(&[stage], &work, &mut |_, event| match event {
        Event::Said(word) => outcome = Ok(word),
        Event::Ended => {}
        Event::Unended(why) => outcome = Err(why),
    });
    outcome
}

/// A thread that was given up.
struct Left {
    /// Gone when the thread has ended after all.
    trail: Weak<Trail>,
    since: Instant,
}

static LEFT: Mutex<BTreeMap<&'static str, Left>> = Mutex::new(BTreeMap::new());

/// Leaves a thread behind; says why.
fn leave(stage: &Stage, trail: &Weak<Trail>) -> String {
    let left = Left {
        trail: trail.clone(),
        since: Instant::now(),
    };
    let place = place(trail);
    let mut all = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    all.insert(stage.name, left);
    format!(
        "the look did not end within {} s{place}",
        stage.deadline.as_secs_f32()
    )
}

/// Whether a look of that name that was given up has not ended yet: why there is no other, as a clause.
fn hangs(name: &'static str) -> Option<String> {
    let mut all = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    let left = all.get(name)?;
    if left.trail.strong_count() == 0 {
        all.remove(name);
        return None;
    }
    Some(format!(
        "a look that was given up {} s ago has still not ended{}",
        left.since.elapsed().as_secs(),
        place(&left.trail)
    ))
}

/// Where a thread has got to, as it ends a clause.
fn place(trail: &Weak<Trail>) -> String {
    let path = trail
        .upgrade()
        .map(|trail| trail.last())
        .unwrap_or_default();
    match path.is_empty() {
        true => String::new(),
        false => format!(
            "; what it turned to last is /{}",
            escape::lossless_text(path.strip_prefix(b"/").unwrap_or(&path)).0
        ),
    }
}

fn bounded(stage: &Stage) -> Stage {
    Stage {
        deadline: bounds::deadline(stage.deadline),
        ..*stage
    }
}

/// In a test build, never ends for the stages that `HIA_TEST_STALL` names.
fn stall(name: &str) {
    if cfg!(debug_assertions)
        && let Ok(stalled) = std::env::var("HIA_TEST_STALL")
        && stalled.split(',').any(|stalled| stalled == name)
    {
        loop {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    fn stage(name: &'static str, deadline: Duration) -> Stage {
        Stage { name, deadline }
    }

    #[test]
    fn one_that_hangs_keeps_no_other_from_its_end_and_is_not_begun_again() {
        let (release, hung) = channel::<()>();
        let hung = Mutex::new(hung);
        let work: Arc<Work<usize>> = Arc::new(move |turns| {
            while let Some(stage) = turns.next() {
                if turns.say(stage).is_break() {
                    return;
                }
                if stage == 1 {
                    let hung = hung.lock().expect("one at a time");
                    hung.recv().unwrap_or_default();
                }
            }
        });
        let stages = [stage("a", LONG), stage("b", LONG), stage("c", LONG)];
        let run = |patience| {
            let stages = [stages[0], stage("b", patience), stages[2]];
            let mut events = Vec::new();
            in_turn(&stages, &work, &mut |at, event| events.push((at, event)));
            let words = events.into_iter().map(|(at, event)| match event {
                Event::Said(word) => format!("{at} said {word}"),
                Event::Ended => format!("{at} ended"),
                Event::Unended(why) => format!("{at} unended: {why}"),
            });
            words.collect::<Vec<_>>()
        };
        let first = "1 unended: the look did not end within 0.05 s";
        assert_eq!(
            run(SHORT),
            [
                "0 said 0", "0 ended", "1 said 1", first, "2 said 2", "2 ended"
            ]
        );
        let again = run(SHORT);
        assert_eq!(again.len(), 5, "{again:?}");
        assert!(again[2].starts_with("1 unended: a look that was given up"));
        // Whoever comes back is not missed, and may be begun anew.
        drop(release);
        while hangs("b").is_some() {
            std::thread::yield_now();
        }
        assert_eq!(run(LONG).len(), 6);
    }

    #[test]
    fn whoever_is_slow_to_hear_is_not_held_against_the_look() {
        let work: Arc<Work<u32>> = Arc::new(|turns| {
            while turns.next().is_some() {
                for n in 0..200 {
                    if turns.say(n).is_break() {
                        return;
                    }
                }
            }
        });
        let mut heard = 0;
        in_turn(
            &[stage("slow", Duration::from_secs(5))],
            &work,
            &mut |_, event| match event {
                Event::Said(_) => {
                    heard += 1;
                    std::thread::sleep(Duration::from_millis(30));
                }
                Event::Ended => {}
                Event::Unended(why) => panic!("{why}"),
            },
        );
        assert_eq!(heard, 200);
    }

    #[test]
    fn what_it_hangs_on_is_said() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("conf"), "x").expect("written");
        let root = agent_core::os::root::Root::open(directory.path()).expect("opened");
        let why = one(stage("hung", SHORT), move || {
            root.read(b"/conf", 10).expect("read");
            loop {
                std::thread::park();
            }
        });
        let why: Result<(), String> = why;
        let expected = "the look did not end within 0.05 s; what it turned to last is /conf";
        assert_eq!(why, Err(expected.to_owned()));
    }

    #[test]
    fn one_that_breaks_off_says_so() {
        let why: Result<(), String> = one(stage("broken", LONG), || {
            std::panic::resume_unwind(Box::new("quietly"))
        });
        assert!(why.is_err_and(|why| why.contains("broke off")));
    }
}
