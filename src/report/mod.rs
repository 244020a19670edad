//! Findings onto any writer: for people, or for programs.

pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod markup;
pub(crate) mod ocsf;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod text;
mod words;

use crate::assess::summary::{AmendmentSummary, Evidence, FilesSummary, LaunchSummary};
use agent_baseline::Baseline;
use agent_core::finding::{Finding, Severity, Verdict};
use agent_core::host::Host;
use serde_json::{Value, json};
use std::io;

/// Takes findings one by one, then the summary.
pub(crate) trait Report {
    /// Which host the findings are about, for those who say so with each.
    fn about(&mut self, _host: &Host) {}
    /// One finding.
    fn finding(&mut self, finding: Finding) -> io::Result<()>;
    /// Everything has been judged.
    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}

/// Number of findings by verdict, and of failures by severity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// As demanded.
    pub pass: u64,
    /// Not as demanded.
    pub fail: u64,
    /// Could not look.
    pub unknown: u64,
    /// Nothing to judge.
    pub not_applicable: u64,
    /// Failures: critical, high, medium, low.
    pub by_severity: [u64; 4],
}

impl Counts {
    /// Takes in one finding.
    pub(crate) fn add(&mut self, finding: &Finding) {
        match finding.verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Unknown => self.unknown += 1,
            Verdict::NotApplicable => self.not_applicable += 1,
            Verdict::Fail => {
                self.fail += 1;
                let worst_first = Severity::WORST_FIRST;
                for (count, severity) in self.by_severity.iter_mut().zip(worst_first) {
                    *count += u64::from(severity == finding.severity);
                }
            }
        }
    }

    /// The verdict of the whole: any failure fails, else anything unknown leaves it unknown.
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.fail, self.unknown) {
            (0, 0) => Verdict::Pass,
            (0, _) => Verdict::Unknown,
            _ => Verdict::Fail,
        }
    }

    /// The exit status that the contract gives the verdict.
    pub(crate) fn exit(&self) -> u8 {
        match self.verdict() {
            Verdict::Fail => 1,
            Verdict::Unknown => 3,
            Verdict::Pass | Verdict::NotApplicable => 0,
        }
    }
}

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
}

impl Summary {
    /// The object of the JSON contract, `"kind":"summary"`.
    pub(crate) fn to_json(&self) -> Value {
        let counts = &self.counts;
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
            let seconds = (files.elapsed.as_secs_f64() * 1000.0).round() / 1000.0;
            json!({
                "checked": files.checked, "bytes": files.bytes, "seconds": seconds,
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
            "verdict": counts.verdict().name(),
            "exit": counts.exit(),
            "counts": {
                "pass": counts.pass, "fail": counts.fail,
                "unknown": counts.unknown, "not_applicable": counts.not_applicable,
            },
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
