//! The package database, opened to be compared with where there is no manifest.

use super::baseline::OpenedBaseline;
use super::deadline::{self, Stage};
use super::settings::REMEDY;
use super::tree::{LAUNCH, Tree};
use agent_baseline::Baseline;
use agent_baseline::amendment::load::DIRECTORY;
use agent_baseline::manifest::verified::seal_path;
use agent_baseline::profile::Profile;
use agent_core::bounds;
use agent_core::config::{Config, MANIFEST};
use agent_core::error::Result;
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::os::root::Root;
use agent_packages::{Database, DatabaseKind, detect};
use agent_scan::files::scope::Scope;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A package database, and what the profile covers.
#[derive(Debug)]
pub(crate) struct Packaged {
    /// The database.
    pub database: Database,
    /// The profile's rules.
    pub scope: Scope,
}

/// What helps where there is nothing better than a package database.
const CREATE: &str = "make a manifest while the image is baked: agent baseline create --root DIR --output FILE --sign-key KEY";

pub(super) fn open(tree: &Tree, profile: &Profile, config: &Config) -> Result<OpenedBaseline> {
    let root = &tree.root;
    let database = match load(root)? {
        Ok(database) => database,
        Err((why, remedy)) => {
            let finding = Finding::new(
                &finding::FILES_UNREADABLE,
                Verdict::Unknown,
                Severity::High,
                "/",
                why,
            );
            return Ok(OpenedBaseline {
                baseline: None,
                findings: vec![finding.remediation(remedy)],
                notes: Vec::new(),
            });
        }
    };
    let digests = match database.kind() {
        DatabaseKind::Rpm => "Digests",
        _ => "MD5 sums",
    };
    let mut notes = vec![format!(
        "{digests} in the host's own package database are weaker evidence than a sealed manifest (agent baseline create): whoever changes a file can change them too"
    )];
    notes.extend(database.notes().iter().cloned());
    if database.kind() == DatabaseKind::Dpkg && Database::busy(root) {
        notes.push("packages are being installed or removed: what they are about to replace may show as changed".into());
    }
    Ok(OpenedBaseline {
        findings: gaps(&database),
        baseline: Some(Baseline::Packages(Box::new(Packaged {
            database,
            scope: Scope::current(profile.path_rules.clone())
                .with_own(tree.own_files(None, config)),
        }))),
        notes,
    })
}

/// Loads the database of the tree, in time; else says why no file can be judged, and what helps.
fn load(root: &Root) -> Result<std::result::Result<Database, (String, &'static str)>> {
    let own = root.clone();
    let look = move || match detect(&own) {
        DatabaseKind::Dpkg => Database::load_dpkg(&own).map(Ok),
        DatabaseKind::Rpm => Ok(Database::load_rpm(&own).map_err(|error| {
            let why = format!("there is no manifest, and {error}: no file could be judged");
            (why, CREATE)
        })),
        DatabaseKind::None => {
            let why = "there is neither a manifest nor a package database: no file could be judged";
            Ok(Err((why.to_owned(), CREATE)))
        }
    };
    let stage = Stage {
        name: "package database",
        deadline: bounds::PACKAGE_DATABASE,
    };
    deadline::one(stage, look).unwrap_or_else(|why| {
        let why = format!(
            "there is no manifest, and the package database could not be read, so no file could be judged: {why}"
        );
        Ok(Err((why, REMEDY)))
    })
}

/// What shows that there was a manifest once.
pub(super) fn orphans(tree: &Tree, config: &Config) -> Vec<Finding> {
    let live = tree.root.is_live();
    let manifest = match live {
        true => config.manifest.as_path(),
        false => Path::new(MANIFEST),
    };
    let is_there = |path: &Path| {
        let found = tree.root.resolve(path.as_os_str().as_bytes(), false);
        found.is_ok_and(|found| found.handle.is_some())
    };
    let restore = "restore the manifest from where the image was baked";
    let seal = seal_path(manifest);
    let mut findings = Vec::new();
    if is_there(&seal) {
        let message = "there is a seal here and no manifest: it was removed, or never put there";
        let subject = seal.as_os_str().as_bytes();
        findings.push(
            Finding::new(
                &finding::FILES_PROFILE,
                Verdict::Unknown,
                Severity::High,
                subject,
                message,
            )
            .remediation(restore),
        );
    }
    if live && is_there(Path::new(LAUNCH)) {
        let message = "there is a launch record here and no manifest: it was removed";
        findings.push(
            Finding::new(
                &finding::FILES_LAUNCH_RECORD,
                Verdict::Fail,
                Severity::High,
                LAUNCH,
                message,
            )
            .remediation(restore),
        );
    }
    let amendments = tree.root.list(DIRECTORY.as_bytes());
    if live
        && let Ok(Some(names)) = amendments
        && !names.is_empty()
    {
        let message = "there are amendments here and no manifest that they amend: it was removed";
        findings.push(
            Finding::new(
                &finding::FILES_AMENDMENT,
                Verdict::Fail,
                Severity::Critical,
                DIRECTORY,
                message,
            )
            .remediation(restore),
        );
    }
    findings
}

/// What of a package database cannot be used: the files concerned are not judged.
fn gaps(database: &Database) -> Vec<Finding> {
    let unreadable = |subject: &[u8], message: String| {
        Finding::new(
            &finding::FILES_UNREADABLE,
            Verdict::Unknown,
            Severity::High,
            subject,
            message,
        )
    };
    let damaged = database.damaged().iter().map(|damaged| {
        let message = format!(
            "{}: the files that the package database speaks of there are not judged",
            damaged.reason
        );
        let mut finding = unreadable(damaged.file.as_bytes(), message)
            .remediation("reinstall the package that the list belongs to");
        finding.location = damaged.line.map(|line| format!("{}:{line}", damaged.file));
        finding
    });
    let unverified = database.unverified().iter().map(|package| {
        let message = format!("package {package} is half installed: its files are not judged");
        unreadable(b"/var/lib/dpkg/status", message).remediation(format!(
            "dpkg --configure -a; then: apt-get install --reinstall {package}"
        ))
    });
    damaged.chain(unverified).collect()
}
