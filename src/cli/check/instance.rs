//! The instance of a check: judged when everything else has been.

use super::Run;
use crate::assess::instance::Instance;
use agent_baseline::manifest::verified::Trust;
use agent_checks::instance::ImdsSnapshot;
use agent_core::config::Config;
use agent_core::host::Host;

impl Run<'_> {
    /// Judges what was seen of the instance, and says which host this is.
    pub(super) fn instance(
        &mut self,
        instance: &Instance<'_>,
        snapshot: &ImdsSnapshot,
        config: &Config,
        trust: &Trust,
    ) -> Host {
        let now = jiff::Timestamp::now().as_second();
        let mut found = Vec::new();
        let baked = || self.baked(config, trust);
        let host = instance.judge(snapshot, baked, now, &mut |finding| found.push(finding));
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
        let verified = self.tree.manifest(named, config, trust).ok().flatten()?;
        let time: jiff::Timestamp = verified.manifest.header().time.parse().ok()?;
        Some(time.as_second())
    }
}
