//! A finding and what is known of how it came about, as the store can keep them.

use agent_checks::registry;
use agent_core::attributes::{Attribute, AttributeSet};
use agent_core::change::{Actor, ChangeContext};
use agent_core::explained::{ExplainedBy, Kind};
use agent_core::finding::{Check, Finding, Severity, Verdict};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A [`Finding`] that owns its check's id: it may outlive the agent that knew the check.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFinding {
    /// As `files.changed`.
    pub check: String,
    /// What the check concluded.
    pub verdict: Verdict,
    /// How much it matters.
    pub severity: Severity,
    /// See [`Finding::subject`].
    pub subject: Vec<u8>,
    /// See [`Finding::changed`].
    pub changed: AttributeSet,
    /// What should be.
    pub expected: Value,
    /// What is.
    pub observed: Value,
    /// One sentence.
    pub message: String,
    /// `FILE:LINE`
    pub location: Option<String>,
    /// What to do.
    pub remediation: Option<String>,
    /// See [`Finding::explained_by`].
    pub explained_by: Option<ExplainedBy>,
    /// See [`Finding::unexplained_severity`].
    pub unexplained_severity: Option<Severity>,
    /// How it came about.
    pub context: Option<ChangeContext>,
}

impl StoredFinding {
    /// The stored finding of a finding.
    pub fn new(finding: &Finding, context: Option<&ChangeContext>) -> StoredFinding {
        StoredFinding {
            check: finding.check.id.to_owned(),
            verdict: finding.verdict,
            severity: finding.severity,
            subject: finding.subject.clone(),
            changed: finding.changed,
            expected: finding.expected.clone(),
            observed: finding.observed.clone(),
            message: finding.message.clone(),
            location: finding.location.clone(),
            remediation: finding.remediation.clone(),
            explained_by: finding.explained_by.clone(),
            unexplained_severity: finding.unexplained_severity,
            context: context.cloned(),
        }
    }

    /// The check, if this version of the agent has it.
    pub fn known(&self) -> Option<&'static Check> {
        registry::all().find(|check| check.id == self.check)
    }

    /// Whether it is about a path.
    pub fn is_file(&self) -> bool {
        self.check.starts_with("files.")
    }

    /// What two findings of the same deviation have in common; another one means that it changed.
    ///
    /// The message is left out where there is evidence: it may tell how long something has lasted.
    pub fn fingerprint(&self) -> [u8; 16] {
        let mut all = json!([
            self.verdict.name(),
            self.severity.name(),
            self.changed.to_string(),
            self.expected,
            self.observed,
            self.location,
        ]);
        if self.expected.is_null() && self.observed.is_null() {
            all[5] = json!(self.message);
        }
        // That changes were expected says nothing of what this one is.
        let evidence = self
            .explained_by
            .as_ref()
            .filter(|by| by.kind != Kind::Window);
        if let (Some(evidence), Some(list)) = (evidence, all.as_array_mut()) {
            list.push(json!(evidence));
        }
        let digest = Sha256::digest(all.to_string());
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        short
    }

    /// Text that [`StoredFinding::from_text`] reads.
    pub fn to_text(&self) -> String {
        let context = self.context.as_ref().map(cause_to_json);
        json!({
            "check": self.check,
            "verdict": self.verdict.name(),
            "severity": self.severity.name(),
            "subject": Base64::encode_string(&self.subject),
            "changed": self.changed.iter().map(Attribute::name).collect::<Vec<_>>(),
            "expected": self.expected,
            "observed": self.observed,
            "message": self.message,
            "location": self.location,
            "remediation": self.remediation,
            "explained_by": self.explained_by,
            "unexplained_severity": self.unexplained_severity,
            "cause": context,
        })
        .to_string()
    }

    /// The stored finding that [`StoredFinding::to_text`] wrote; `None` for anything else.
    pub fn from_text(text: &[u8]) -> Option<StoredFinding> {
        let mut value: Value = serde_json::from_slice(text).ok()?;
        let mut optional = |key: &str| {
            let value = value.get_mut(key).map(Value::take);
            value.unwrap_or_default()
        };
        let explained_by = serde_json::from_value(optional("explained_by")).ok()?;
        let unexplained = serde_json::from_value(optional("unexplained_severity")).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let changed = value["changed"].as_array()?.iter();
        let changed = changed.map(|name| Attribute::from_name(name.as_str()?));
        Some(StoredFinding {
            check: text("check")?,
            verdict: verdict_from_name(value["verdict"].as_str()?)?,
            severity: Severity::from_name(value["severity"].as_str()?)?,
            subject: Base64::decode_vec(value["subject"].as_str()?).ok()?,
            changed: changed.collect::<Option<AttributeSet>>()?,
            message: text("message")?,
            location: text("location"),
            remediation: text("remediation"),
            explained_by,
            unexplained_severity: unexplained,
            context: value["cause"]
                .is_object()
                .then(|| cause_from_json(&value["cause"])),
            expected: value["expected"].take(),
            observed: value["observed"].take(),
        })
    }
}

fn verdict_from_name(name: &str) -> Option<Verdict> {
    [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Unknown,
        Verdict::NotApplicable,
    ]
    .into_iter()
    .find(|verdict| verdict.name() == name)
}

fn cause_to_json(context: &ChangeContext) -> Value {
    let actor = context.actor.as_ref().map(|actor| {
        json!({
            "pid": actor.pid, "name": actor.name, "program": actor.program,
            "command_line": actor.command_line, "uid": actor.uid, "login_uid": actor.login_uid,
            "parent_pid": actor.parent_pid, "parent_name": actor.parent_name,
            "unit": actor.unit, "container": actor.container,
        })
    });
    json!({
        "actor": actor, "transaction": context.transaction,
        "while_down": context.while_down, "restored": context.restored,
    })
}

fn cause_from_json(value: &Value) -> ChangeContext {
    let actor = &value["actor"];
    let text = |key: &str| actor[key].as_str().map(str::to_owned);
    let number = |key: &str| actor[key].as_u64().and_then(|n| u32::try_from(n).ok());
    ChangeContext {
        actor: number("pid").map(|pid| Actor {
            pid,
            name: text("name"),
            program: text("program"),
            command_line: text("command_line"),
            uid: number("uid"),
            login_uid: number("login_uid"),
            parent_pid: number("parent_pid"),
            parent_name: text("parent_name"),
            unit: text("unit"),
            container: text("container"),
        }),
        transaction: value["transaction"].as_str().map(str::to_owned),
        while_down: value["while_down"] == true,
        restored: value["restored"] == true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::finding::FILES_CHANGED;

    #[test]
    fn a_sighting_survives_its_text() {
        let mut finding = Finding::new(
            &FILES_CHANGED,
            Verdict::Fail,
            Severity::High,
            b"/a\xff".to_vec(),
            "changed",
        )
        .evidence(json!({ "size": 1 }), json!({ "size": 2 }))
        .location("/a:1")
        .remediation("mend it");
        finding.changed = AttributeSet::NONE.with(Attribute::Size);
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
            let text = finding.to_text();
            assert_eq!(StoredFinding::from_text(text.as_bytes()), Some(finding));
        }
        assert_eq!(StoredFinding::from_text(b"{}"), None);
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
        assert!(with(&|s| s.message = "for 3 days".into()));
        assert!(with(&|s| s.context = Some(ChangeContext::default())));
        assert!(!with(&|s| s.observed = json!({ "size": 3 })));
        assert!(!with(&|s| s.severity = Severity::Low));
        assert!(!with(&|s| s.verdict = Verdict::Unknown));
    }
}
