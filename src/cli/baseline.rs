//! `agent baseline create | verify | diff | export`.

use super::args::{Create, Diff, Export, ExportFormat, TextOrJson, Verify};
use super::{hint, placing, print};
use crate::assess::explained;
use crate::assess::tree::{self, Tree};
use crate::report::progress;
use agent_baseline::manifest::Entry;
use agent_baseline::manifest::diff::{Difference, differences};
use agent_baseline::manifest::header::Header;
use agent_baseline::manifest::read::{Manifest, Measured};
use agent_baseline::manifest::verified::{self, Standing, Trust};
use agent_baseline::manifest::write::Writer;
use agent_core::attributes::{Attribute, AttributeSet, Digest, FileType};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::finding;
use agent_core::os::atomic::Pending;
use agent_core::os::limits;
use agent_core::os::trust::{self, Owner};
use agent_core::paths::subject;
use agent_packages::{Kind, detect};
use agent_scan::files::record;
use agent_scan::files::scan::Progress;
use agent_scan::files::scope::Scope;
use serde_json::json;
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
    let header = Header {
        profile: profile.name.clone(),
        profile_digest: profile.digest(),
        path_rules: profile.path_rules.clone(),
        selinux,
        time: now(),
        os: tree.host.os.clone(),
        packages: packages(&tree),
        package_keys: agent_evidence::rpm_keys(&tree.root),
        ..Header::default()
    };
    let scope = Scope::current(profile.path_rules.clone());
    let counts = Progress::default();
    let writer = Writer::new(&mut pending, &header);
    let recorded = progress::shown(true, &counts, None, || {
        record::record(
            &tree.root,
            &scope,
            tree::workers(None),
            selinux,
            &counts,
            writer,
            output,
        )
    })?;

    placing::seal_and_put(pending, output, &recorded.sha256, key.as_ref())?;

    for path in &recorded.mounts {
        hint(&format!(
            "not recorded: what is mounted at {} (its entry in the profile does not set cross_mounts)",
            escape::terminal_bytes(&subject(path))
        ));
    }
    print(|out| {
        writeln!(
            out,
            "Recorded {} paths of {} under profile {} in {} (SHA-256 {})",
            recorded.entries,
            escape::terminal_path(tree.root.path()),
            profile.name,
            escape::terminal_path(output),
            escape::hex(&recorded.sha256),
        )?;
        placing::say_seal(out, output, key.as_ref())
    })?;
    Ok(0)
}

/// The packages of the tree. Where they cannot be told, no change will be explained by one that was there.
fn packages(tree: &Tree) -> Vec<String> {
    if detect(&tree.root) == Kind::None {
        return Vec::new();
    }
    explained::lines(&tree.root).unwrap_or_else(|why| {
        hint(&format!("the packages of the tree are not recorded: {why}"));
        Vec::new()
    })
}

pub(super) fn verify(arguments: &Verify) -> Result<u8> {
    let trust = Trust::load(arguments.trust.as_deref())?;
    let verified = verified::open_named(&arguments.file, Owner::RootOrCaller, &trust)?
        .ok_or_else(|| no_manifest(&arguments.file))?;
    let manifest = &verified.manifest;
    let header = manifest.header();
    let (exit, seal) = match &verified.standing {
        Standing::Sealed(signer) => (
            0,
            format!(
                "sealed by {} ({}, {})",
                signer.principal, signer.fingerprint, signer.key_type
            ),
        ),
        Standing::Unchecked => (
            3,
            "there is a seal, and no signer is trusted on this host: name one with --trust".into(),
        ),
        Standing::Unsealed => (
            0,
            "not sealed: whoever can write the file can change it".into(),
        ),
    };
    print(|out| {
        writeln!(
            out,
            "{}: well formed, {} entries",
            escape::terminal_path(&arguments.file),
            manifest.len()
        )?;
        writeln!(out, "SHA-256  {}", escape::hex(&manifest.sha256()))?;
        writeln!(out, "seal     {}", escape::terminal_text(&seal))?;
        writeln!(out, "profile  {} {}", header.profile, header.profile_digest)?;
        for (word, value) in [("made", &header.time), ("of", &header.os)] {
            if !value.is_empty() {
                writeln!(out, "{word:8} {}", escape::terminal_text(value))?;
            }
        }
        if let Some(launch) = &header.launch {
            writeln!(
                out,
                "launch record of {} under manifest {}",
                escape::terminal_text(&launch.instance),
                launch.manifest
            )?;
        }
        Ok(())
    })?;
    Ok(exit)
}

/// Opens a manifest to look at: its seal is `verify`'s business.
fn open(path: &Path) -> Result<Manifest> {
    let file = trust::open(path, Owner::RootOrCaller)?.ok_or_else(|| no_manifest(path))?;
    Manifest::parse(Measured::new(file, path, bounds::MANIFEST, false)?)
}

fn no_manifest(path: &Path) -> Error {
    Error::in_file(path, "no such file, expected a manifest")
        .help("`agent baseline create --output FILE` makes one")
}

pub(super) fn diff(arguments: &Diff) -> Result<u8> {
    let old = open(&arguments.old)?;
    let new = open(&arguments.new)?;
    let mut count = 0u64;
    let mut failed = None;
    print(|out| {
        if old.header().path_rules != new.header().path_rules {
            count += 1;
            let (a, b) = (old.header(), new.header());
            match arguments.format {
                TextOrJson::Text => writeln!(
                    out,
                    "profile  {} {} is now {} {}: they do not cover the same",
                    a.profile, a.profile_digest, b.profile, b.profile_digest
                )?,
                TextOrJson::Json => writeln!(
                    out,
                    "{}",
                    json!({"kind": "difference", "change": "profile", "path": null, "changed": null,
                        "old": {"profile": a.profile, "sha256": a.profile_digest},
                        "new": {"profile": b.profile, "sha256": b.profile_digest}})
                )?,
            }
        }
        for difference in differences(old.entries(), new.entries()) {
            match difference {
                Ok(difference) => {
                    count += 1;
                    show_difference(out, arguments.format, &difference)?;
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        match arguments.format {
            TextOrJson::Text if count == 0 => writeln!(out, "equal: {} entries", new.len()),
            TextOrJson::Text => Ok(()),
            TextOrJson::Json => {
                writeln!(out, "{}", json!({"kind": "summary", "differences": count}))
            }
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(u8::from(count > 0)),
    }
}

fn show_difference(
    out: &mut dyn Write,
    format: TextOrJson,
    difference: &Difference,
) -> io::Result<()> {
    let (word, entry, changed) = match difference {
        Difference::Added(entry) => ("added", entry, AttributeSet::NONE),
        Difference::Removed(entry) => ("removed", entry, AttributeSet::NONE),
        Difference::Changed { new, changed, .. } => ("changed", &**new, *changed),
    };
    let names: Vec<&str> = changed.iter().map(Attribute::name).collect();
    match format {
        TextOrJson::Text => {
            let path = escape::terminal_bytes(&entry.subject());
            match names.is_empty() {
                true => writeln!(out, "{word:8} {path}"),
                false => writeln!(out, "{word:8} {path}  {}", names.join(", ")),
            }
        }
        TextOrJson::Json => {
            let all = AttributeSet::ALL;
            let (old, new) = match difference {
                Difference::Added(entry) => (None, Some(finding::evidence(&entry.attributes, all))),
                Difference::Removed(entry) => {
                    (Some(finding::evidence(&entry.attributes, all)), None)
                }
                Difference::Changed { old, new, changed } => (
                    Some(finding::evidence(&old.attributes, *changed)),
                    Some(finding::evidence(&new.attributes, *changed)),
                ),
            };
            let mut object = json!({"kind": "difference", "change": word});
            put_path(&mut object, entry);
            object["changed"] = json!((!names.is_empty()).then_some(names));
            object["old"] = json!(old);
            object["new"] = json!(new);
            writeln!(out, "{object}")
        }
    }
}

/// `path`, and `path_base64` where it is not UTF-8.
fn put_path(object: &mut serde_json::Value, entry: &Entry) {
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
