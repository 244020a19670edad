//! The instance of a check: judged when everything else has been.

use super::{Looked, Run};
use crate::assess::instance::Instance;
use agent_checks::instance::ImdsSnapshot;
use agent_core::config::Config;
use agent_core::host::Host;
use std::sync::Arc;

impl Run<'_> {
    /// Judges what was seen of the instance, and says which host this is.
    pub(super) fn instance(
        &mut self,
        instance: &Instance<'_>,
        snapshot: &ImdsSnapshot,
        looked: &Looked,
        config: &Config,
    ) -> Host {
        let now = jiff::Timestamp::now().as_second();
        let mut found = Vec::new();
        let baked = || looked.baked.or_else(|| self.baked(config));
        let host = instance.judge(snapshot, baked, now, &mut |finding| found.push(finding));
        for finding in found {
            if self.finding(finding).is_break() {
                break;
            }
        }
        host
    }

    /// When the image was baked: as its manifest says, where there is one that can be used. Only asked for
    /// where no file was looked at.
    fn baked(&self, config: &Config) -> Option<i64> {
        let named = self.arguments.manifest.as_deref();
        let open = || self.tree.manifest(named, config, &self.trust);
        let verified = match &self.manifest {
            Some(shared) => shared.or_open(open),
            None => open().map(|opened| opened.map(Arc::new)),
        };
        let verified = verified.ok().flatten()?;
        let time: jiff::Timestamp = verified.manifest.header().time.parse().ok()?;
        Some(time.as_second())
    }
}
