//! What verdicts on files rest on: the manifest, or the package database while the manifest cannot be used.

pub(in crate::daemon) mod sources;

use crate::assess::baseline::{self, Named, OpenedBaseline};
use crate::assess::explained;
use crate::daemon::accepted;
use crate::daemon::panics::LeftOut;
use crate::daemon::setup::Setup;
use agent_baseline::Baseline;
use agent_core::config::MANIFEST;
use agent_core::error::Error;
use agent_core::escape;
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::os::root::Root;
use agent_core::task::Job;
use agent_outbox::event::{self, ManifestState};
use agent_packages::DatabaseStamp;
use agent_scan::files::links::Links;
use agent_scan::files::scope::Scope;
use agent_scan::watch::brief::BriefMount;
use sources::Sources;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What verdicts rest on now.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Current {
    /// `None` until it has been opened for the first time.
    pub(in crate::daemon) active: Option<Arc<ActiveBaseline>>,
    /// It is being opened anew: what goes by it waits.
    pub(in crate::daemon) opening: bool,
}

impl Current {
    /// Whether the files that it was opened from are others now.
    pub(in crate::daemon) fn is_outdated(&self) -> bool {
        let active = self.active.as_ref().filter(|_| !self.opening);
        active.is_some_and(|active| active.sources.have_changed())
    }
}

/// A baseline as it was opened, and what it was opened from.
#[derive(Debug)]
pub(in crate::daemon) struct ActiveBaseline {
    /// The baseline, and what opening it brought to light.
    pub(in crate::daemon) opened: OpenedBaseline,
    /// Why there is no manifest although there should be one.
    pub(in crate::daemon) problem: Option<ManifestProblem>,
    /// What is covered; nothing where there is nothing to compare with.
    pub(in crate::daemon) scope: Option<Arc<Scope>>,
    /// Which recorded paths are names of one file; none where there is no manifest.
    pub(in crate::daemon) links: Links,
    /// The newest version of each package that manifest and amendments have, by name.
    pub(in crate::daemon) versions: HashMap<String, String>,
    /// What state the package database was in before it was read.
    packages: DatabaseStamp,
    /// Another text means that other paths may be in scope.
    pub(in crate::daemon) reach: String,
    /// The amendments in use, as they are told; taken by whoever tells them.
    pub(in crate::daemon) accepted: Mutex<Vec<event::Amendment>>,
    /// What it was opened from.
    pub(in crate::daemon) sources: Sources,
    /// When it was opened.
    pub(in crate::daemon) at: Instant,
}

/// A manifest that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct ManifestProblem {
    pub(in crate::daemon) state: ManifestState,
    pub(in crate::daemon) message: String,
}

impl ActiveBaseline {
    /// Opens the manifest; where it cannot be used, the package database. `before`: whether there was a manifest.
    pub(in crate::daemon) fn open(
        setup: &Setup,
        before: bool,
        left_out: &LeftOut,
    ) -> ActiveBaseline {
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
            false => OpenedBaseline::of_packages(tree, profile, config),
        };
        let by_manifest = match gone {
            // In its place the package database would be read.
            true if left_out(baseline::PACKAGES) => Ok(nothing(set_aside())),
            _ if left_out(baseline::MANIFEST) => Err(set_aside()),
            _ => OpenedBaseline::open(tree, profile, config, trust, Named::default()),
        };
        let (opened, problem) = match by_manifest {
            Ok(opened) => {
                let problem = missing(&opened, expected);
                (Ok(opened), problem)
            }
            Err(error) => {
                let state = match (gone, error.untrusted) {
                    (true, _) => ManifestState::Missing,
                    (false, true) => ManifestState::Untrusted,
                    (false, false) => ManifestState::Unreadable,
                };
                let message = one_line(error);
                (of_packages(), Some(ManifestProblem { state, message }))
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
        let versions = match &opened.baseline {
            Some(Baseline::Manifest(sealed)) => explained::recorded_versions(&tree.root, sealed),
            Some(Baseline::Packages(_)) | None => HashMap::new(),
        };
        ActiveBaseline {
            accepted: Mutex::new(accepted::described(&opened)),
            opened,
            links,
            versions,
            packages,
            problem,
            scope,
            reach,
            sources,
            at: Instant::now(),
        }
    }

    /// Whether it rests on packages, and some have come or gone since they were read.
    pub(in crate::daemon) fn is_behind(&self, root: &Root) -> bool {
        self.is_packages() && agent_packages::stamp(root) != self.packages
    }

    /// SHA-256 of the manifest in use, in hexadecimal, and who sealed it; empty where there is none.
    pub(in crate::daemon) fn manifest(&self) -> (String, String) {
        match self.opened.evidence() {
            Some(Baseline::Manifest(manifest)) => {
                (manifest.sha256, manifest.signer.unwrap_or_default())
            }
            Some(Baseline::Packages(_)) | None => Default::default(),
        }
    }

    /// SHA-256 of the launch record in use, in hexadecimal; empty where there is none.
    pub(in crate::daemon) fn launch_record(&self) -> String {
        let launch = self.opened.launch();
        launch.map(|launch| launch.sha256).unwrap_or_default()
    }

    /// SHA-256 of the amendments in use, in hexadecimal and in order.
    pub(in crate::daemon) fn amendments(&self) -> Vec<String> {
        let amendments = self.opened.amendments().into_iter();
        amendments.map(|amendment| amendment.sha256).collect()
    }

    /// Whether the first boot may change the path that a finding is about.
    pub(in crate::daemon) fn launch_marks(&self, subject: &[u8]) -> bool {
        let path = subject.strip_prefix(b"/").unwrap_or(subject);
        let policy = self.scope.as_ref().and_then(|scope| scope.at(path));
        policy.is_some_and(|policy| policy.demand.launch && !policy.leads)
    }

    /// The version before, as it was recorded, of the package that explains the finding.
    pub(in crate::daemon) fn replaced_by(&self, finding: &Finding) -> Option<String> {
        finding.unexplained_severity?;
        let package = finding.explained_by.as_ref()?.package.as_ref()?;
        let name = package.split(':').next().unwrap_or(package);
        self.versions.get(name).cloned()
    }

    /// How much a path is worth; `None` where it is not covered.
    pub(in crate::daemon) fn severity_at(&self, path: &[u8]) -> Option<Severity> {
        let policy = self.scope.as_ref()?.at(path)?;
        Some(policy.demand.severity)
    }

    /// How much is at stake where something was mounted for a moment; `None` where that is not covered, or was mounted
    /// when the tree was recorded.
    pub(in crate::daemon) fn severity_of(&self, brief: &BriefMount) -> Option<Severity> {
        let BriefMount {
            path,
            layer,
            height,
            ..
        } = brief;
        let own = self.severity_at(path)?;
        let recorded = self.opened.mounts().unwrap_or_default();
        if recorded.has(path, layer, *height) {
            return None;
        }
        Some(self.scope.as_ref()?.worst_within(path, own))
    }

    /// Whether files are compared with a manifest.
    pub(in crate::daemon) fn is_manifest(&self) -> bool {
        matches!(self.opened.baseline, Some(Baseline::Manifest(_)))
    }

    /// Whether files are compared with the package database.
    pub(in crate::daemon) fn is_packages(&self) -> bool {
        matches!(self.opened.baseline, Some(Baseline::Packages(_)))
    }
}

/// A manifest that should be there and is not. That there never was one is no problem.
fn missing(opened: &OpenedBaseline, expected: bool) -> Option<ManifestProblem> {
    let orphaned = opened.findings.iter().any(|finding| {
        [
            finding::FILES_PROFILE.id,
            finding::FILES_LAUNCH_RECORD.id,
            finding::FILES_AMENDMENT.id,
        ]
        .contains(&finding.check.id)
    });
    if matches!(opened.baseline, Some(Baseline::Manifest(_))) || !(expected || orphaned) {
        return None;
    }
    Some(ManifestProblem {
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
fn nothing(error: Error) -> OpenedBaseline {
    let message = format!("no file could be judged: {}", one_line(error));
    let finding = Finding::new(
        &finding::FILES_UNREADABLE,
        Verdict::Unknown,
        Severity::High,
        "/",
        message,
    );
    OpenedBaseline {
        baseline: None,
        findings: vec![finding],
        notes: Vec::new(),
    }
}

/// The error without its help, for events and status.
pub(in crate::daemon) fn one_line(error: Error) -> String {
    let without_help = Error {
        help: None,
        ..error
    };
    escape::terminal_text(&without_help.to_string()).into_owned()
}
