//! Evidence of packages that looks at touched paths share: what lay in apt's cache while a transaction went on may be
//! gone when the next paths of it settle.

use super::worker::Worker;
use crate::assess::explained::{self, Ground};
use crate::daemon::action::Action;
use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::message::{self, Message};
use crate::daemon::setup::Setup;
use crate::daemon::state::Daemon;
use agent_baseline::Baseline;
use agent_core::finding::{Finding, Severity};
use agent_core::task::{Job, Role};
use agent_evidence::Explainer;
use agent_packages::Package;
use agent_scan::files::deviation::Deviation;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// When nobody has asked for so long, what can be read again is given up.
const IDLE: Duration = Duration::from_secs(120);

/// Taking in what lies in apt's cache takes a quarter of the time at most, while one package after the other comes: each time
/// all lists are read.
const SHARE: u32 = 3;
/// So long nothing is taken in at most: apt may remove a package as soon as dpkg is done with it.
const PAUSE: Duration = Duration::from_millis(250);

/// What was read, until it is given up.
#[derive(Debug, Default)]
pub(in crate::daemon) struct SharedEvidence {
    held: Mutex<Option<Held>>,
    /// Somebody is about to take in what lies in apt's cache.
    taking: AtomicBool,
    /// When that may begin next.
    next: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Held {
    explainer: Explainer,
    /// The manifest, the launch record and the amendments that it goes by.
    of: (String, String, Vec<[u8; 32]>),
    /// The newest versions that were kept last.
    seen: Vec<Package>,
    used: Instant,
}

impl SharedEvidence {
    /// Puts onto the finding what explains its deviation from the manifest. `fresh`: whether the evidence was brought
    /// up to date by this job.
    pub(super) fn put(
        &self,
        worker: &Worker,
        deviation: &Deviation,
        finding: Finding,
        fresh: &Cell<bool>,
    ) -> Finding {
        let Ok(mut held) = self.held.lock() else {
            return finding;
        };
        let known = held.take();
        let Some(mut current) = Held::of(known, &worker.setup, &worker.baseline) else {
            return finding;
        };
        if !fresh.replace(true) {
            current.explainer.refresh();
            if let Some(sentence) = current.explainer.take_given_up() {
                worker.send(Message::EvidenceGivenUp(sentence));
            }
            if current.seen != current.explainer.seen() {
                current.seen = current.explainer.seen().to_vec();
                let state_dir = &worker.setup.config.state_dir;
                // Where it cannot be kept, this run knows it, and the next one goes by the manifest again.
                explained::keep_seen(state_dir, &current.seen).unwrap_or_default();
            }
        }
        let Some(Baseline::Manifest(sealed)) = &worker.baseline.opened.baseline else {
            return finding;
        };
        let ground = Ground {
            root: &worker.setup.tree.root,
            sealed,
        };
        let finding = explained::put(&mut current.explainer, &ground, deviation, finding);
        *held = Some(current);
        finding
    }

    /// Takes in what lies in apt's cache: before dpkg reads it, and long before apt removes it. Returns what was given up
    /// for it.
    fn take_in(&self, setup: &Setup, baseline: &ActiveBaseline) -> Option<String> {
        let next = self.next.lock().ok().and_then(|next| *next);
        if let Some(next) = next {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let mut held = self.held.lock().ok()?;
        // What comes from now on is taken in by another one.
        self.taking.store(false, Ordering::SeqCst);
        let began = Instant::now();
        let known = held.take();
        *held = Held::of(known, setup, baseline);
        let explainer = &mut held.as_mut()?.explainer;
        explainer.take_in();
        if let Ok(mut next) = self.next.lock() {
            *next = Some(Instant::now() + pause(began.elapsed()));
        }
        explainer.take_given_up()
    }

    /// Keeps dpkg's lists as they are recorded, before an update replaces them. Where they cannot be kept, those of a package
    /// are read when it comes into apt's cache.
    pub(super) fn keep_lists(&self, setup: &Setup, baseline: &ActiveBaseline) {
        let state_dir = &setup.config.state_dir;
        let lists = self.held.lock().ok().and_then(|mut held| {
            let known = held.take();
            *held = Held::of(known, setup, baseline);
            held.as_ref()?.explainer.lists(state_dir)
        });
        if let Some(lists) = lists {
            lists.keep().unwrap_or_default();
        }
    }

    /// Names of signed packages that ship a file at the path: those that are yet to be unpacked among them.
    pub(super) fn shipping(&self, path: &[u8]) -> Vec<String> {
        let held = self.held.lock().ok();
        let held = held.as_ref().and_then(|held| held.as_ref());
        held.map_or_else(Vec::new, |held| held.explainer.shipping(path))
    }

    /// Gives up what can be read again, where nobody has asked for a while.
    pub(in crate::daemon) fn tend(&self) {
        // Whoever holds it asks it right now.
        if let Ok(mut held) = self.held.try_lock()
            && let Some(held) = held.as_mut().filter(|held| held.used.elapsed() > IDLE)
        {
            held.explainer.rest();
        }
    }
}

impl Held {
    /// What is held, if it goes by this baseline, else one that does and has read nothing yet; `None` where there is no
    /// manifest.
    fn of(known: Option<Held>, setup: &Setup, baseline: &ActiveBaseline) -> Option<Held> {
        let Some(Baseline::Manifest(sealed)) = &baseline.opened.baseline else {
            return None;
        };
        let of = (
            baseline.manifest().0,
            baseline.launch_record(),
            sealed.amendments.iter().map(|one| one.sha256).collect(),
        );
        let known = known.filter(|held| held.of == of);
        let mut current = known.unwrap_or_else(|| {
            let root = &setup.tree.root;
            let state_dir = &setup.config.state_dir;
            let recorded = explained::recorded(root, sealed, Some(state_dir));
            Held {
                explainer: Explainer::keeping(root, recorded.unwrap_or_default(), state_dir),
                of,
                seen: Vec::new(),
                used: Instant::now(),
            }
        });
        current.used = Instant::now();
        Some(current)
    }
}

/// How long nothing is taken in after that took so long.
fn pause(took: Duration) -> Duration {
    (took * SHARE).min(PAUSE)
}

/// Begins to take in what lies in apt's cache, if there is a manifest whose keys could vouch for it.
pub(in crate::daemon) fn take_in(daemon: &mut Daemon) {
    let Some(baseline) = daemon.baseline.active.clone() else {
        return;
    };
    let evidence = daemon.jobs.evidence.clone();
    if evidence.taking.swap(true, Ordering::SeqCst) {
        return;
    }
    let setup = daemon.setup.clone();
    let messages = daemon.jobs.outlets.messages.clone();
    let taking = move || {
        if let Some(sentence) = evidence.take_in(&setup, &baseline) {
            message::send(&messages, Message::EvidenceGivenUp(sentence));
        }
    };
    // Without a thread it is taken in when the first path of it deviates.
    if super::spawn("evidence", Role::from(Job::Files), taking).is_err() {
        daemon.jobs.evidence.taking.store(false, Ordering::SeqCst);
    }
}

/// What explains findings was given up: they may be raised anew, as unexplained, by the next scan.
pub(in crate::daemon) fn given_up(sentence: String) -> Vec<Action> {
    vec![Action::fault(
        "evidence.given_up",
        Severity::Medium,
        sentence,
    )]
}
