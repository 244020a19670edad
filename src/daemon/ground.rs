//! What verdicts on files rest on: the manifest, or the package database while the manifest cannot be used.

use super::panics::LeftOut;
use super::setup::Setup;
use super::sources::Sources;
use crate::assess::baseline::{self, Named, Opened};
use agent_baseline::Baseline;
use agent_core::config::MANIFEST;
use agent_core::error::Error;
use agent_core::escape;
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::os::root::Root;
use agent_core::task::{self, Job};
use agent_outbox::event::ManifestState;
use agent_packages::DatabaseStamp;
use agent_scan::files::links::Links;
use agent_scan::files::scope::Scope;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// What verdicts on files rest on.
#[derive(Debug)]
pub(super) struct Ground {
    /// The baseline, and what opening it brought to light.
    pub(super) opened: Opened,
    /// Why there is no manifest although there should be one.
    pub(super) trouble: Option<Trouble>,
    /// What is looked at; nothing where there is nothing to compare with.
    pub(super) scope: Option<Arc<Scope>>,
    /// Which recorded paths are names of one file; none where there is no manifest.
    pub(super) links: Links,
    /// What state the package database was in before it was read.
    packages: DatabaseStamp,
    /// Another text means that other paths may be in scope.
    pub(super) reach: String,
    /// What it was opened from.
    pub(super) sources: Sources,
    /// When it was opened.
    pub(super) at: Instant,
}

/// A manifest that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) state: ManifestState,
    pub(super) message: String,
}

impl Ground {
    /// The same on a thread whose job is another one.
    pub(super) fn open_in(job: Job, setup: &Setup, before: bool, left_out: &LeftOut) -> Ground {
        task::begin(Job::Ground);
        let ground = Ground::open(setup, before, left_out);
        task::begin(job);
        ground
    }

    /// Opens the manifest; where it cannot be used, the package database. `before`: whether there was a manifest.
    pub(super) fn open(setup: &Setup, before: bool, left_out: &LeftOut) -> Ground {
        let Setup {
            config,
            tree,
            profile,
            trust,
            ..
        } = setup;
        let packages = agent_packages::stamp(&tree.root);
        let sources = Sources::of(setup);
        let left_out = |part| left_out.has(Job::Ground, part);
        let gone = matches!(std::fs::exists(&config.manifest), Ok(false));
        let expected = before || config.manifest != Path::new(MANIFEST);
        let of_packages = || match left_out(baseline::PACKAGES) {
            true => Err(set_aside()),
            false => Opened::of_packages(tree, profile),
        };
        let by_manifest = match gone {
            // In its place the package database would be read.
            true if left_out(baseline::PACKAGES) => Ok(nothing(set_aside())),
            _ if left_out(baseline::MANIFEST) => Err(set_aside()),
            _ => Opened::open(tree, profile, config, trust, Named::default()),
        };
        let (opened, trouble) = match by_manifest {
            Ok(opened) => {
                let trouble = missing(&opened, expected);
                (Ok(opened), trouble)
            }
            Err(error) => {
                let state = match (gone, error.untrusted) {
                    (true, _) => ManifestState::Missing,
                    (false, true) => ManifestState::Untrusted,
                    (false, false) => ManifestState::Unreadable,
                };
                let message = one_line(error);
                (of_packages(), Some(Trouble { state, message }))
            }
        };
        let mut opened = opened.unwrap_or_else(nothing);
        if left_out(baseline::PACKAGES) && opened.baseline.is_none() {
            let all = Scope::current(profile.path_rules.clone());
            for finding in &mut opened.findings {
                finding.severity = all.worst_within(b"", finding.severity);
            }
        }
        let scope = opened.scope().cloned().map(Arc::new);
        let reach = match opened.evidence() {
            Some(Baseline::Manifest(manifest)) => {
                format!("{} {}", manifest.sha256, profile.digest())
            }
            Some(Baseline::Packages(_)) => profile.digest(),
            None => String::new(),
        };
        let most = agent_scan::watch::most_linked();
        // An entry that cannot be read is the next scan's to tell.
        let links = match &opened.baseline {
            Some(Baseline::Manifest(sealed)) => {
                Links::recorded(&sealed.verified.manifest, &sealed.scope, most)
            }
            Some(Baseline::Packages(_)) | None => Ok(Links::default()),
        };
        let links = links.unwrap_or_default();
        Ground {
            opened,
            links,
            packages,
            trouble,
            scope,
            reach,
            sources,
            at: Instant::now(),
        }
    }

    /// Whether it rests on packages, and some have come or gone since they were read.
    pub(super) fn is_behind(&self, root: &Root) -> bool {
        matches!(self.opened.baseline, Some(Baseline::Packages(_)))
            && agent_packages::stamp(root) != self.packages
    }

    /// SHA-256 of the manifest in use, in hexadecimal, and who sealed it; empty where there is none.
    pub(super) fn manifest(&self) -> (String, String) {
        match self.opened.evidence() {
            Some(Baseline::Manifest(manifest)) => {
                (manifest.sha256, manifest.signer.unwrap_or_default())
            }
            Some(Baseline::Packages(_)) | None => Default::default(),
        }
    }

    /// SHA-256 of the launch record in use, in hexadecimal; empty where there is none.
    pub(super) fn launch_record(&self) -> String {
        let launch = self.opened.launch();
        launch.map(|launch| launch.sha256).unwrap_or_default()
    }

    /// Whether the first boot may change the path that a finding is about.
    pub(super) fn launch_marks(&self, subject: &[u8]) -> bool {
        let path = subject.strip_prefix(b"/").unwrap_or(subject);
        let policy = self.scope.as_ref().and_then(|scope| scope.at(path));
        policy.is_some_and(|policy| policy.demand.launch && !policy.leads)
    }

    /// What files are compared with, in a word or two.
    pub(super) fn against(&self) -> &'static str {
        match &self.opened.baseline {
            Some(Baseline::Manifest(_)) => "manifest",
            Some(Baseline::Packages(_)) => "packages",
            None => "nothing",
        }
    }
}

/// A manifest that should be there and is not. That there never was one is no trouble.
fn missing(opened: &Opened, expected: bool) -> Option<Trouble> {
    let orphaned = opened.findings.iter().any(|finding| {
        [finding::FILES_PROFILE.id, finding::FILES_LAUNCH_RECORD.id].contains(&finding.check.id)
    });
    if matches!(opened.baseline, Some(Baseline::Manifest(_))) || !(expected || orphaned) {
        return None;
    }
    Some(Trouble {
        state: ManifestState::Missing,
        message: "there was a manifest, or should be one, and there is none: it was removed".into(),
    })
}

/// That reading it brought the agent to its end.
fn set_aside() -> Error {
    Error::new(
        "reading it brought the agent to its end again and again: it is not read for a while",
    )
}

/// What is left where not even the package database can be read.
fn nothing(error: Error) -> Opened {
    let message = format!("no file could be judged: {}", one_line(error));
    let finding = Finding::new(
        &finding::FILES_UNREADABLE,
        Verdict::Unknown,
        Severity::High,
        "/",
        message,
    );
    Opened {
        baseline: None,
        findings: vec![finding],
        notes: Vec::new(),
    }
}

/// The error without its help, for events and status.
pub(super) fn one_line(error: Error) -> String {
    let without_help = Error {
        help: None,
        ..error
    };
    escape::terminal_text(&without_help.to_string()).into_owned()
}
