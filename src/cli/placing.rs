//! Putting a manifest and its seal in place: both whole, or neither.

use super::hint;
use agent_baseline::manifest::verified::{self, Trust};
use agent_baseline::texts::text_path;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::atomic::Pending;
use sshsig::{HashAlgorithm, SigningKey};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The manifest holds digests of secret files, the seal belongs to it.
pub(super) const MODE: u16 = 0o600;

/// A key to seal with, and where it came from.
pub(super) struct Key {
    path: PathBuf,
    key: SigningKey,
}

/// Loads the key, so that one that cannot be used is noticed before the work and not after it.
pub(super) fn key(path: Option<&Path>) -> Result<Option<Key>> {
    let load = |path: &Path| {
        let key =
            SigningKey::load(path).map_err(|error| Error::in_file(path, error.to_string()))?;
        Ok(Key {
            path: path.to_owned(),
            key,
        })
    };
    path.map(load).transpose()
}

/// Seals what was written to `pending` and puts both in place; without a key an older seal is removed. A seal that
/// `judge` would not take leaves all as it was.
pub(super) fn seal_and_put(
    pending: Pending,
    output: &Path,
    sha256: &[u8; 32],
    key: Option<&Key>,
    judge: Option<&Trust>,
) -> Result<()> {
    // Signed before anything is put in place: a key that fails leaves all as it was.
    let sign = |key: &Key| {
        key.key
            .sign(HashAlgorithm::Sha256, sha256)
            .map_err(|error| Error::in_file(&key.path, error.to_string()))
    };
    let seal = key.map(sign).transpose()?;
    if let (Some(seal), Some(trust)) = (&seal, judge) {
        trust.judge(seal.as_bytes(), sha256)?;
    }
    let seal_path = verified::seal_path(output);
    let seal_fault = |error| Error::cannot_write(&seal_path, &error);
    // Both are whole on the disk before either is put in place: a full disk leaves all as it was.
    let pending_seal = match &seal {
        Some(seal) => {
            let mut pending = Pending::create(&seal_path, MODE).map_err(seal_fault)?;
            pending.write_all(seal.as_bytes()).map_err(seal_fault)?;
            pending.file().sync_all().map_err(seal_fault)?;
            Some(pending)
        }
        None => None,
    };
    pending
        .commit()
        .map_err(|error| Error::cannot_write(output, &error))?;
    // Should it end here, the manifest has another's seal: it is not trusted.
    let removed_seal = match pending_seal {
        Some(pending) => pending.commit().map(|()| false),
        None => match std::fs::remove_file(&seal_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        },
    }
    .map_err(seal_fault)?;
    if removed_seal {
        hint(&format!(
            "removed {}: it sealed the manifest that stood there before",
            escape::terminal_path(&seal_path)
        ));
    }
    Ok(())
}

/// Puts the texts that go with a manifest beside it; those of another manifest are taken away where there are none. Before
/// the manifest: should it end in between, they are not those that the manifest there has the digest of.
pub(super) fn put_text(output: &Path, text: Option<&Vec<u8>>) -> Result<()> {
    let path = text_path(output);
    let fault = |error| Error::cannot_write(&path, &error);
    match text {
        Some(text) => {
            let mut pending = Pending::create(&path, MODE).map_err(fault)?;
            pending.write_all(text).map_err(fault)?;
            pending.commit().map_err(fault)
        }
        None => match std::fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(fault),
        },
    }
}

/// Says with what the manifest was sealed, or how to do it.
pub(super) fn say_seal(out: &mut dyn Write, output: &Path, key: Option<&Key>) -> io::Result<()> {
    match key {
        Some(key) => writeln!(
            out,
            "Sealed with {} in {}",
            key.key.fingerprint(),
            escape::terminal_path(&verified::seal_path(output))
        ),
        None => writeln!(
            out,
            "Not sealed: ssh-keygen -Y sign -n host-integrity-agent -f KEY {}",
            escape::terminal_path(output)
        ),
    }
}
