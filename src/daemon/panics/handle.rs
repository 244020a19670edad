//! What the daemon does about panics: tells them, leaves out what brings them about, and tries that again.

use crate::daemon::panics::{Subject, state_of};
use crate::daemon::state::Daemon;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::quarantine::PANICS;
use crate::daemon::states::touched::Touched;
use crate::daemon::store::Command;
use agent_checks::settings;
use agent_core::config::{self, Attribution};
use agent_core::finding::Severity;
use agent_core::region::Region;
use agent_core::task::Job;
use agent_outbox::store::Scope;
use agent_scan::watch::ATTRIBUTION;
use std::time::{SystemTime, UNIX_EPOCH};

impl Daemon {
    /// Tells what the run before ended by, and what is set aside from now on.
    pub(in crate::daemon) fn tell_panics(&mut self, wall: i64) {
        for why in std::mem::take(&mut self.panics.refused) {
            let message =
                format!("what is known of panics is not believed and counts for nothing: {why}");
            self.fault("panics.refused", Severity::Medium, message, wall);
        }
        if let Some(mark) = self.panics.untold.clone() {
            self.fault("panic", Severity::High, mark.messages(), wall);
            let third = self
                .panics
                .quarantine
                .stubborn()
                .find(|count| count.subject == mark.subject && count.panics == PANICS);
            if third.is_some() {
                let message = format!(
                    "the agent panicked {PANICS} times and cannot do without: {}",
                    mark.subject.messages()
                );
                self.fault("panic.repeated", Severity::Critical, message, wall);
            }
        }
        let untold: Vec<String> = self
            .panics
            .quarantine
            .held
            .iter()
            .filter(|held| !held.told)
            .map(|held| held.subject.messages())
            .collect();
        for messages in untold {
            let message =
                format!("set aside, since the agent panicked there again and again: {messages}");
            self.fault("panic.set_aside", Severity::Critical, message, wall);
        }
        self.settle_panics();
        self.show_panics();
    }

    /// What was told counts as told once the store has it: told twice is better than never.
    fn settle_panics(&mut self) {
        self.store.give(Command::Commit);
    }

    /// The store has what was given to it before; `down`: in memory alone.
    pub(in crate::daemon) fn panics_told(&mut self, down: bool) {
        self.panics.owed |= down;
        let panics = &mut self.panics;
        if panics.owed {
            return;
        }
        let mut changed = false;
        for held in &mut panics.quarantine.held {
            changed |= !std::mem::replace(&mut held.told, true);
        }
        if changed {
            panics.keep();
        }
        if !panics.owed && panics.untold.take().is_some() {
            panics.remove_mark();
        }
    }

    /// Tries again what is due, and writes down what could not be written.
    pub(in crate::daemon) fn mind_panics(&mut self, wall: i64) {
        if self.ground.is_none() {
            return;
        }
        if self.panics.owed {
            self.panics.keep();
            self.settle_panics();
        }
        let binary = self.panics.binary.clone();
        let released = self.panics.quarantine.release(&binary, &state_of, wall);
        if released.is_empty() {
            return;
        }
        // Before it is tried: a panic sets it aside at once.
        self.panics.keep();
        for subject in released {
            eprintln!("tried again: {}", subject.messages());
            self.try_again(&subject);
        }
        self.show_panics();
    }

    fn try_again(&mut self, subject: &Subject) {
        match subject.job {
            Job::Files => {
                let region = Region {
                    path: subject.name.clone(),
                    below: true,
                };
                self.watching
                    .again(vec![Touched::unseen(region, SystemTime::now())]);
            }
            Job::Settings => self.looks.want(JobKind::Settings),
            Job::Instance => self.looks.want(JobKind::Instance),
            Job::Ground | Job::Watch => {
                // Whether changes are attributed may be another matter now.
                let mut before = self.setup.config.watch.clone();
                before.attribution = Attribution::Off;
                self.watching.reconfigure(&before, &self.setup.config.watch);
                self.outdate();
                self.open_baseline();
                self.looks.want(JobKind::FullScan);
            }
            // The record is written at the next start.
            Job::Launch | Job::Store | Job::Loop | Job::Other => {}
        }
    }

    /// A look that began then has come to its end: what was tried again in it is well.
    pub(in crate::daemon) fn passed(
        &mut self,
        look: JobKind,
        regions: &[Region],
        began: SystemTime,
    ) {
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let began = i64::try_from(began.as_millis()).unwrap_or(i64::MAX);
        self.passed_by(began, |subject| match look {
            JobKind::FullScan => subject.job == Job::Files,
            JobKind::Spot => {
                let covers = |region: &Region| region.below && region.covers(&subject.name);
                subject.job == Job::Files && regions.iter().any(covers)
            }
            JobKind::Settings => subject.job == Job::Settings,
            JobKind::Instance => subject.job == Job::Instance,
            JobKind::Launch => subject.job == Job::Launch,
            JobKind::Critical | JobKind::Urgent => false,
        });
    }

    /// What verdicts rest on has been opened by then.
    pub(in crate::daemon) fn passed_ground(&mut self, wall: i64) {
        self.passed_by(wall, |subject| subject.job == Job::Ground);
    }

    /// How to watch; the error says why nothing is watched.
    pub(in crate::daemon) fn watch_config(&self) -> Result<config::Watch, String> {
        let left_out = self.panics.left_out();
        if left_out.has(Job::Watch, "") {
            return Err("watching brought the agent to its end again and again".into());
        }
        let mut watch = self.setup.config.watch.clone();
        if left_out.has(Job::Watch, ATTRIBUTION) {
            watch.attribution = Attribution::Off;
        }
        Ok(watch)
    }

    fn passed_by(&mut self, began: i64, covers: impl Fn(&Subject) -> bool) {
        if self.panics.quarantine.passed(covers, began) {
            self.panics.keep();
            self.show_panics();
        }
    }

    fn show_panics(&mut self) {
        match self.panics.trouble() {
            Some(text) => self.trouble.insert("panics", text),
            None => self.trouble.remove("panics"),
        };
        self.stale = true;
    }

    /// The looks that clear something in place of a look's own, where a part of it is left out: what was not looked at
    /// clears nothing. `None`: nothing is left out.
    pub(in crate::daemon) fn begin_parts(&mut self, look: JobKind) -> Option<Vec<u64>> {
        let left_out = self.panics.left_out();
        match look {
            JobKind::Instance => left_out.has(Job::Instance, "").then(Vec::new),
            JobKind::Settings => {
                let (out, judged): (Vec<_>, Vec<_>) = settings::AREAS
                    .iter()
                    .map(|area| area.name)
                    .partition(|area| left_out.has(Job::Settings, area));
                let mut begin = |area| {
                    let look = self.next_id;
                    self.next_id += 1;
                    let scope = Scope::Area(area);
                    self.store.give(Command::Begin {
                        look,
                        scope,
                        urgent: false,
                    });
                    look
                };
                (!out.is_empty()).then(|| judged.into_iter().map(&mut begin).collect())
            }
            _ => None,
        }
    }
}
