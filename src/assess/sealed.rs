//! The manifest and its launch record, opened to be compared with.

use super::amendments;
use super::baseline::OpenedBaseline;
use super::summary::LaunchSummary;
use super::tree::{self, LAUNCH, Tree};
use agent_baseline::Baseline;
use agent_baseline::amendment::Amendment;
use agent_baseline::manifest::read::{Manifest, Measured};
use agent_baseline::manifest::verified::{SealStatus, Trust, VerifiedManifest};
use agent_baseline::profile::Profile;
use agent_baseline::profile::demands::{Shortfall, TooComplex};
use agent_baseline::texts::{Texts, text_path};
use agent_core::bounds;
use agent_core::config::Config;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::os::root::Root;
use agent_core::os::trust::{self, Owner};
use agent_core::paths::subject;
use agent_scan::files::deviation::Deviation;
use agent_scan::files::launch::Record;
use agent_scan::files::scope::Scope;
use agent_scan::files::{texts, wording};
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A manifest that may be used, what the first boot changed of it, and what it covers.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// The manifest and its seal.
    pub verified: Arc<VerifiedManifest>,
    /// The launch record; empty where none may be used.
    pub record: Record,
    /// The amendments that count, in order.
    pub amendments: Vec<Amendment>,
    /// The launch record with what amendments say in its place; `None` where there is no amendment.
    overlay: Option<Record>,
    /// Where the record is, if one is used.
    pub launch: Option<LaunchSummary>,
    /// Why it was written again, if it was.
    pub again: Option<String>,
    /// The manifest's rules seen through the profile.
    pub scope: Scope,
    /// The texts that were kept when it was recorded.
    texts: Texts,
}

impl Sealed {
    /// The finding for a deviation, with the lines that changed where texts are kept.
    pub(crate) fn finding(&self, deviation: &Deviation, root: &Root) -> Finding {
        let mut finding = wording::finding(deviation, Baseline::Manifest(()));
        finding.lines = texts::lines(deviation, root, &self.texts);
        finding
    }

    /// What comes before the manifest's own entries.
    pub(crate) fn overlay(&self) -> &Record {
        self.overlay.as_ref().unwrap_or(&self.record)
    }
}

pub(super) fn open(
    tree: &Tree,
    profile: &Profile,
    config: &Config,
    verified: Arc<VerifiedManifest>,
    launch: Option<&Path>,
    trust: &Trust,
) -> Result<OpenedBaseline> {
    let mut findings = Vec::new();
    let mut notes = Vec::new();
    let header = verified.manifest.header();
    match &verified.seal_status {
        SealStatus::Sealed(_) => {}
        SealStatus::Unchecked => {
            let message = "the manifest is sealed and no signer is trusted on this host, so the seal proves nothing";
            let path = subject_of(tree, verified.manifest.path());
            findings.push(
                Finding::new(&finding::FILES_PROFILE, Verdict::Unknown, Severity::High, path, message)
                    .remediation("put the signer's public key into /etc/host-integrity-agent/trusted_signers, or name a file with --trust"),
            );
        }
        SealStatus::Unsealed => {
            notes.push("the manifest is not sealed: whoever can write it can hide a change; `agent baseline create --sign-key KEY` seals it".into());
        }
    }
    if !header.selinux && tree::labelled(&tree.root)? {
        notes.push(
            "the recorded tree had no SELinux labels, this one has: they are not compared".into(),
        );
    }
    let scope = Scope::sealed(header.path_rules.clone(), profile.path_rules.clone())
        .with_own(tree.own_files(Some(verified.manifest.path()), config));
    findings.extend(demands_less(&scope));
    let (record, launch, again) = match launch_record(tree, &verified.manifest, launch)? {
        None => (Record::default(), None, None),
        Some(Ok(found)) => (found.record, Some(found.summary), found.again),
        Some(Err(finding)) => {
            findings.push(finding);
            (Record::default(), None, None)
        }
    };
    let (amendments, refused) = amendments::open(tree, &verified, trust)?;
    findings.extend(refused);
    let texts = match kept_texts(tree, &verified.manifest)? {
        Ok(texts) => texts,
        Err(why) => {
            let path = subject_of(tree, &text_path(verified.manifest.path()));
            findings.push(
                Finding::new(
                    &finding::FILES_PROFILE,
                    Verdict::Fail,
                    Severity::Critical,
                    path,
                    why,
                )
                .remediation("restore it from where the image was baked"),
            );
            Texts::default()
        }
    };
    let overlay = (!amendments.is_empty()).then(|| record.amended(amendments.iter()));
    let sealed = Sealed {
        verified,
        record,
        amendments,
        overlay,
        texts,
        launch,
        again,
        scope,
    };
    Ok(OpenedBaseline {
        baseline: Some(Baseline::Manifest(Box::new(sealed))),
        findings,
        notes,
    })
}

/// What the manifest's rules leave out of what the profile demands.
fn demands_less(scope: &Scope) -> Vec<Finding> {
    let unknown = |severity, subject: &[u8], message| {
        Finding::new(
            &finding::FILES_PROFILE,
            Verdict::Unknown,
            severity,
            subject,
            message,
        )
        .remediation("record and seal the image anew under the present profile")
    };
    let shortfalls = match scope.unrecorded() {
        Ok(shortfalls) => shortfalls,
        Err(TooComplex) => {
            let message = "the manifest's rules and the profile have too many patterns to tell whether as much was recorded as is demanded";
            let worst = scope.worst_within(b"", Severity::High);
            return vec![unknown(worst, b"/", message.to_owned())];
        }
    };
    let told = |shortfall: Shortfall| {
        let message = format!(
            "the profile demands more than was recorded: {}, so it cannot be judged (as with {})",
            shortfall.clause(),
            escape::terminal_bytes(&subject(&shortfall.example)),
        );
        unknown(shortfall.severity, shortfall.text.as_bytes(), message)
    };
    shortfalls.into_iter().map(told).collect()
}

/// The texts that were kept with the manifest, held against the digest that it has of them; else why not.
fn kept_texts(tree: &Tree, manifest: &Manifest) -> Result<std::result::Result<Texts, String>> {
    let path = text_path(manifest.path());
    let wanted = &manifest.header().text;
    let open = |path: &Path| match path.strip_prefix(tree.root.path()) {
        // No link of a tree leads out of it.
        Ok(below) if !tree.root.is_live() => {
            let file = tree.root.open_file(below.as_os_str().as_bytes());
            let file = file.map_err(|error| Error::in_file(path, error.to_string()))?;
            if let Some(file) = &file {
                trust::judge(file, path, Owner::RootOrCaller)?;
            }
            Ok(file)
        }
        _ => trust::open(path, Owner::RootOrCaller),
    };
    if wanted.is_empty() {
        // Nobody compares it as a file.
        let there = std::fs::symlink_metadata(&path).is_ok();
        return Ok(match there {
            true => {
                Err("the manifest was recorded without texts, and this lies in their place".into())
            }
            false => Ok(Texts::default()),
        });
    }
    let Some(file) = open(&path)? else {
        return Ok(Err(
            "the texts that were kept with the manifest are gone".into()
        ));
    };
    let most = 2 * bounds::KEPT_TEXTS as u64;
    let bytes = trust::read(&file, &path, most)?;
    if escape::hex(&Sha256::digest(&bytes)) != *wanted {
        return Ok(Err(
            "these are not the texts that were kept with the manifest".into(),
        ));
    }
    Ok(Texts::parse(&bytes).ok_or_else(|| "the texts that were kept cannot be read".into()))
}

/// A launch record that may be used.
struct Found {
    record: Record,
    summary: LaunchSummary,
    again: Option<String>,
}

/// The launch record, if there is one; one that may not be used is a finding.
#[allow(clippy::result_large_err)]
fn launch_record(
    tree: &Tree,
    manifest: &Manifest,
    named: Option<&Path>,
) -> Result<Option<std::result::Result<Found, Finding>>> {
    let path = match named {
        Some(path) => path.to_owned(),
        None if tree.root.is_live() => PathBuf::from(LAUNCH),
        None => return Ok(None),
    };
    // At its default place the daemon wrote it.
    let owner = match named {
        Some(_) => Owner::RootOrCaller,
        None => Owner::Agent,
    };
    let judged = match trust::open(&path, owner)? {
        None if named.is_none() => return Ok(None),
        None => {
            return Err(Error::in_file(
                path,
                "no such file, expected a launch record",
            ));
        }
        Some(file) => Measured::new(file, &path, bounds::LAUNCH_RECORD, false)
            .and_then(Manifest::parse)
            .and_then(|record| {
                let sealed = Scope::current(manifest.header().path_rules.clone());
                let judged = Record::judge(&record, manifest.sha256(), &tree.host, &sealed)?;
                let again = record.header().launch.as_ref();
                let again = again.and_then(|launch| launch.reason.clone());
                Ok(judged.map(|usable| (usable, escape::hex(&record.sha256()), again)))
            })
            .unwrap_or_else(|error| {
                let without_help = Error {
                    help: None,
                    ..error
                };
                Err(without_help.to_string())
            }),
    };
    Ok(Some(match judged {
        Ok((record, sha256, again)) => {
            let summary = LaunchSummary {
                path: path.display().to_string(),
                sha256,
                files: record.len() as u64,
            };
            Ok(Found {
                record,
                summary,
                again,
            })
        }
        Err(why) => Err(Finding::new(
            &finding::FILES_LAUNCH_RECORD,
            Verdict::Fail,
            Severity::High,
            absolute(&path),
            format!("the launch record is ignored: {why}"),
        )
        .remediation(
            "find out who wrote it; `agent baseline launch` writes one for this instance",
        )),
    }))
}

/// The path of one of the agent's own files as a subject: as seen from the root where it lies below it.
pub(super) fn subject_of(tree: &Tree, path: &Path) -> Vec<u8> {
    let path = absolute(path);
    let root = absolute(tree.root.path());
    match path.strip_prefix(&root[..]) {
        Some([b'/', below @ ..]) if !tree.root.is_live() => subject(below),
        _ => path,
    }
}

/// The path of one of the agent's own files, as a subject.
fn absolute(path: &Path) -> Vec<u8> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.as_os_str().as_bytes().to_vec()
}
