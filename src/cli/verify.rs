//! `agent baseline verify`: the form and the seal of a manifest; without FILE those of the host's own and its amendments.

use super::args::Verify;
use super::baseline::no_manifest;
use super::print;
use crate::assess::amendments;
use crate::assess::tree::{self, Tree};
use agent_baseline::amendment::Amendment;
use agent_baseline::manifest::verified::{self, SealStatus, Trust, VerifiedManifest};
use agent_core::error::Result;
use agent_core::escape;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::trust::Owner;
use agent_core::words::counted;
use std::io::{self, Write};
use std::path::Path;

pub(super) fn run(arguments: &Verify) -> Result<u8> {
    let trust = Trust::load(arguments.trust.as_deref())?;
    match &arguments.file {
        Some(file) => {
            let verified = verified::open_named(file, Owner::RootOrCaller, &trust)?
                .ok_or_else(|| no_manifest(file))?;
            print(|out| say(out, &verified))?;
            Ok(exit(&verified))
        }
        None => own(&trust),
    }
}

/// The host's own manifest, and its amendments.
fn own(trust: &Trust) -> Result<u8> {
    let tree = Tree::open(Path::new("/"))?;
    let config = tree::config(None)?;
    let verified = tree
        .manifest(None, &config, trust)?
        .ok_or_else(|| no_manifest(&config.manifest))?;
    let (used, refused) = amendments::open(&tree, &verified, trust)?;
    print(|out| {
        say(out, &verified)?;
        for amendment in &used {
            say_amendment(out, amendment)?;
        }
        for finding in &refused {
            say_refused(out, finding)?;
        }
        Ok(())
    })?;
    let has = |verdict| refused.iter().any(|finding| finding.verdict == verdict);
    Ok(match (has(Verdict::Fail), has(Verdict::Unknown)) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => exit(&verified),
    })
}

fn exit(verified: &VerifiedManifest) -> u8 {
    match verified.seal_status {
        SealStatus::Unchecked => 3,
        SealStatus::Sealed(_) | SealStatus::Unsealed => 0,
    }
}

fn say(out: &mut dyn Write, verified: &VerifiedManifest) -> io::Result<()> {
    let manifest = &verified.manifest;
    let header = manifest.header();
    let seal = match &verified.seal_status {
        SealStatus::Sealed(signer) => format!(
            "sealed by {} ({}, {})",
            signer.principal, signer.fingerprint, signer.key_type
        ),
        SealStatus::Unchecked => {
            "there is a seal, and no signer is trusted on this host: name one with --trust".into()
        }
        SealStatus::Unsealed => "not sealed: whoever can write the file can change it".into(),
    };
    writeln!(
        out,
        "{}: well formed, {}",
        escape::terminal_path(manifest.path()),
        counted(manifest.len(), "path")
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
}

fn say_amendment(out: &mut dyn Write, amendment: &Amendment) -> io::Result<()> {
    let header = &amendment.header;
    writeln!(
        out,
        "{}: amendment, {}",
        escape::terminal_path(&amendment.path),
        counted(amendment.entries.len() as u64, "path")
    )?;
    writeln!(out, "SHA-256  {}", escape::hex(&amendment.sha256))?;
    let seal = match amendments::signer(amendment) {
        Some(signer) => format!("sealed by {signer}"),
        None => "not sealed by a signer that is trusted here".into(),
    };
    let host = header.host.as_deref();
    for (word, value) in [
        ("seal", seal.as_str()),
        ("for", host.unwrap_or("all hosts of the image")),
        ("reason", &header.reason),
        ("by", &header.by),
        ("at", &header.at),
    ] {
        writeln!(out, "{word:8} {}", escape::terminal_text(value))?;
    }
    Ok(())
}

fn say_refused(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let path = escape::terminal_bytes(&finding.subject);
    let verdict = finding.verdict.name();
    let message = escape::terminal_text(&finding.message);
    writeln!(out, "{path}: {verdict}: {message}")
}
