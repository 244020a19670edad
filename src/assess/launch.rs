//! The launch record, written once: what the first boot changed.

use super::baseline::Effort;
use super::tree::{LAUNCH, Tree};
use agent_baseline::Baseline;
use agent_baseline::manifest::header::{self, Header};
use agent_baseline::manifest::read::{Manifest, Measured};
use agent_baseline::manifest::write::Writer;
use agent_baseline::manifest::{Entry, Role};
use agent_baseline::profile::Profile;
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::atomic::Pending;
use agent_core::os::trust::{self, Owner};
use agent_core::paths::split;
use agent_core::paths::subject;
use agent_scan::files::launch::{Collector, Record, refuse_second};
use agent_scan::files::mounted::RecordedMounts;
use agent_scan::files::own::OwnFiles;
use agent_scan::files::scan::Scan;
use agent_scan::files::scope::Scope;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The record names accounts' files and keys' digests: nobody else's business.
const MODE: u16 = 0o600;

/// What is asked of a record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaunchRequest<'a> {
    /// Where it goes; else to the tree's own place.
    pub output: Option<&'a Path>,
    /// Whether it is written although this instance has one.
    pub again: bool,
    /// Why it is written again.
    pub reason: Option<&'a str>,
}

/// A record that has been written.
#[derive(Debug)]
pub(crate) struct Launched {
    /// The instance that it belongs to.
    pub instance: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// What is on it, in the order of a walk.
    pub entries: Vec<Entry>,
    /// Deviations on paths that the first boot may not change: they stay deviations.
    pub others: u64,
}

/// Compares the tree with the manifest and writes the record. `time` goes into its header.
///
/// An error where the instance has one already, where it has no name, or where something that the first boot
/// may change could not be looked at; then nothing is written.
pub(crate) fn write(
    tree: &Tree,
    profile: &Profile,
    manifest: &Manifest,
    request: LaunchRequest<'_>,
    time: String,
    effort: &Effort<'_>,
) -> Result<Launched> {
    let instance = tree.host.binding().ok_or_else(|| {
        Error::new("the tree has neither an instance id (DMI) nor a machine id: a record could belong to anybody")
            .help("run it on the instance, after its first boot")
    })?;
    let named = request.output;
    let output = match named {
        Some(path) => path.to_owned(),
        None => tree.root.path().join(&LAUNCH[1..]),
    };
    let output = output.as_path();
    if !request.again
        && let Some(file) = standing(tree, named, output)?
        && belongs_to(file, output, &instance)?
    {
        return Err(refuse_second(output));
    }

    let mut collector = compared(tree, profile, manifest, effort)?;
    let others = collector.others;
    let mounts = std::mem::take(&mut collector.mounts);
    let mut entries = collector.into_entries();
    if entries.len() as u64 > bounds::LAUNCH_ENTRIES {
        return Err(Error::new(format!(
            "{} paths differ from the manifest: more than a first boot changes ({})",
            entries.len(),
            bounds::LAUNCH_ENTRIES
        ))
        .help("find out what happened to the host; `agent check` lists the paths"));
    }

    let record_header = Header {
        launch: Some(header::Launch {
            instance: instance.clone(),
            manifest: escape::hex(&manifest.sha256()),
            reason: request.reason.map(str::to_owned),
        }),
        time,
        mounts,
        packages: Vec::new(),
        package_keys: Vec::new(),
        text: String::new(),
        ..manifest.header().clone()
    };
    let fault = |error| Error::cannot_write(output, &error);
    let directory = match named {
        Some(_) => None,
        None => Some(
            tree.root
                .make_dirs(split(LAUNCH.as_bytes()).0)
                .map_err(fault)?,
        ),
    };
    let mut pending =
        Pending::create(&writable(output, directory.as_ref()), MODE).map_err(fault)?;
    let mut writer = Writer::new(&mut pending, &record_header);
    for entry in &entries {
        writer.push(entry).map_err(fault)?;
    }
    let (_, sha256) = writer.finish().map_err(fault)?;
    pending.commit().map_err(fault)?;

    entries.retain(|entry| entry.role != Role::Parent);
    Ok(Launched {
        instance,
        path: output.to_owned(),
        sha256,
        entries,
        others,
    })
}

/// Compares the tree with the manifest. An error where something that the first boot may change could not be looked at.
fn compared(
    tree: &Tree,
    profile: &Profile,
    manifest: &Manifest,
    effort: &Effort<'_>,
) -> Result<Collector> {
    let header = manifest.header();
    // The seal decides what the first boot may change, not the profile of the day.
    let scope = Scope::sealed(header.path_rules.clone(), profile.path_rules.clone())
        .with_own(OwnFiles::of(&tree.root, &[manifest.path()]));
    let scan = Scan {
        root: &tree.root,
        scope: &scope,
        workers: effort.workers,
        pace: effort.pace,
        selinux: header.selinux,
        against: Baseline::Manifest(()),
        partial: false,
        mounts: Some(RecordedMounts {
            manifest: &header.mounts,
            launch: &[],
        }),
        aside: effort.aside,
        progress: effort.progress,
        belief: None,
    };
    let mut collector = Collector::default();
    let no_record = Record::default();
    let expected = no_record.over(manifest.entries());
    scan.run(expected, |deviation| {
        collector.take(deviation);
        ControlFlow::Continue(())
    })?;
    match collector.unseen.first() {
        None => Ok(collector),
        Some(path) => Err(Error::new(format!(
            "{} of the paths that the first boot may change could not be looked at, so nothing was written: {}{}",
            collector.unseen.len(),
            escape::terminal_bytes(&subject(path)),
            if collector.unseen.len() > 1 { ", …" } else { "" },
        ))
        .help("run as root, when the first boot has come to an end")),
    }
}

/// The record that stands there already; in another tree found as that tree's own links lead.
fn standing(tree: &Tree, named: Option<&Path>, output: &Path) -> Result<Option<File>> {
    if let Some(path) = named {
        return trust::open(path, Owner::RootOrCaller);
    }
    let file = tree
        .root
        .open_file(LAUNCH.as_bytes())
        .map_err(|error| Error::in_file(output, format!("cannot be opened: {error}")))?;
    if let Some(file) = &file {
        trust::judge(file, output, Owner::Agent)?;
    }
    Ok(file)
}

/// Whether a record is of that instance. One that cannot be read is not replaced unseen.
fn belongs_to(file: File, path: &Path, instance: &str) -> Result<bool> {
    let record = Manifest::parse(Measured::new(file, path, bounds::LAUNCH_RECORD, false)?)?;
    Ok(record
        .header()
        .launch
        .as_ref()
        .is_none_or(|launch| launch.instance == instance))
}

/// The path to write to: through the open directory where there is one, so that no link of the tree leads out.
fn writable(output: &Path, directory: Option<&OwnedFd>) -> PathBuf {
    match (directory, output.file_name()) {
        (Some(directory), Some(name)) => {
            PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)
        }
        _ => output.to_owned(),
    }
}
