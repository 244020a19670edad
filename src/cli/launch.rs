//! `agent baseline launch`: what the first boot changed, put on the record once.

use super::args::Launch;
use super::inputs::{self, LAUNCH, Tree};
use super::print;
use crate::error::{Error, Result};
use crate::escape;
use crate::files::deviation::Against;
use crate::files::launch::{Collector, MAX_ENTRIES, MAX_RECORD, Record, refuse_second};
use crate::files::scan::{Progress, Scan};
use crate::files::scope::Scope;
use crate::manifest::header::{self, Header};
use crate::manifest::order::split;
use crate::manifest::read::{Manifest, Measured};
use crate::manifest::subject;
use crate::manifest::vouch::Trust;
use crate::manifest::write::Writer;
use crate::os::atomic::Pending;
use crate::os::limits;
use crate::os::trust::{self, Owner};
use crate::report::output::cannot_write;
use crate::report::progress;
use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The record names accounts' files and keys' digests: nobody else's business.
const MODE: u16 = 0o600;

pub(super) fn run(arguments: &Launch) -> Result<u8> {
    limits::raise_open_files();
    let tree = Tree::open(&arguments.root)?;
    let config = inputs::config(None)?;
    let profile = tree.profile(arguments.profile.as_deref().unwrap_or(&config.profile))?;
    let trust = Trust::load(None)?;
    let vouched = tree
        .manifest(arguments.manifest.as_deref(), &config, &trust)?
        .ok_or_else(|| {
            Error::new("there is no manifest that the first boot could be compared with")
                .help("`agent baseline create --output FILE` makes one while the image is baked")
        })?;
    let manifest = &vouched.manifest;
    let instance = tree.host.binding().ok_or_else(|| {
        Error::new("the tree has neither an instance id (DMI) nor a machine id: a record could belong to anybody")
            .help("run it on the instance, after its first boot")
    })?;
    let named = arguments.output.as_deref();
    let output = match named {
        Some(path) => path.to_owned(),
        None => tree.root.path().join(&LAUNCH[1..]),
    };
    let output = output.as_path();
    if !arguments.again
        && let Some(file) = standing(&tree, named, output)?
        && belongs_to(file, output, &instance)?
    {
        return Err(refuse_second(output));
    }

    let header = manifest.header();
    // The seal decides what the first boot may change, not the profile of the day.
    let scope = Scope::sealed(header.cover.clone(), profile.cover.clone());
    let counts = Progress::default();
    let scan = Scan {
        root: &tree.root,
        scope: &scope,
        threads: inputs::threads(None),
        pace: None,
        selinux: header.selinux,
        against: Against::Manifest,
        progress: &counts,
    };
    let mut collector = Collector::default();
    let expected = Record::default().over(manifest.entries());
    progress::shown(true, &counts, Some(manifest.len()), || {
        scan.run(expected, |deviation| {
            collector.take(deviation);
            ControlFlow::Continue(())
        })
    })?;
    if let Some(path) = collector.unseen.first() {
        return Err(Error::new(format!(
            "{} of the paths that the first boot may change could not be looked at, so nothing was written: {}{}",
            collector.unseen.len(),
            escape::terminal_bytes(&subject(path)),
            if collector.unseen.len() > 1 { ", …" } else { "" },
        ))
        .help("run as root, when the first boot has come to an end"));
    }
    let others = collector.others;
    let entries = collector.into_entries();
    if entries.len() as u64 > MAX_ENTRIES {
        return Err(Error::new(format!(
            "{} paths differ from the manifest: more than a first boot changes ({MAX_ENTRIES})",
            entries.len()
        ))
        .help("find out what happened to the host; `agent check` lists the paths"));
    }

    let record_header = Header {
        launch: Some(header::Launch {
            instance: instance.clone(),
            manifest: escape::hex(&manifest.sha256()),
            reason: arguments.reason.clone(),
        }),
        time: super::baseline::now(),
        ..header.clone()
    };
    let fault = |error| cannot_write(output, &error);
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

    let on_record = entries
        .iter()
        .filter(|e| e.role != crate::manifest::Role::Parent)
        .count();
    print(|out| {
        writeln!(
            out,
            "Recorded what the first boot of {instance} changed: {on_record} paths, in {} (SHA-256 {})",
            escape::terminal_path(output),
            escape::hex(&sha256),
        )?;
        if others > 0 {
            writeln!(
                out,
                "{others} other deviations are not the first boot's to make: `agent check` lists them"
            )?;
        }
        Ok(())
    })?;
    Ok(0)
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
        trust::judge(file, output, Owner::RootOrCaller)?;
    }
    Ok(file)
}

/// Whether a record is of that instance. One that cannot be read is not replaced unseen.
fn belongs_to(file: File, path: &Path, instance: &str) -> Result<bool> {
    let record = Manifest::parse(Measured::new(file, path, MAX_RECORD, false)?)?;
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
