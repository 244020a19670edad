//! Whether a job moves: its steps, counted over all threads that work for it, and where each of them is.

use super::{Seat, TaskKind, lock};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Steps of one job.
#[derive(Debug, Default)]
pub struct Steps {
    threads: Mutex<Vec<Weak<Seat>>>,
}

impl Steps {
    /// How many were taken by the threads that work for it now: with each subject that one of them comes to, and with each
    /// piece that is read. Another number than before says that something moved: a step, or a thread that came or ended.
    pub fn taken(&self) -> u64 {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = threads.iter().filter_map(Weak::upgrade);
        let taken = seats.map(|seat| seat.steps.load(Ordering::Relaxed));
        taken.fold(0, u64::wrapping_add)
    }

    /// What its threads are at: files and directories; where there are none, parts by name.
    pub fn subjects(&self) -> Vec<(TaskKind, Vec<u8>)> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut subjects = Vec::new();
        for seat in threads.iter().filter_map(Weak::upgrade) {
            let at = lock(&seat.at);
            let named = !matches!(at.kind(), TaskKind::Whole | TaskKind::Batch);
            let subject = (at.kind(), at.subject().to_vec());
            if named && !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        let is_path = |kind| matches!(kind, TaskKind::File | TaskKind::Directory);
        if subjects.iter().any(|(kind, _)| is_path(*kind)) {
            subjects.retain(|(kind, _)| is_path(*kind));
        }
        subjects
    }

    /// One more thread works for it.
    pub(super) fn join(&self, seat: &Arc<Seat>) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|known| known.strong_count() > 0);
        let own = Arc::downgrade(seat);
        if !threads.iter().any(|known| known.ptr_eq(&own)) {
            threads.push(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Job, Role, at_directory, at_file, at_whole, step};
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn steps_of_all_threads_of_a_job_are_counted_and_tell_where_they_stand() {
        let steps = Arc::new(Steps::default());
        let role = Role::new(Job::Files, steps.clone());
        let (go_on, waits) = channel::<()>();
        let other = thread::spawn(move || {
            role.take();
            at_directory(b"etc");
            let role = Role::of_this_thread();
            let helper = thread::spawn(move || {
                role.take();
                at_file(b"etc", b"passwd");
                waits.recv().unwrap_or_default();
            });
            while role_steps() < 4 {
                thread::yield_now();
            }
            at_whole();
            helper.join().expect("no panic");
        });
        while steps.taken() < 5 {
            thread::yield_now();
        }
        assert_eq!(
            steps.subjects(),
            [(TaskKind::File, b"etc/passwd".to_vec())],
            "where something stands, and not who waits for it"
        );
        assert_eq!(steps.taken(), 5);
        step();
        assert_eq!(steps.taken(), 5, "this thread works for nobody");
        drop(go_on);
        other.join().expect("no panic");
        assert_eq!(steps.subjects(), []);
        assert_eq!(Arc::strong_count(&steps), 1, "who ended holds nothing");
    }

    /// Of the job of this thread.
    fn role_steps() -> u64 {
        Role::of_this_thread()
            .steps
            .map_or(0, |steps| steps.taken())
    }
}
