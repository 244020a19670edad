//! `agent baseline accept`: a change that was meant enters the manifest, with the reason, and is sealed.

use super::args::Accept;
use super::{baseline, hint, placing, print};
use crate::assess::tree::{self, Tree};
use agent_baseline::manifest::diff::Difference;
use agent_baseline::manifest::header::Accepted;
use agent_baseline::manifest::verified::Trust;
use agent_baseline::manifest::write::Writer;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::atomic::Pending;
use agent_core::os::limits;
use agent_scan::files::amend::{Amended, amend};
use agent_scan::files::scope::Scope;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Differences that are listed; more are counted.
const LISTED: usize = 50;

pub(super) fn run(arguments: &Accept) -> Result<u8> {
    limits::raise_open_files();
    let key = placing::key(arguments.sign_key.as_deref())?;
    let tree = Tree::open(Path::new("/"))?;
    let config = tree::config(None)?;
    let trust = Trust::load(None)?;
    let verified = tree
        .manifest(arguments.manifest.as_deref(), &config, &trust)?
        .ok_or_else(|| {
            Error::new("there is no manifest that a change could be accepted into")
                .help("`agent baseline create --output FILE` makes one")
        })?;
    let manifest = &verified.manifest;
    if manifest.header().launch.is_some() {
        return Err(Error::in_file(manifest.path(), "is a launch record")
            .help("`agent baseline launch --again --reason TEXT` writes it anew"));
    }
    let paths = arguments.paths.iter().map(|path| relative(path));
    let paths = paths.collect::<Result<Vec<Vec<u8>>>>()?;
    let time = baseline::now();
    let mut header = manifest.header().clone();
    header
        .accepted
        .extend(paths.iter().cloned().map(|path| Accepted {
            time: time.clone(),
            path,
            reason: arguments.reason.clone(),
        }));
    let output = arguments.output.as_deref().unwrap_or(manifest.path());
    let fault = |error| Error::cannot_write(output, &error);
    let mut pending = Pending::create(output, placing::MODE).map_err(fault)?;
    let mut writer = Writer::new(&mut pending, &header);
    let scope = Scope::current(header.path_rules.clone());
    let mut differences = Vec::new();
    amend(
        &tree.root,
        &scope,
        header.selinux,
        &Amended::new(paths),
        manifest.entries(),
        |entry| writer.push(entry).map_err(fault),
        |difference| differences.push(difference),
    )?;
    let (_, sha256) = writer.finish().map_err(fault)?;
    placing::seal_and_put(pending, output, &sha256, key.as_ref())?;
    if Path::new(tree::LAUNCH).exists() {
        hint(&format!(
            "{} belongs to the manifest as it was: agent baseline launch --again --reason TEXT",
            tree::LAUNCH
        ));
    }
    print(|out| {
        for difference in differences.iter().take(LISTED) {
            say(out, difference)?;
        }
        if differences.len() > LISTED {
            writeln!(out, "… and {} more", differences.len() - LISTED)?;
        }
        writeln!(
            out,
            "Accepted {} differences into {} (SHA-256 {})",
            differences.len(),
            escape::terminal_path(output),
            escape::hex(&sha256),
        )?;
        placing::say_seal(out, output, key.as_ref())
    })?;
    Ok(0)
}

fn say(out: &mut dyn Write, difference: &Difference) -> std::io::Result<()> {
    let (word, entry, names) = match difference {
        Difference::Added(entry) => ("added", entry, String::new()),
        Difference::Removed(entry) => ("removed", entry, String::new()),
        Difference::Changed { new, changed, .. } => {
            let names: Vec<&str> = changed.iter().map(|attribute| attribute.name()).collect();
            ("changed", &**new, format!("  {}", names.join(", ")))
        }
    };
    let path = escape::terminal_bytes(&entry.subject());
    writeln!(out, "{word:8} {path}{names}")
}

/// The path as manifests have it. No link is followed and nothing is taken out: what was typed is what is meant.
fn relative(path: &Path) -> Result<Vec<u8>> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::in_file(path, format!("is no path: {error}")))?;
    let mut names: Vec<&[u8]> = Vec::new();
    for component in absolute.components() {
        match component {
            Component::Normal(name) => names.push(name.as_bytes()),
            Component::ParentDir => {
                return Err(Error::in_file(path, "holds `..`").help("name the path without it"));
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(names.join(&b'/'))
}
