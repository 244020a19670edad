//! What was mounted for a moment, and how that is told: no look need have seen it, so it is a finding of the watch's own.

use agent_core::finding::{FILES_MOUNT, Finding, Severity, Verdict};
use agent_core::os::mounts::Layer;
use agent_core::paths::subject;
use serde_json::{Value, json};
use std::time::Duration;

/// Something that was mounted for a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BriefMount {
    /// Relative to the root; in scope, or leading there.
    pub path: Vec<u8>,
    /// What it was.
    pub layer: Layer,
    /// Its place among the mounts that lay on one another there: 1 is the lowest.
    pub height: usize,
    /// From when it was seen until it was seen to be gone.
    pub lasted: Duration,
}

impl BriefMount {
    /// The finding, as severe as what it may have hidden.
    pub fn finding(&self, severity: Severity) -> Finding {
        let Layer {
            fstype,
            source,
            shown,
            ..
        } = &self.layer;
        let ms = u64::try_from(self.lasted.as_millis()).unwrap_or(u64::MAX);
        let message = format!(
            "{fstype} ({shown} of {source}) was mounted over it for a moment: it was seen for {ms} ms, and nobody looked at what it held"
        );
        let observed = json!({
            "mounts": [{ "fstype": fstype, "source": source, "shown": shown }],
            "seen_ms": ms,
        });
        let subject = subject(&self.path);
        Finding::new(&FILES_MOUNT, Verdict::Fail, severity, subject, message)
            .evidence(Value::Null, observed)
            .remediation("find out who mounted it and what was run from there (the journal, what auditd has of mount(2)); what runs on from it is in the table of processes")
    }
}
