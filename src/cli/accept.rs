//! `agent baseline accept`: a change that was meant is put on record with the reason, in an amendment of its own.

use super::args::Accept;
use super::{baseline, hint, placing, print, who};
use crate::assess::accept::{self, AmendmentRequest, Draft, What};
use crate::assess::tree::{self, Tree};
use agent_baseline::amendment::load::DIRECTORY;
use agent_baseline::manifest::verified::Trust;
use agent_baseline::manifest::write::Writer;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::atomic::Pending;
use agent_core::os::limits;
use agent_core::paths::subject;
use agent_core::words::counted;
use agent_scan::files::amend::Accepted;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Differences that are listed; more are counted.
const LISTED: usize = 50;

pub(super) fn run(arguments: &Accept) -> Result<u8> {
    limits::raise_open_files();
    let key = placing::key(arguments.sign_key.as_deref())?;
    let trust = Trust::load(None)?;
    if trust.wants_seal() && key.is_none() && arguments.output.is_none() {
        return Err(Error::new(
            "signers are trusted on this host, so an amendment without a seal counts for nothing",
        )
        .help("seal it here with --sign-key KEY (best a public key whose other half a forwarded ssh-agent holds), or write it with --output FILE and seal it elsewhere"));
    }
    let tree = Tree::open(&arguments.root)?;
    let config = tree::config(None)?;
    let profile = tree.profile(&config.profile)?;
    let paths = arguments.paths.iter().map(|path| relative(path));
    let at = baseline::now();
    let request = AmendmentRequest {
        what: match arguments.explained {
            true => What::Explained,
            false => What::Paths(paths.collect::<Result<_>>()?),
        },
        manifest: arguments.manifest.as_deref(),
        seen: arguments.seen.as_deref(),
        portable: arguments.portable,
        reason: arguments.reason.clone(),
        by: who::am_i(),
        at: at.clone(),
    };
    let draft = accept::draft(&tree, &profile, &config, &trust, request)?;
    let place = match &arguments.output {
        Some(output) => OutputPath::named(output),
        None => OutputPath::own(&tree, arguments.portable, &at)?,
    };
    let fault = |error| Error::cannot_write(&place.shown, &error);
    let mut pending = Pending::create(&place.path, placing::MODE).map_err(fault)?;
    let mut writer = Writer::amendment(&mut pending, &draft.header);
    for entry in &draft.entries {
        writer.push(entry).map_err(fault)?;
    }
    let (_, sha256) = writer.finish().map_err(fault)?;
    // One that would count for nothing where it lies is not put there.
    let judge = arguments.output.is_none().then_some(&trust);
    placing::seal_and_put(pending, &place.path, &sha256, key.as_ref(), judge)?;
    if arguments.output.is_some() {
        hint(&format!(
            "it counts once it lies in {DIRECTORY}, with its seal beside it where the manifest has one"
        ));
    }
    print(|out| {
        say(out, &draft)?;
        writeln!(
            out,
            "Accepted {} in {} (SHA-256 {})",
            counted(draft.accepted.len() as u64, "difference"),
            escape::terminal_path(&place.shown),
            escape::hex(&sha256),
        )?;
        placing::say_seal(out, &place.shown, key.as_ref())
    })?;
    Ok(0)
}

fn say(out: &mut dyn Write, draft: &Draft) -> std::io::Result<()> {
    for accepted in draft.accepted.iter().take(LISTED) {
        let Accepted { entry, changed, .. } = accepted;
        let word = match (&accepted.before, &accepted.now) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        let names: Vec<&str> = changed.iter().map(|attribute| attribute.name()).collect();
        let path = escape::terminal_bytes(&subject(&entry.path));
        let line = format!("{word:8} {path}  {}", names.join(", "));
        writeln!(out, "{}", line.trim_end())?;
    }
    match draft.accepted.len().saturating_sub(LISTED) {
        0 => Ok(()),
        more => writeln!(out, "… and {more} more"),
    }
}

/// Where an amendment is put.
struct OutputPath {
    /// To write to.
    path: PathBuf,
    /// As people know it.
    shown: PathBuf,
    /// Keeps the directory that `path` leads through.
    _directory: Option<OwnedFd>,
}

impl OutputPath {
    fn named(output: &Path) -> OutputPath {
        OutputPath {
            path: output.to_owned(),
            shown: output.to_owned(),
            _directory: None,
        }
    }

    /// A free name in the tree's own directory of amendments, through an open handle: no link of the tree leads out.
    fn own(tree: &Tree, portable: bool, at: &str) -> Result<OutputPath> {
        let shown = tree.root.path().join(&DIRECTORY[1..]);
        let fault = |error| Error::cannot_write(&shown, &error);
        let directory = tree.root.make_dirs(DIRECTORY.as_bytes()).map_err(fault)?;
        let stem: String = at.chars().filter(char::is_ascii_alphanumeric).collect();
        let within = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        // By name they stand in the order in which they were made, and one for all hosts never takes a host's name.
        let whose = if portable { "image" } else { "host" };
        let names = (1u32..).map(|number| format!("{whose}-{stem}-{number:02}.mtree"));
        let is_free = |name: &String| {
            let taken = |path: &Path| std::fs::symlink_metadata(path).is_ok();
            let path = within.join(name);
            !taken(&path) && !taken(&agent_baseline::manifest::verified::seal_path(&path))
        };
        let mut free = names.filter(is_free);
        let name = free.next().unwrap_or_default();
        Ok(OutputPath {
            path: within.join(&name),
            shown: shown.join(&name),
            _directory: Some(directory),
        })
    }
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
