//! The end of a check: what all reports say in their own form.

use super::counts::Counts;
use crate::assess::summary::{AmendmentSummary, Evidence, FilesSummary, LaunchSummary};
use agent_baseline::Baseline;
use agent_core::finding::{Severity, Verdict};
use agent_core::host::Host;
use serde_json::{Value, json};
use std::time::Duration;

/// The end of a check.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// Of the findings.
    pub counts: Counts,
    /// Of the files, if they were checked.
    pub files: Option<FilesSummary>,
    /// What the files were compared with.
    pub evidence: Option<Evidence>,
    /// The launch record, if one was used.
    pub launch: Option<LaunchSummary>,
    /// The amendments that were used, in order.
    pub amendments: Vec<AmendmentSummary>,
    /// Name of the profile in force.
    pub profile: String,
    /// The tree that was checked.
    pub root: String,
    /// Which host it was.
    pub host: Host,
    /// What a reader must know to weigh the verdict.
    pub notes: Vec<String>,
    /// When the check began.
    pub began: jiff::Timestamp,
    /// How long it took.
    pub took: Duration,
}

impl Summary {
    /// The verdict of the whole: any failure fails, else anything unknown leaves it unknown; nothing judged is no pass.
    pub(crate) fn verdict(&self) -> Verdict {
        let all = self.counts.all();
        let looked_at = self.files.as_ref().map_or(0, |files| files.checked);
        match (all.fail, all.unknown, all.judged() + looked_at) {
            (1.., ..) => Verdict::Fail,
            (0, 1.., _) => Verdict::Unknown,
            (0, 0, 0) => Verdict::NotApplicable,
            (0, 0, _) => Verdict::Pass,
        }
    }

    /// When the check began, in UTC to the second (RFC 3339).
    pub(crate) fn began(&self) -> String {
        format!("{:.0}", self.began)
    }

    /// The object of the JSON contract, `"kind":"summary"`.
    pub(crate) fn to_json(&self) -> Value {
        let counts = self.counts.all();
        let (manifest, against) = match &self.evidence {
            Some(Baseline::Manifest(m)) => {
                let object = json!({
                    "path": m.path, "sha256": m.sha256, "signer": m.signer,
                    "trusted": m.signer.is_some(), "made": m.made, "profile": m.profile,
                });
                (object, json!("manifest"))
            }
            Some(Baseline::Packages(p)) => (Value::Null, json!(p.database)),
            None => (Value::Null, Value::Null),
        };
        let files = self.files.as_ref().map(|files| {
            json!({
                "checked": files.checked, "bytes": files.bytes, "seconds": seconds(files.elapsed),
                "against": against, "mounts_skipped": files.mounts, "unowned": files.unowned,
            })
        });
        let launch = self.launch.as_ref().map(
            |launch| json!({ "path": launch.path, "sha256": launch.sha256, "files": launch.files }),
        );
        let amendments = self.amendments.iter().map(|amendment| {
            json!({
                "path": amendment.path, "sha256": amendment.sha256, "signer": amendment.signer,
                "host": amendment.host, "reason": amendment.reason, "by": amendment.by,
                "at": amendment.at, "files": amendment.files,
            })
        });
        let amendments: Vec<Value> = amendments.collect();
        json!({
            "kind": "summary",
            "verdict": self.verdict().name(),
            "exit": self.counts.exit(),
            "counts": {
                "pass": counts.pass, "fail": counts.fail, "unknown": counts.unknown,
                "not_applicable": counts.not_applicable, "waived": counts.waived,
            },
            "fail_on": self.counts.fail_on.map(Severity::name),
            "began": self.began(),
            "seconds": seconds(self.took),
            "files": files,
            "manifest": manifest,
            "launch": launch,
            "amendments": amendments,
            "profile": self.profile,
            "root": self.root,
            "host": self.host.to_json(),
            "notes": self.notes,
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
