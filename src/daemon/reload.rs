//! SIGHUP: everything is read again, and holds only if all of it is good.

use crate::daemon::baseline::one_line;
use crate::daemon::state::Daemon;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::systemd;
use crate::daemon::warn;
use agent_core::error::Error;
use agent_core::finding::Severity;
use agent_outbox::event::Lifecycle;
use std::sync::Arc;
use std::time::Instant;

impl Daemon {
    /// Reads the configuration and the profile again. What is not good changes nothing, and is told.
    pub(in crate::daemon) fn reload(&mut self, (now, wall): (Instant, i64)) {
        systemd::reloading();
        let line = match self.try_reload(now, wall) {
            Ok(changed) => {
                self.trouble.remove("configuration");
                let line = match changed.is_empty() {
                    true => "reloaded; nothing has changed".to_owned(),
                    false => format!("reloaded; changed: {}", changed.join(", ")),
                };
                eprintln!("{line}");
                self.tell(Lifecycle::Reloaded { changed }, wall);
                line
            }
            Err(error) => {
                let message = format!(
                    "what was read again is not good, so what was read before still holds: {}",
                    one_line(error)
                );
                self.trouble.insert("configuration", message.clone());
                self.fault("reload.refused", Severity::Medium, message.clone(), wall);
                message
            }
        };
        systemd::ready(&line);
    }

    fn try_reload(&mut self, now: Instant, wall: i64) -> Result<Vec<String>, Error> {
        let new = self.setup.again()?;
        let changed = self.setup.changed(&new);
        let differs = |name: &str| changed.iter().any(|changed| changed.starts_with(name));
        if differs("state_dir") {
            return Err(Error::new(
                "state_dir: cannot change while the agent runs, restart it",
            ));
        }
        if differs("sinks") || differs("instance") {
            // The last that can fail.
            let store = &mut self.store;
            self.sinks.configure(&new.config, &self.host, store, wall)?;
        }
        if differs("spool") {
            warn("spool.max_size: holds from the next start on");
        }
        let old = std::mem::replace(&mut self.setup, Arc::new(new));
        let (old, new) = (&old.config, &self.setup.config);
        self.watching.reconfigure(&old.watch, &new.watch);
        self.timers.follow(&self.setup, &self.host, now);
        // JobQueue under way go by what held before.
        self.outdate();
        self.open_baseline();
        self.looks.want(JobKind::Settings);
        self.looks.want(JobKind::FullScan);
        Ok(changed)
    }
}
