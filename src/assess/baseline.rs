//! What files are compared with: opened once, kept for as many scans and looks as one likes.

use super::amendments;
use super::explained::Explaining;
use super::packaged::{self, Packaged};
use super::sealed::{self, Sealed};
use super::summary::{
    AmendmentSummary, Evidence, FilesSummary, LaunchSummary, ManifestSummary, PackagesSummary,
};
use super::tree::Tree;
use crate::report::words::counted;
use agent_baseline::Baseline;
use agent_baseline::manifest::verified::{SealStatus, SharedManifest, Trust};
use agent_baseline::profile::Profile;
use agent_core::config::Config;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::finding::{Finding, Severity};
use agent_core::paths::subject;
use agent_core::task;
use agent_packages::DatabaseKind;
use agent_scan::files::aside::Aside;
use agent_scan::files::belief::Belief;
use agent_scan::files::deviation::{Deviation, DeviationKind};
use agent_scan::files::mounted::RecordedMounts;
use agent_scan::files::owned;
use agent_scan::files::pace::Pace;
use agent_scan::files::pipeline::Workers;
use agent_scan::files::scan::{Coverage, Progress, Scan};
use agent_scan::files::scope::Scope;
use agent_scan::files::wording;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// The parts that opening it has, for the last word of a process that panics.
pub(crate) const MANIFEST: &str = "manifest";
/// See [`MANIFEST`].
pub(crate) const PACKAGES: &str = "packages";

/// A baseline, and what opening it brought to light.
#[derive(Debug)]
pub(crate) struct OpenedBaseline {
    /// The baseline; `None` where no file can be judged.
    pub baseline: Option<Baseline<Box<Sealed>, Box<Packaged>>>,
    /// What is amiss with it: part of every whole look at the files.
    pub findings: Vec<Finding>,
    /// What a reader must know to weigh the verdict.
    pub notes: Vec<String>,
}

/// Files that were named in place of those at the default places.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'a> {
    /// `--manifest`
    pub manifest: Option<&'a Path>,
    /// `--launch`
    pub launch: Option<&'a Path>,
    /// The host's own manifest, where others of the same run ask for it too.
    pub shared: Option<&'a SharedManifest>,
}

/// What explains a deviation is put onto its finding.
pub(crate) type Explain<'a> = dyn FnMut(&Deviation, Finding) -> Finding + 'a;

/// How much a scan may take.
#[derive(Debug)]
pub(crate) struct Effort<'a> {
    /// Threads that read and digest.
    pub workers: Workers,
    /// A limit on reading.
    pub pace: Option<&'a Pace>,
    /// What is not looked at.
    pub aside: &'a Aside,
    /// Counts while the scan runs.
    pub progress: &'a Progress,
    /// What need not be read.
    pub belief: Option<&'a Belief<'a>>,
}

impl OpenedBaseline {
    /// Opens the manifest and its launch record; the package database where there is no manifest.
    ///
    /// A manifest that is malformed or not trusted is an error, as is a named file that is not there.
    pub(crate) fn open(
        tree: &Tree,
        profile: &Profile,
        config: &Config,
        trust: &Trust,
        named: Named<'_>,
    ) -> Result<OpenedBaseline> {
        task::at_part(MANIFEST);
        let open = || tree.manifest(named.manifest, config, trust);
        let opened = match named.shared {
            Some(shared) => shared.or_open(open),
            None => open().map(|opened| opened.map(Arc::new)),
        };
        match opened? {
            Some(verified) => sealed::open(tree, profile, config, verified, named.launch, trust),
            None => {
                if let Some(path) = named.launch {
                    return Err(Error::in_file(
                        path,
                        "there is no manifest that a launch record could belong to",
                    )
                    .help("name the manifest with --manifest"));
                }
                let mut opened = OpenedBaseline::of_packages(tree, profile, config)?;
                let orphans = packaged::orphans(tree, config);
                opened.findings.splice(0..0, orphans);
                Ok(opened)
            }
        }
    }

    /// Opens the package database, whatever there is of a manifest.
    pub(crate) fn of_packages(
        tree: &Tree,
        profile: &Profile,
        config: &Config,
    ) -> Result<OpenedBaseline> {
        task::at_part(PACKAGES);
        packaged::open(tree, profile, config)
    }

    /// What is looked at; `None` where nothing can be compared.
    pub(crate) fn scope(&self) -> Option<&Scope> {
        match &self.baseline {
            Some(Baseline::Manifest(sealed)) => Some(&sealed.scope),
            Some(Baseline::Packages(packaged)) => Some(&packaged.scope),
            None => None,
        }
    }

    /// What explains deviations from the manifest; `None` where there is none.
    pub(crate) fn explaining<'a>(
        &'a self,
        tree: &'a Tree,
        state_dir: &'a Path,
    ) -> Option<Explaining<'a>> {
        let sealed = self.baseline.as_ref()?.manifest()?;
        Some(Explaining::new(
            &tree.root,
            sealed,
            tree.root.is_live().then_some(state_dir),
        ))
    }

    /// Paths to be looked at, where that is known beforehand.
    pub(crate) fn total(&self) -> Option<u64> {
        match &self.baseline {
            Some(Baseline::Manifest(sealed)) => Some(sealed.verified.manifest.len()),
            _ => None,
        }
    }

    /// What was mounted when the tree was recorded.
    pub(crate) fn mounts(&self) -> Option<RecordedMounts<'_>> {
        let sealed = self.baseline.as_ref()?.manifest()?;
        Some(sealed.overlay().mounts_over(&sealed.verified.manifest))
    }

    /// Compares the whole tree, or what of it is at least so severe; each finding is handed to `each` in the order of paths. `None` where there is
    /// nothing to compare with.
    pub(crate) fn scan(
        &self,
        tree: &Tree,
        effort: &Effort<'_>,
        least: Option<Severity>,
        explain: &mut Explain<'_>,
        mut each: impl FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<Option<Coverage>> {
        let Some(whole) = self.scope() else {
            return Ok(None);
        };
        let narrowed = least.map(|least| whole.narrowed(least));
        let scan = |against, selinux| Scan {
            root: &tree.root,
            scope: narrowed.as_ref().unwrap_or(whole),
            partial: least.is_some(),
            workers: effort.workers,
            pace: effort.pace,
            selinux,
            against,
            mounts: self.mounts(),
            aside: effort.aside,
            progress: effort.progress,
            belief: effort.belief,
        };
        match &self.baseline {
            Some(Baseline::Manifest(sealed)) => {
                let manifest = &sealed.verified.manifest;
                if let Some(pace) = effort.pace {
                    // Read twice so far, to measure and to parse; what follows makes up for it.
                    pace.pay(usize::try_from(2 * manifest.size()).unwrap_or(usize::MAX));
                }
                let against = Baseline::Manifest(());
                scan(against, manifest.header().selinux)
                    .run(sealed.overlay().over(manifest.entries()), |deviation| {
                        let finding = sealed.finding(&deviation, &tree.root);
                        each(explain(&deviation, finding))
                    })
                    .map(Some)
                    .map_err(|error| match error.file {
                        // What the join found wrong is the manifest's fault.
                        None => Error {
                            file: Some(manifest.path().to_owned()),
                            ..error
                        },
                        Some(_) => error,
                    })
            }
            Some(Baseline::Packages(packaged)) => {
                let database = &packaged.database;
                let against = Baseline::Packages(());
                // That nothing is known of their contents has been said of their package.
                let passed_over = |deviation: &Deviation| {
                    matches!(deviation.kind, DeviationKind::Added(_))
                        && database.owns_undigested(&deviation.path)
                };
                scan(against, true)
                    .run(
                        owned::expected(database).map(Ok),
                        |deviation| match passed_over(&deviation) {
                            true => ControlFlow::Continue(()),
                            false => each(wording::finding(&deviation, against)),
                        },
                    )
                    .map(Some)
            }
            None => Ok(None),
        }
    }

    /// What the files are compared with, as reports name it.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        match &self.baseline {
            Some(Baseline::Manifest(sealed)) => {
                let manifest = &sealed.verified.manifest;
                let signer = match &sealed.verified.seal_status {
                    SealStatus::Sealed(signer) => {
                        Some(format!("{} ({})", signer.principal, signer.fingerprint))
                    }
                    SealStatus::Unchecked | SealStatus::Unsealed => None,
                };
                Some(Baseline::Manifest(ManifestSummary {
                    path: manifest.path().display().to_string(),
                    sha256: escape::hex(&manifest.sha256()),
                    signer,
                    made: manifest.header().time.clone(),
                    profile: manifest.header().profile.clone(),
                    sealed: sealed.verified.seal_status != SealStatus::Unsealed,
                }))
            }
            Some(Baseline::Packages(packaged)) => Some(Baseline::Packages(PackagesSummary {
                database: match packaged.database.kind() {
                    DatabaseKind::Rpm => "rpm",
                    DatabaseKind::Dpkg | DatabaseKind::None => "dpkg",
                },
                count: packaged.database.package_count(),
            })),
            None => None,
        }
    }

    /// When the image was baked, in seconds since 1970: as its manifest says.
    pub(crate) fn baked(&self) -> Option<i64> {
        let sealed = self.baseline.as_ref()?.manifest()?;
        let time: jiff::Timestamp = sealed.verified.manifest.header().time.parse().ok()?;
        Some(time.as_second())
    }

    /// The launch record in use.
    pub(crate) fn launch(&self) -> Option<LaunchSummary> {
        match &self.baseline {
            Some(Baseline::Manifest(sealed)) => sealed.launch.clone(),
            _ => None,
        }
    }

    /// The amendments in use, in order.
    pub(crate) fn amendments(&self) -> Vec<AmendmentSummary> {
        match &self.baseline {
            Some(Baseline::Manifest(sealed)) => {
                let amendments = sealed.amendments.iter();
                amendments.map(amendments::summary).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What a scan looked at, as reports show it, with what else a reader must know after it.
    pub(crate) fn files(&self, coverage: &Coverage) -> (FilesSummary, Vec<String>) {
        let shown = |path: &Vec<u8>| escape::lossless_text(&subject(path)).0;
        let (unowned, unjudged) = match &self.baseline {
            Some(Baseline::Packages(packaged)) => match packaged.database.kind() {
                DatabaseKind::Rpm => (Some(coverage.unowned), ""),
                DatabaseKind::Dpkg | DatabaseKind::None => (
                    Some(coverage.unowned),
                    ", and attributes are in no package database",
                ),
            },
            _ => (None, ""),
        };
        let summary = FilesSummary {
            checked: coverage.checked,
            bytes: coverage.bytes,
            elapsed: coverage.elapsed,
            mounts: coverage.mounts.iter().map(shown).collect(),
            unowned,
        };
        let note = unowned.map(|count| {
            format!(
                "{} belong to no package{unjudged}: only a manifest can judge them",
                counted(count, "file")
            )
        });
        let mounted = coverage.unrecorded_mounts.iter();
        let mounted: Vec<String> = mounted
            .map(|path| escape::terminal_bytes(&subject(path)))
            .collect();
        let mounted = (!mounted.is_empty()).then(|| {
            format!(
                "mounted over what the profile covers: {}; the manifest does not say what was mounted when it was made, so whether this was cannot be told",
                mounted.join(", ")
            )
        });
        let verity = coverage.on_verity.iter();
        let verity = verity.map(|(path, name)| {
            format!(
                "{} lies on dm-verity, as its device ({}) calls itself: whether the kernel refuses changed blocks there rests on the device's table, which is not asked for (ignore_corruption and check_at_most_once void it), so every file was read all the same",
                escape::terminal_bytes(&subject(path)),
                escape::terminal_bytes(name.as_bytes())
            )
        });
        let notes = note.into_iter().chain(mounted).chain(verity);
        (summary, notes.collect())
    }
}
