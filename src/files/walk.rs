//! A depth-first walk in the manifest's order, through open directories: a directory swapped for a link
//! leads nowhere, and a path may be longer than any system call takes.
//!
//! It is made by a thread of its own, stride by stride. One that gets no answer from the kernel is given up, and
//! another one goes on behind the directory that it hangs on.

use super::course::{Course, Next};
use super::hand::{self, Hand, Silent, Watch};
use super::plan::Plan;
use super::scope::Scope;
pub use super::step::{Blindness, Step};
use crate::os::root::Root;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Steps of one stride, about: enough that waking a thread costs little beside them. Each may hold a directory open.
const STRIDE: usize = 256;

/// The walk under way.
pub struct Walk {
    course: Arc<Parked>,
    hand: Hand,
    met: VecDeque<Step>,
    ended: bool,
}

/// Where a course lies while nobody computes with it: between two strides, and while the kernel is asked for a
/// directory. Whoever takes it goes on with it.
struct Parked(Mutex<Option<Course>>);

impl Parked {
    fn new(course: Course) -> Arc<Parked> {
        Arc::new(Parked(Mutex::new(Some(course))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Course>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Walk {
    /// A walk below `root` by the rules of `scope`.
    pub fn new(root: &Root, scope: &Scope) -> Walk {
        Walk::of(Course::new(root, scope, None))
    }

    /// A walk that meets what is planned, as the whole walk would meet it, and nothing else. It tells of no
    /// [`Step::Weaker`]: which path is the first one concerned, the whole walk alone can tell.
    pub fn planned(root: &Root, scope: &Scope, plan: &Plan) -> Walk {
        Walk::of(Course::new(root, scope, Some(plan)))
    }

    fn of(course: Course) -> Walk {
        Walk {
            course: Parked::new(course),
            hand: Hand::default(),
            met: VecDeque::new(),
            ended: false,
        }
    }

    fn stride(&mut self) {
        let (parked, mut left) = (self.course.clone(), None);
        let done = self.hand.run(
            move |watch| stride(&parked, Some(watch)),
            |_| {
                // Between two requests it gets on by itself.
                let mut parked = self.course.lock();
                let path = parked.as_ref()?.door()?.to_vec();
                left = parked.take();
                Some(path)
            },
        );
        self.ended = match (done, left) {
            (Ok(ended), _) => ended,
            (Err(_), Some(mut course)) => {
                course.unanswered();
                // Who hangs must not find it when it comes back.
                self.course = Parked::new(course);
                false
            }
            // No thread was to be had, so that no directory can be entered.
            (Err(Silent { .. }), None) => stride(&self.course, None),
        };
        match self.course.lock().as_mut() {
            Some(course) => std::mem::swap(&mut self.met, &mut course.met),
            // It panicked; what is left to walk must not pass for walked.
            None => panic!("the thread of the walk broke off"),
        }
    }
}

/// Goes on for some steps and parks the course again; returns whether it has come to its end. Nothing is asked of the
/// kernel where nobody watches.
fn stride(parked: &Parked, watch: Option<&Arc<Watch>>) -> bool {
    let Some(mut course) = parked.lock().take() else {
        return false;
    };
    let mut ended = false;
    while !ended && course.met.len() < STRIDE {
        let request = match course.next() {
            Next::Met => continue,
            Next::End => {
                ended = true;
                continue;
            }
            Next::Enter(request) => request,
        };
        let hangs = || hand::hangs(|| course.door().unwrap_or_default().to_vec());
        let Some(watch) = watch.filter(|_| !hangs()) else {
            course.unanswered();
            continue;
        };
        *parked.lock() = Some(course);
        watch.at(0);
        let answer = request.ask();
        match parked.lock().take() {
            Some(back) => course = back,
            // Given up meanwhile.
            None => return false,
        }
        course.entered(answer);
    }
    *parked.lock() = Some(course);
    ended
}

impl Iterator for Walk {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.met.is_empty() && !self.ended {
            self.stride();
        }
        self.met.pop_front()
    }
}
