//! What a run goes by: configuration, profile, signers. Read whole or not at all, so that a bad file changes nothing.

use crate::assess::selected::Selected;
use crate::assess::tree::{self, Tree};
use agent_baseline::manifest::verified::Trust;
use agent_baseline::profile::Profile;
use agent_confine::Confinement;
use agent_core::config::Config;
use agent_core::error::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a run goes by.
#[derive(Debug)]
pub(in crate::daemon) struct Setup {
    /// `--config`
    file: Option<PathBuf>,
    pub(in crate::daemon) config: Config,
    pub(in crate::daemon) tree: Tree,
    pub(in crate::daemon) profile: Profile,
    pub(in crate::daemon) selected: Selected,
    pub(in crate::daemon) trust: Trust,
    /// What the process took from itself, whatever is read again.
    pub(in crate::daemon) confinement: Arc<Confinement>,
}

impl Setup {
    /// Reads everything of the running host. An error names the file, and says what is wrong with it.
    pub(in crate::daemon) fn load(file: Option<&Path>) -> Result<Setup> {
        let config = tree::config(file)?;
        let tree = Tree::open(Path::new("/"))?;
        let profile = tree.profile(&config.profile)?;
        Ok(Setup {
            file: file.map(Path::to_owned),
            selected: Selected::all(&profile),
            trust: Trust::load(None)?,
            confinement: Arc::default(),
            config,
            tree,
            profile,
        })
    }

    /// The same, read again.
    pub(in crate::daemon) fn again(&self) -> Result<Setup> {
        let mut setup = Setup::load(self.file.as_deref())?;
        setup.confinement = self.confinement.clone();
        Ok(setup)
    }

    /// What differs in `new`: keys of the configuration, `profile.toml` and `trusted_signers`.
    pub(in crate::daemon) fn changed(&self, new: &Setup) -> Vec<String> {
        let (old, now) = (&self.config, &new.config);
        let (old_sinks, now_sinks) = (&old.sinks, &now.sinks);
        let differs = [
            ("profile", old.profile != now.profile),
            ("manifest", old.manifest != now.manifest),
            ("state_dir", old.state_dir != now.state_dir),
            ("scan.interval", old.scan.interval != now.scan.interval),
            ("scan.rehash", old.scan.rehash != now.scan.rehash),
            ("scan.max_rate", old.scan.max_rate != now.scan.max_rate),
            ("watch", old.watch != now.watch),
            ("settings.interval", old.settings != now.settings),
            ("heartbeat.interval", old.heartbeat != now.heartbeat),
            ("instance", old.instance != now.instance),
            ("spool.max_size", old.spool != now.spool),
            (
                "sinks.cloudwatch_logs",
                old_sinks.cloudwatch_logs != now_sinks.cloudwatch_logs,
            ),
            ("sinks.file.path", old_sinks.file != now_sinks.file),
            (
                "profile.toml",
                self.profile.digest() != new.profile.digest(),
            ),
            ("trusted_signers", self.trust.digest() != new.trust.digest()),
        ];
        let names = differs.into_iter().filter(|(_, differs)| *differs);
        names.map(|(name, _)| name.to_owned()).collect()
    }
}
