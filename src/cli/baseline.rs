//! `agent baseline create | export`.

use super::args::{Create, Export, ExportFormat};
use super::{hint, placing, print};
use crate::assess::tree::{self, Tree};
use crate::report::progress;
use agent_baseline::manifest::Entry;
use agent_baseline::manifest::header::{Header, Package};
use agent_baseline::manifest::read::{Manifest, Measured};
use agent_baseline::manifest::write::Writer;
use agent_core::attributes::{AttributeSet, Digest, FileType};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::finding;
use agent_core::os::atomic::Pending;
use agent_core::os::limits;
use agent_core::os::trust::{self, Owner};
use agent_core::paths::subject;
use agent_core::words::counted;
use agent_packages::{Database, DatabaseKind, detect};
use agent_scan::files::mounted;
use agent_scan::files::own::OwnFiles;
use agent_scan::files::record::{self, Recording};
use agent_scan::files::scan::Progress;
use agent_scan::files::scope::Scope;
use agent_scan::files::texts;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};
use std::path::Path;

pub(super) fn create(arguments: &Create) -> Result<u8> {
    limits::raise_open_files();
    let key = placing::key(arguments.sign_key.as_deref())?;
    let tree = Tree::open(&arguments.root)?;
    let profile = tree.profile(arguments.profile.as_deref().unwrap_or("auto"))?;
    let output = &arguments.output;
    let fault = |error| Error::cannot_write(output, &error);
    let mut pending = Pending::create(output, placing::MODE).map_err(fault)?;

    let selinux = tree::labelled(&tree.root)?;
    let (packages, owners) = packages(&tree);
    let scope =
        Scope::current(profile.path_rules.clone()).with_own(OwnFiles::of(&tree.root, &[output]));
    let (kept, without_text) = texts::collect(&tree.root, &scope);
    let text = kept.to_bytes();
    let header = Header {
        text: match kept.is_empty() {
            true => String::new(),
            false => escape::hex(&Sha256::digest(&text)),
        },
        profile: profile.name.clone(),
        profile_digest: profile.digest(),
        path_rules: profile.path_rules.clone(),
        selinux,
        time: now(),
        os: tree.host.os.clone(),
        mounts: mounted::lines(&tree.root, &scope),
        packages,
        package_keys: agent_evidence::rpm_keys(&tree.root),
        launch: None,
    };
    let counts = Progress::default();
    let writer = Writer::new(&mut pending, &header);
    let recorded = progress::shown(true, &counts, None, || {
        let recording = Recording {
            root: &tree.root,
            scope: &scope,
            workers: tree::workers(None),
            selinux,
            texts: &kept,
            owners: owners.as_ref(),
        };
        record::record(&recording, &counts, writer, output)
    })?;

    placing::put_text(output, (!kept.is_empty()).then_some(&text))?;
    placing::seal_and_put(pending, output, &recorded.sha256, key.as_ref(), None)?;

    if let Some(told) = &profile.stands_in {
        hint(told);
    }
    if let Some(first) = without_text.first() {
        hint(&format!(
            "no text is kept of {}, {} the first: all texts together are larger than {} MiB, and of these no changed lines will be told",
            counted(without_text.len() as u64, "path"),
            escape::terminal_bytes(&subject(first)),
            bounds::KEPT_TEXTS >> 20,
        ));
    }
    for path in &recorded.mounts {
        hint(&format!(
            "not recorded: what is mounted at {} (its entry in the profile does not set cross_mounts)",
            escape::terminal_bytes(&subject(path))
        ));
    }
    print(|out| {
        writeln!(
            out,
            "Recorded {} of {} under profile {} in {} (SHA-256 {})",
            counted(recorded.entries, "path"),
            escape::terminal_path(tree.root.path()),
            profile.name,
            escape::terminal_path(output),
            escape::hex(&recorded.sha256),
        )?;
        placing::say_seal(out, output, key.as_ref())
    })?;
    Ok(0)
}

/// The installed packages, and which paths they own; less where there is no database, or it cannot be read whole.
fn packages(tree: &Tree) -> (Vec<Package>, Option<Database>) {
    let root = &tree.root;
    let database = match detect(root) {
        DatabaseKind::Dpkg => Database::load_dpkg(root),
        DatabaseKind::Rpm => Database::load_rpm(root),
        DatabaseKind::None => return (Vec::new(), None),
    };
    let unread = |why: &dyn std::fmt::Display| {
        hint(&format!(
            "the manifest will not say which packages there were: {why}"
        ));
    };
    let database = database.map_err(|error| unread(&error)).ok();
    let installed = agent_packages::installed(root).map_err(|why| unread(&why));
    let is_word = |text: &str| {
        let odd = |c: char| c.is_whitespace() || c.is_control();
        !text.is_empty() && !text.contains(odd)
    };
    let installed = installed.unwrap_or_default().packages.into_iter();
    let packages = installed.filter(|package| is_word(&package.name) && is_word(&package.version));
    let packages = packages.map(|package| Package {
        arch: match is_word(&package.arch) {
            true => package.arch,
            // rpm's keys are packages without one.
            false => "-".into(),
        },
        name: package.name,
        version: package.version,
    });
    (packages.collect(), database)
}

/// Opens a manifest to look at: its seal is `verify`'s business.
pub(super) fn open(path: &Path) -> Result<Manifest> {
    let file = trust::open(path, Owner::RootOrCaller)?.ok_or_else(|| no_manifest(path))?;
    Manifest::parse(Measured::new(file, path, bounds::MANIFEST, false)?)
}

pub(super) fn no_manifest(path: &Path) -> Error {
    Error::in_file(path, "no such file, expected a manifest")
        .help("`agent baseline create --output FILE` makes one")
}

/// `path`, and `path_base64` where it is not UTF-8.
pub(super) fn put_path(object: &mut serde_json::Value, entry: &Entry) {
    use base64ct::Encoding;
    let subject = entry.subject();
    let (text, whole) = escape::lossless_text(&subject);
    object["path"] = json!(text);
    if !whole {
        object["path_base64"] = json!(base64ct::Base64::encode_string(&subject));
    }
}

pub(super) fn export(arguments: &Export) -> Result<u8> {
    let manifest = open(&arguments.file)?;
    let mut failed = None;
    print(|out| {
        if arguments.format == ExportFormat::Mtree {
            return match manifest.copy_to(out) {
                Ok(written) => written,
                Err(error) => {
                    failed = Some(error);
                    Ok(())
                }
            };
        }
        for entry in manifest.entries() {
            match entry {
                Ok(entry) if arguments.format == ExportFormat::Json => {
                    let mut object = json!({});
                    put_path(&mut object, &entry);
                    let attributes = finding::evidence(&entry.attributes, AttributeSet::ALL);
                    object["attributes"] = attributes;
                    writeln!(out, "{object}")?;
                }
                Ok(entry) => sum_line(out, &entry)?,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        Ok(())
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(0),
    }
}

/// A line as sha256sum(1) writes it: names with a newline or a backslash are escaped, and the line says so.
fn sum_line(out: &mut dyn Write, entry: &Entry) -> io::Result<()> {
    let (FileType::File, Some(Digest::Sha256(digest))) =
        (entry.attributes.kind, &entry.attributes.digest)
    else {
        return Ok(());
    };
    let odd = entry
        .path
        .iter()
        .any(|b| matches!(b, b'\n' | b'\\' | b'\r'));
    let mut name = Vec::with_capacity(entry.path.len() + 2);
    for &byte in &entry.path {
        match byte {
            b'\n' => name.extend(b"\\n"),
            b'\r' => name.extend(b"\\r"),
            b'\\' => name.extend(b"\\\\"),
            byte => name.push(byte),
        }
    }
    let mark: &[u8] = if odd { b"\\" } else { b"" };
    out.write_all(&[mark, escape::hex(digest).as_bytes(), b"  ./", &name, b"\n"].concat())
}

/// The present time for headers; SOURCE_DATE_EPOCH, where it is set, so that two builds of one image
/// give one manifest (<https://reproducible-builds.org/specs/source-date-epoch/>).
pub(super) fn now() -> String {
    let fixed = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok())
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let time = fixed.unwrap_or_else(jiff::Timestamp::now);
    format!("{time:.0}")
}
