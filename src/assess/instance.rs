//! The instance: asked first, judged when what was asked has been answered.

use super::deadline::{self, Event, Stage, Turns, Work};
use super::selected::Selected;
use super::settings::REMEDY;
use super::tree::Tree;
use agent_baseline::profile::Profile;
use agent_checks::instance::identity::Certificates;
use agent_checks::instance::{
    self, Environment, Grounds, Identity, ImdsSnapshot, Metadata, Questions,
};
use agent_checks::settings::context::Context;
use agent_core::bounds;
use agent_core::config;
use agent_core::finding::{Finding, Verdict};
use agent_core::host::Host;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

/// The metadata service of a host, what it is to be asked, and what the answers are judged by.
#[derive(Debug)]
pub(crate) struct Instance<'a> {
    tree: &'a Tree,
    profile: &'a Profile,
    selected: &'a Selected,
    config: &'a config::Instance,
    environment: Environment,
    metadata: Metadata,
    questions: Questions,
    wants_age: bool,
}

impl<'a> Instance<'a> {
    /// Decides what is to be asked, and where; nothing is asked yet.
    pub(crate) fn new(
        tree: &'a Tree,
        profile: &'a Profile,
        selected: &'a Selected,
        config: &'a config::Instance,
    ) -> Instance<'a> {
        let environment = Environment::own();
        let metadata = Metadata::new(&tree.root, &environment, config);
        let has = |id: &str| selected.has(id);
        // What is asked depends on no time.
        let context = Context::new(&tree.root, &tree.release, &profile.settings, 0, &has);
        Instance {
            questions: instance::questions(&context),
            wants_age: instance::wants_age(&context),
            tree,
            profile,
            selected,
            config,
            environment,
            metadata,
        }
    }

    /// Asks, and waits for the answers: five seconds at most.
    pub(crate) fn ask(&mut self) -> ImdsSnapshot {
        self.metadata.ask_and_wait(&self.questions)
    }

    /// Asks while `work` is done. Without a service to ask there is no thread.
    pub(crate) fn ask_beside<T>(&mut self, work: impl FnOnce() -> T) -> (T, ImdsSnapshot) {
        if !self.metadata.is_reachable() {
            return (work(), self.ask());
        }
        thread::scope(|scope| {
            let asked = scope.spawn(|| self.ask());
            let done = work();
            let snapshot = asked.join().unwrap_or_else(|panic| resume_unwind(panic));
            (done, snapshot)
        })
    }

    /// Which host this is, as it then knows itself.
    pub(crate) fn host(&self, snapshot: &ImdsSnapshot) -> Host {
        self.describe(&Identity::of(snapshot, &Certificates::AWS))
    }

    /// Judges what was seen; returns the host. `baked` says when the image was recorded, in seconds since 1970, and is
    /// called only if the profile asks for it; `now` is the time, likewise.
    pub(crate) fn judge(
        &self,
        snapshot: &ImdsSnapshot,
        baked: impl FnOnce() -> Option<i64>,
        now: i64,
        emit: &mut dyn FnMut(Finding),
    ) -> Host {
        let identity = Identity::of(snapshot, &Certificates::AWS);
        let baked = self.wants_age.then(baked).flatten();
        let has = |id: &str| self.selected.has(id);
        let Tree { root, release, .. } = self.tree;
        let context = Context::new(root, release, &self.profile.settings, now, &has);
        let mut judged = Vec::new();
        let stage = Stage {
            name: "instance",
            deadline: bounds::INSTANCE,
        };
        let mut unended = None;
        match self.work(snapshot, baked, now) {
            Ok(work) => deadline::in_turn(&[stage], &work, &mut |_, event| match event {
                Event::Said(finding) => {
                    judged.push(finding.check.id);
                    emit(self.profile.waive(finding, now));
                }
                Event::Ended => {}
                Event::Unended(why) => unended = Some(why),
            }),
            Err(error) => {
                unended = Some(format!("the tree cannot be opened once more: {error}"));
            }
        }
        if let Some(why) = unended {
            let open = instance::CHECKS.iter().filter(|check| context.wants(check));
            for check in open.filter(|check| !judged.contains(&check.id)) {
                let message = format!("{} could not be judged: {why}", check.id);
                let finding = context.finding(check, Verdict::Unknown, "instance", message);
                emit(self.profile.waive(finding.remediation(REMEDY), now));
            }
        }
        self.describe(&identity)
    }

    /// What the thread that judges does, with all that it needs.
    fn work(
        &self,
        snapshot: &ImdsSnapshot,
        baked: Option<i64>,
        now: i64,
    ) -> std::io::Result<Arc<Work<Finding>>> {
        let root = self.tree.root.clone();
        let (release, demands) = (self.tree.release.clone(), self.profile.settings.clone());
        let (selected, snapshot) = (self.selected.clone(), snapshot.clone());
        let (config, environment) = (self.config.clone(), self.environment.clone());
        Ok(Arc::new(move |turns: &mut Turns<Finding>| {
            let has = |id: &str| selected.has(id);
            let context = Context::new(&root, &release, &demands, now, &has);
            let identity = Identity::of(&snapshot, &Certificates::AWS);
            let grounds = Grounds {
                config: &config,
                environment: &environment,
                baked,
            };
            while turns.next().is_some() {
                let mut given_up = false;
                instance::judge(&context, &snapshot, &identity, &grounds, &mut |finding| {
                    given_up = given_up || turns.say(finding).is_break();
                });
            }
        }))
    }

    fn describe(&self, identity: &Identity) -> Host {
        let mut host = self.tree.host.clone();
        identity.describe(&mut host);
        host
    }
}
