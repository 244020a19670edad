//! What a message leads to.

use crate::daemon::action::Action;
use crate::daemon::clock::Now;
use crate::daemon::jobs::{evidence, finish};
use crate::daemon::message::{Message, OpenedBy, PAGE, Question};
use crate::daemon::state::Daemon;
use crate::daemon::states::problems::Problem;
use crate::daemon::store::Answer;
use crate::daemon::{confined, lifecycle};
use agent_core::finding::Severity;
use agent_scan::watch::Notice;
use std::sync::Arc;

/// Takes in one message.
pub(in crate::daemon) fn message(daemon: &mut Daemon, message: Message, now: Now) {
    match message {
        Message::Binary(digest) => daemon.identity.binary = digest,
        Message::Baseline(baseline, opened_by) => {
            if opened_by == OpenedBy::Own {
                daemon.baseline.opening = false;
                daemon.jobs.set_opening(None);
            }
            lifecycle::set_baseline(daemon, baseline, now);
        }
        Message::Found {
            job,
            finding,
            unpacked,
        } => finish::found(daemon, job, finding, unpacked, now),
        Message::Holds { job, path, ctime } => finish::holds(daemon, job, path, ctime, now),
        Message::Pending(question) => pending(daemon, &question),
        Message::Unpacked(packages) => daemon.watch.pending.unpacked(&packages, now.monotonic),
        Message::Archives => evidence::take_in(daemon),
        Message::EvidenceGivenUp(sentence) => {
            daemon.perform(evidence::given_up(sentence), now);
        }
        Message::Confinement(heard) => confined::heard(daemon, heard, now),
        Message::Actor(question) => finish::actor(daemon, question),
        Message::Ended { job, outcome } => finish::ended(daemon, job, outcome, now),
        Message::Recorded(outcome) => lifecycle::recorded(daemon, outcome, now),
        Message::Notice(generation, notice) if daemon.watch.is_of(generation) => {
            self::notice(daemon, notice, now);
        }
        Message::Notice(..) => {}
        Message::Sent(report) => {
            daemon.sinks.sent(*report, &mut daemon.store, now);
            daemon.status.stale = true;
        }
        Message::Host(host) => lifecycle::know_host(daemon, *host, now),
        Message::Discovered(generation, answer) => {
            let store = &mut daemon.store;
            (daemon.sinks).discovered(generation, answer, store, now.wall);
            daemon.sinks.news = true;
            daemon.status.stale = true;
        }
        Message::Store(answer) => self::answer(daemon, answer, now),
    }
}

/// What was touched directly in a directory and is not yet judged.
fn pending(daemon: &Daemon, question: &Question) {
    let directory = &question.directory;
    let mut entries = daemon.watch.pending.entries_of(directory, PAGE);
    daemon.jobs.entries_of(directory, &mut entries);
    // Whoever asked may have ended.
    question.reply.try_send(entries).unwrap_or_default();
}

/// The watch said something.
fn notice(daemon: &mut Daemon, notice: Notice, now: Now) {
    let actions = match notice {
        Notice::Touched(touches) => {
            for touch in touches.iter().filter(|touch| touch.below) {
                daemon.scan.rehash.touched(&touch.path);
            }
            daemon.watch.pending.touch(touches, now.monotonic);
            return;
        }
        Notice::MountedBriefly(mounts) => {
            finish::mounted_briefly(daemon, mounts, now);
            return;
        }
        Notice::Coverage(coverage) => {
            if !coverage.left_out.is_empty() {
                let why = "not all directories were watched";
                daemon.scan.rehash.doubt(why);
            }
            let before = daemon.watch.health.coverage();
            let actions = daemon.gap.covered(before, &coverage, now.wall);
            daemon.watch.covered(coverage, now.monotonic);
            actions
        }
        Notice::Overflow => {
            let reason = "the kernel's queue of file events overflowed";
            daemon.gap.begin(reason, now.wall)
        }
        Notice::WatchesTaken(count) => {
            let reason = format!(
                "{count} of the watches of directories and files were taken away by another process"
            );
            daemon.gap.begin(&reason, now.wall)
        }
        Notice::RootReplaced => {
            if let Ok(setup) = daemon.setup.again() {
                daemon.setup = Arc::new(setup);
            }
            let reason = "the root of the tree was replaced or mounted over";
            daemon.gap.begin(reason, now.wall)
        }
        Notice::Attribution(status) => {
            daemon.watch.health.attributed(status);
            Vec::new()
        }
        Notice::Failed(why) => {
            daemon.watch.fail(why.clone());
            daemon.gap.unwatched(&why, now)
        }
    };
    daemon.perform(actions, now);
    daemon.status.stale = true;
}

/// The store's thread said something.
fn answer(daemon: &mut Daemon, answer: Answer, now: Now) {
    match answer {
        Answer::StoreStatus(status) => {
            daemon.status.stale |= daemon.store.stands(*status);
            daemon.sinks.news = true;
        }
        Answer::Openings(openings) => lifecycle::opened(daemon, openings, now),
        Answer::Parcels { fetch, parcels } => daemon.sinks.fetched(fetch, parcels, now.monotonic),
        Answer::Remembered(outcome) => {
            daemon.records.unsaved = daemon.records.unsaved.saturating_sub(1);
            daemon.sinks.news = true;
            let problem = outcome
                .err()
                .map(|error| format!("the state directory cannot be written: {error}"));
            let action = Action::Problem(Problem::RunRecord, problem);
            daemon.perform(vec![action], now);
        }
        Answer::StateDirectory(news) => {
            let news = news.map(|wrong| confined::lost(&daemon.setup, wrong));
            let told = match &news {
                Some(wrong) => Action::fault("state.lost", Severity::High, wrong.clone()),
                None => Action::Warn("the state directory is as it should be again".into()),
            };
            daemon.perform(
                vec![Action::Problem(Problem::StateDirectory, news), told],
                now,
            );
        }
        Answer::Committed { down } => daemon.panics.committed(down),
        Answer::Closed => daemon.store.close(),
    }
}
