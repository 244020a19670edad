//! A finding and what is known of how it came about, as the store keeps them and events tell them.

use agent_core::change::ChangeContext;
use agent_core::explained::ExplanationKind;
use agent_core::finding::Finding;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

/// A [`Finding`] with its check's id: it may outlive the agent that knew the check. By serde it is what is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredFinding {
    /// The finding.
    pub finding: Finding<String>,
    /// How it came about.
    pub context: Option<ChangeContext>,
}

impl StoredFinding {
    /// The stored finding of a finding.
    pub fn new(finding: &Finding, context: Option<&ChangeContext>) -> StoredFinding {
        StoredFinding {
            finding: finding.by_id(),
            context: context.cloned(),
        }
    }

    /// Whether it is about a path.
    pub fn is_file(&self) -> bool {
        self.finding.check.starts_with("files.")
    }

    /// What two findings of the same deviation have in common; another one means that it changed.
    ///
    /// The message is left out where there is evidence: it may tell how long something has lasted.
    pub fn fingerprint(&self) -> [u8; 16] {
        let finding = &self.finding;
        let mut all = json!([
            finding.verdict.name(),
            finding.severity.name(),
            finding.changed.to_string(),
            finding.expected,
            finding.observed,
            finding.location,
        ]);
        if finding.expected.is_null() && finding.observed.is_null() {
            all[5] = json!(finding.message);
        }
        // Who answers for it from now on, or no longer, is worth telling.
        if let (Some(waived_by), Some(list)) = (&finding.waived_by, all.as_array_mut()) {
            list.push(json!(waived_by));
        }
        // That changes were expected says nothing of what this one is.
        let explained = finding.explained_by.as_ref();
        let evidence = explained.filter(|by| by.kind != ExplanationKind::Window);
        if let (Some(evidence), Some(list)) = (evidence, all.as_array_mut()) {
            // When and by which command it came says nothing of what it is, and logs rotate.
            let mut evidence = evidence.clone();
            (evidence.at, evidence.transaction) = (None, None);
            list.push(json!(evidence));
        }
        let digest = Sha256::digest(all.to_string());
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        short
    }

    /// Text that [`StoredFinding::from_text`] reads.
    pub fn to_text(&self) -> Vec<u8> {
        // Strings, numbers and lists of them always can be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The stored finding that [`StoredFinding::to_text`] wrote; `None` for anything else.
    pub fn from_text(text: &[u8]) -> Option<StoredFinding> {
        serde_json::from_slice(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::change::Actor;
    use agent_core::finding::{FILES_CHANGED, Severity, Verdict};
    use serde_json::Value;

    #[test]
    fn a_finding_survives_its_text() {
        let finding = Finding::new(
            &FILES_CHANGED,
            Verdict::Fail,
            Severity::High,
            b"/a\xff",
            "changed",
        );
        let context = ChangeContext {
            actor: Some(Actor {
                pid: 7,
                name: Some("vi".into()),
                uid: Some(0),
                ..Actor::default()
            }),
            while_down: true,
            ..ChangeContext::default()
        };
        for context in [None, Some(&context)] {
            let finding = StoredFinding::new(&finding, context);
            assert_eq!(StoredFinding::from_text(&finding.to_text()), Some(finding));
        }
        assert_eq!(StoredFinding::from_text(b"{}"), None);
    }

    #[test]
    fn another_build_may_write_less_and_more() {
        let finding = Finding::new(&FILES_CHANGED, Verdict::Fail, Severity::High, "/a", "m");
        let stored = StoredFinding::new(&finding, Some(&ChangeContext::default()));
        let text = r#"{"finding":{"kind":"finding","check":"files.changed","verdict":"fail","severity":"high","subject":"/a","message":"m","of_a_later_build":1},"context":{"of_a_later_build":[{}]},"of_a_later_build":null}"#;
        assert_eq!(StoredFinding::from_text(text.as_bytes()), Some(stored));
    }

    #[test]
    fn another_evidence_is_another_fingerprint() {
        let finding = Finding::new(&FILES_CHANGED, Verdict::Fail, Severity::High, "/a", "m")
            .evidence(Value::Null, json!({ "size": 2 }));
        let base = StoredFinding::new(&finding, None);
        let with = |change: &dyn Fn(&mut StoredFinding)| {
            let mut other = base.clone();
            change(&mut other);
            other.fingerprint() == base.fingerprint()
        };
        assert!(with(&|s| s.finding.message = "for 3 days".into()));
        assert!(with(&|s| s.context = Some(ChangeContext::default())));
        assert!(!with(&|s| s.finding.observed = json!({ "size": 3 })));
        assert!(!with(&|s| s.finding.severity = Severity::Low));
        assert!(!with(&|s| s.finding.verdict = Verdict::Unknown));
        assert!(!with(&|s| s.finding.waived_by = Some(Box::default())));
    }
}
