//! The instance of a check: asked on a thread of its own, judged when everything else has been.

use super::Run;
use crate::config::Config;
use crate::host::Host;
use crate::instance::identity::Certificates;
use crate::instance::{self, Environment, Grounds, Identity, Metadata, Questions, Sight};
use crate::manifest::vouch::Trust;
use crate::settings::context::Context;
use std::panic::resume_unwind;
use std::thread;

/// The metadata service, and what it is to be asked.
pub(super) struct Instance {
    metadata: Metadata,
    questions: Questions,
    environment: Environment,
}

impl Instance {
    pub(super) fn new(run: &Run<'_>, config: &Config) -> Instance {
        let environment = Environment::own();
        let metadata = Metadata::new(&run.tree.root, &environment, &config.instance);
        Instance {
            questions: run.in_context(instance::questions),
            metadata,
            environment,
        }
    }

    /// Asks while `work` is done. Without a service to ask there is no thread.
    pub(super) fn ask_beside<T>(&mut self, work: impl FnOnce() -> T) -> (T, Sight) {
        let metadata = &mut self.metadata;
        let questions = &self.questions;
        if !metadata.is_reachable() {
            return (work(), metadata.ask_and_wait(questions));
        }
        thread::scope(|scope| {
            let asked = scope.spawn(|| metadata.ask_and_wait(questions));
            let done = work();
            let sight = asked.join().unwrap_or_else(|panic| resume_unwind(panic));
            (done, sight)
        })
    }
}

impl Run<'_> {
    /// Judges what was seen of the instance, and says which host this is.
    pub(super) fn instance(
        &mut self,
        asked: &Instance,
        sight: &Sight,
        config: &Config,
        trust: &Trust,
    ) -> Host {
        let identity = Identity::of(sight, &Certificates::AWS);
        let mut host = self.tree.host.clone();
        identity.describe(&mut host);
        let baked = match self.in_context(instance::wants_age) {
            true => self.baked(config, trust),
            false => None,
        };
        let grounds = Grounds {
            config: &config.instance,
            environment: &asked.environment,
            baked,
        };
        let mut found = Vec::new();
        self.in_context(|context| {
            instance::judge(context, sight, &identity, &grounds, &mut |finding| {
                found.push(finding);
            });
        });
        for finding in found {
            if self.finding(finding).is_break() {
                break;
            }
        }
        host
    }

    /// When the image was baked: as its manifest says, where there is one that can be used.
    fn baked(&self, config: &Config, trust: &Trust) -> Option<i64> {
        let named = self.arguments.manifest.as_deref();
        let vouched = self.tree.manifest(named, config, trust).ok().flatten()?;
        let time: jiff::Timestamp = vouched.manifest.header().time.parse().ok()?;
        Some(time.as_second())
    }

    /// Does something with the context of this check.
    fn in_context<T>(&self, work: impl FnOnce(&Context<'_>) -> T) -> T {
        let selected = self.selected;
        let has = |id: &str| selected.has(id);
        let now = jiff::Timestamp::now().as_second();
        let tree = self.tree;
        let settings = &self.profile.settings;
        work(&Context::new(
            &tree.root,
            &tree.release,
            settings,
            now,
            &has,
        ))
    }
}
