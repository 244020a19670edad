//! The files of a check: against the manifest, or the package database where there is none.

use super::super::inputs::{self, LAUNCH};
use super::{Looked, Run};
use crate::config::{Config, MANIFEST};
use crate::error::{Error, Result};
use crate::escape;
use crate::files::deviation::{Against, Deviation, Kind as Deviates};
use crate::files::join::Expected;
use crate::files::launch::{MAX_RECORD, Record};
use crate::files::owned;
use crate::files::pace::Pace;
use crate::files::scan::{Coverage, Progress, Scan};
use crate::files::scope::Scope;
use crate::files::wording;
use crate::finding::{self, Finding, Severity, Verdict};
use crate::manifest::read::{Manifest, Measured};
use crate::manifest::subject;
use crate::manifest::vouch::{Standing, Trust, Vouched, seal_path};
use crate::os::trust::{self, Owner};
use crate::packages::{Database, Kind, detect};
use crate::report::{Evidence, FilesSummary, LaunchSummary, ManifestSummary, progress};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Run<'_> {
    pub(super) fn files(&mut self, config: &Config, trust: &Trust) -> Result<Looked> {
        if !self.selected.any_of("files.") {
            return Ok(Looked {
                evidence: Evidence::Nothing,
                files: None,
                launch: None,
            });
        }
        match self
            .tree
            .manifest(self.arguments.manifest.as_deref(), config, trust)?
        {
            Some(vouched) => self.against_manifest(&vouched),
            None => {
                if self.orphans(config)?.is_break() {
                    return Ok(Looked {
                        evidence: Evidence::Nothing,
                        files: None,
                        launch: None,
                    });
                }
                self.against_packages()
            }
        }
    }

    /// What shows that there was a manifest once.
    fn orphans(&mut self, config: &Config) -> Result<ControlFlow<()>> {
        if let Some(path) = &self.arguments.launch {
            return Err(Error::in_file(
                path,
                "there is no manifest that a launch record could belong to",
            )
            .help("name the manifest with --manifest"));
        }
        let live = self.tree.root.is_live();
        let manifest = match live {
            true => config.manifest.as_path(),
            false => Path::new(MANIFEST),
        };
        let is_there = |path: &Path| {
            let found = self.tree.root.resolve(path.as_os_str().as_bytes(), false);
            found.is_ok_and(|found| found.handle.is_some())
        };
        let seal = seal_path(manifest);
        let mut findings = Vec::new();
        if is_there(&seal) {
            let message =
                "there is a seal here and no manifest: it was removed, or never put there";
            findings.push(Finding::new(
                &finding::FILES_PROFILE,
                Verdict::Unknown,
                Severity::High,
                seal.as_os_str().as_bytes(),
                message,
            ));
        }
        if live && is_there(Path::new(LAUNCH)) {
            let message = "there is a launch record here and no manifest: it was removed";
            findings.push(Finding::new(
                &finding::FILES_LAUNCH_RECORD,
                Verdict::Fail,
                Severity::High,
                LAUNCH,
                message,
            ));
        }
        for finding in findings {
            let restore = "restore the manifest from where the image was baked";
            if self.finding(finding.remediation(restore)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn against_manifest(&mut self, vouched: &Vouched) -> Result<Looked> {
        let manifest = &vouched.manifest;
        let header = manifest.header();
        let shown = manifest.path().display().to_string();
        let mut go_on = ControlFlow::Continue(());
        let signer = match &vouched.standing {
            Standing::Sealed(signer) => {
                Some(format!("{} ({})", signer.principal, signer.fingerprint))
            }
            Standing::Unchecked => {
                let message = "the manifest is sealed and no signer is trusted on this host, so the seal proves nothing";
                let path = self.subject_of(manifest.path());
                let finding = Finding::new(&finding::FILES_PROFILE, Verdict::Unknown, Severity::High, path, message)
                    .remediation("put the signer's public key into /etc/host-integrity-agent/trusted_signers, or name a file with --trust");
                go_on = self.finding(finding);
                None
            }
            Standing::Unsealed => {
                self.notes.push("the manifest is not sealed: whoever can write it can hide a change; `agent baseline create --sign-key KEY` seals it".into());
                None
            }
        };
        if !header.selinux && inputs::labelled(&self.tree.root)? {
            self.notes.push(
                "the recorded tree had no SELinux labels, this one has: they are not compared"
                    .into(),
            );
        }
        let scope = Scope::sealed(header.cover.clone(), self.profile.cover.clone());
        for (path, severity) in scope.unrecorded() {
            let message = "the profile covers the path, or demands more of it, than the profile under which the manifest was made: it cannot be judged";
            let finding = Finding::new(
                &finding::FILES_PROFILE,
                Verdict::Unknown,
                severity,
                path,
                message,
            )
            .remediation("record and seal the image anew under the present profile");
            if go_on.is_continue() {
                go_on = self.finding(finding);
            }
        }
        let (record, launch_file) = self.launch_record(manifest)?;
        let record = record.unwrap_or_default();
        let on_record = record.len() as u64;
        let coverage = match go_on {
            ControlFlow::Break(()) => Coverage::default(),
            ControlFlow::Continue(()) => {
                let expected = record.over(manifest.entries());
                self.scan(
                    &scope,
                    Against::Manifest,
                    header.selinux,
                    Some((manifest.len(), manifest.size())),
                    expected,
                    |_| false,
                )
                .map_err(|error| match error.file {
                    // What the join found wrong is the manifest's fault.
                    None => Error {
                        file: Some(manifest.path().to_owned()),
                        ..error
                    },
                    Some(_) => error,
                })?
            }
        };
        Ok(Looked {
            evidence: Evidence::Manifest(ManifestSummary {
                path: shown,
                sha256: escape::hex(&manifest.sha256()),
                signer,
                made: header.time.clone(),
                profile: header.profile.clone(),
                sealed: vouched.standing != Standing::Unsealed,
            }),
            launch: launch_file.map(|(path, sha256)| LaunchSummary {
                path: path.display().to_string(),
                sha256,
                files: on_record,
            }),
            files: Some(files_summary(&coverage, None)),
        })
    }

    /// The launch record, if there is one that may be used; one that may not is a finding.
    #[allow(clippy::type_complexity)]
    fn launch_record(
        &mut self,
        manifest: &Manifest,
    ) -> Result<(Option<Record>, Option<(PathBuf, String)>)> {
        let path = match &self.arguments.launch {
            Some(path) => path.clone(),
            None if self.tree.root.is_live() => PathBuf::from(LAUNCH),
            None => return Ok((None, None)),
        };
        let judged = match trust::open(&path, Owner::RootOrCaller)? {
            None if self.arguments.launch.is_none() => return Ok((None, None)),
            None => {
                return Err(Error::in_file(
                    path,
                    "no such file, expected a launch record",
                ));
            }
            Some(file) => Measured::new(file, &path, MAX_RECORD, false)
                .and_then(Manifest::parse)
                .and_then(|record| {
                    let sealed = Scope::current(manifest.header().cover.clone());
                    let judged =
                        Record::judge(&record, manifest.sha256(), &self.tree.identity, &sealed)?;
                    Ok(judged.map(|usable| (usable, escape::hex(&record.sha256()))))
                })
                .unwrap_or_else(|error| {
                    let without_help = Error {
                        help: None,
                        ..error
                    };
                    Err(without_help.to_string())
                }),
        };
        match judged {
            Ok((record, sha256)) => Ok((Some(record), Some((path, sha256)))),
            Err(why) => {
                let message = format!("the launch record is ignored: {why}");
                let finding = Finding::new(
                    &finding::FILES_LAUNCH_RECORD,
                    Verdict::Fail,
                    Severity::High,
                    absolute(&path),
                    message,
                )
                .remediation(
                    "find out who wrote it; `agent baseline launch` writes one for this instance",
                );
                // A report that cannot be written is noticed when it is finished.
                match self.finding(finding) {
                    ControlFlow::Continue(()) | ControlFlow::Break(()) => Ok((None, None)),
                }
            }
        }
    }

    fn against_packages(&mut self) -> Result<Looked> {
        let nothing = Looked {
            evidence: Evidence::Nothing,
            files: None,
            launch: None,
        };
        let root = &self.tree.root;
        let create = "make a manifest while the image is baked: agent baseline create --root DIR --output FILE --sign-key KEY";
        let loaded = match detect(root) {
            Kind::Dpkg => Ok(Database::load_dpkg(root)?),
            Kind::Rpm => Database::load_rpm(root).map_err(|error| {
                format!("there is no manifest, and {error}: no file could be judged")
            }),
            Kind::None => Err(
                "there is neither a manifest nor a package database: no file could be judged"
                    .into(),
            ),
        };
        let database = match loaded {
            Ok(database) => database,
            Err(why) => {
                let finding = Finding::new(
                    &finding::FILES_UNREADABLE,
                    Verdict::Unknown,
                    Severity::High,
                    "/",
                    why,
                )
                .remediation(create);
                return match self.finding(finding) {
                    ControlFlow::Continue(()) | ControlFlow::Break(()) => Ok(nothing),
                };
            }
        };
        let (name, digests, unjudged) = match database.kind() {
            Kind::Rpm => ("rpm", "Digests", ""),
            _ => (
                "dpkg",
                "MD5 sums",
                ", and attributes are in no package database",
            ),
        };
        self.notes.push(format!("{digests} in the host's own package database are weaker evidence than a sealed manifest: whoever changes a file can change them too"));
        self.notes.push(create.into());
        self.notes.extend(database.notes().iter().cloned());
        if database.kind() == Kind::Dpkg && Database::busy(root) {
            self.notes.push("packages are being installed or removed: what they are about to replace may show as changed".into());
        }
        for finding in database_gaps(&database) {
            if self.finding(finding).is_break() {
                return Ok(nothing);
            }
        }
        let scope = Scope::current(self.profile.cover.clone());
        let expected = owned::expected(&database);
        // That nothing is known of their contents has been said of their package.
        let owned = |deviation: &Deviation| {
            matches!(deviation.kind, Deviates::Added(_))
                && database.owns_undigested(&deviation.path)
        };
        let against = Against::Packages;
        let coverage = self.scan(&scope, against, true, None, expected.map(Ok), owned)?;
        self.notes.push(format!(
            "{} files belong to no package{unjudged}: only a manifest can judge them",
            coverage.unowned
        ));
        Ok(Looked {
            evidence: Evidence::Packages {
                database: name,
                count: database.package_count(),
            },
            files: Some(files_summary(&coverage, Some(coverage.unowned))),
            launch: None,
        })
    }

    /// The path of one of the agent's own files as a subject: as seen from the root where it lies below it.
    fn subject_of(&self, path: &Path) -> Vec<u8> {
        let path = absolute(path);
        let root = absolute(self.tree.root.path());
        match path.strip_prefix(&root[..]) {
            Some([b'/', below @ ..]) if !self.tree.root.is_live() => subject(below),
            _ => path,
        }
    }

    fn scan(
        &mut self,
        scope: &Scope,
        against: Against,
        selinux: bool,
        manifest: Option<(u64, u64)>,
        expected: impl Iterator<Item = Result<Expected>> + Send,
        passed_over: impl Fn(&Deviation) -> bool,
    ) -> Result<Coverage> {
        let arguments = self.arguments;
        let pace = arguments.max_rate.map(Pace::new);
        let (total, manifest_bytes) = manifest.unzip();
        if let (Some(pace), Some(bytes)) = (&pace, manifest_bytes) {
            // Read twice so far, to measure and to parse; what follows makes up for it.
            pace.pay(usize::try_from(2 * bytes).unwrap_or(usize::MAX));
        }
        let counts = Progress::default();
        let scan = Scan {
            root: &self.tree.root,
            scope,
            threads: inputs::threads(arguments.threads),
            pace: pace.as_ref(),
            selinux,
            against,
            progress: &counts,
        };
        let wanted = !arguments.quiet && !arguments.no_progress;
        progress::shown(wanted, &counts, total, || {
            scan.run(expected, |deviation| match passed_over(&deviation) {
                true => ControlFlow::Continue(()),
                false => self.finding(wording::finding(&deviation, against)),
            })
        })
    }
}

fn files_summary(coverage: &Coverage, unowned: Option<u64>) -> FilesSummary {
    let shown = |path: &Vec<u8>| escape::lossless_text(&subject(path)).0;
    FilesSummary {
        checked: coverage.checked,
        bytes: coverage.bytes,
        elapsed: coverage.elapsed,
        mounts: coverage.mounts.iter().map(shown).collect(),
        unowned,
    }
}

/// What of a package database cannot be used: the files concerned are not judged.
fn database_gaps(database: &Database) -> Vec<Finding> {
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

/// The path of one of the agent's own files, as a subject.
fn absolute(path: &Path) -> Vec<u8> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.as_os_str().as_bytes().to_vec()
}
