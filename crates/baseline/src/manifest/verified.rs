//! Opening a manifest: who vouches for it, before anything of it is parsed.

use super::read::{Manifest, Measured};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::os::root::Root;
use agent_core::os::trust::{self, Owner};
use sha2::{Digest, Sha256};
use sshsig::{HashAlgorithm, Seal, Signer, Signers};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// The place of the keys that may seal manifests.
pub const TRUSTED_SIGNERS: &str = "/etc/host-integrity-agent/trusted_signers";

/// Who may seal manifests.
#[derive(Debug)]
pub struct Trust {
    signers: Signers,
    file: PathBuf,
    configured: bool,
    digest: [u8; 32],
}

impl Trust {
    /// Reads the signers: from the file of that option, else from the host's own.
    ///
    /// An option means that a seal is wanted, whatever its file holds.
    pub fn load(option: Option<&Path>) -> Result<Trust> {
        let (path, owner) = match option {
            Some(path) => (path, Owner::RootOrCaller),
            None => (Path::new(TRUSTED_SIGNERS), Owner::Root),
        };
        let text = match trust::open(path, owner)? {
            Some(file) => trust::read(&file, path, bounds::SIGNERS)?,
            None if option.is_some() => {
                return Err(
                    Error::in_file(path, "no such file, expected trusted signers").help(
                        "one line a signer, as ssh-keygen(1) ALLOWED SIGNERS: NAME KEYTYPE KEY",
                    ),
                );
            }
            None => Vec::new(),
        };
        let signers =
            Signers::parse(&text).map_err(|error| Error::in_file(path, error.to_string()))?;
        Ok(Trust {
            configured: option.is_some() || !signers.is_empty(),
            signers,
            file: path.to_owned(),
            digest: Sha256::digest(&text).into(),
        })
    }

    /// A seal that may not be believed is no seal, where one is wanted.
    fn refusal<T>(&self, seal: Result<T>) -> Result<T> {
        seal.map_err(|error| match self.configured {
            true => error.untrusted(),
            false => error,
        })
    }

    /// SHA-256 of the list.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// An error where signers are configured and none of them made that seal of a file with that SHA-256.
    pub fn judge(&self, seal: &[u8], sha256: &[u8; 32]) -> Result<()> {
        if !self.configured {
            return Ok(());
        }
        let refused = |why: String| {
            Error::new(format!("the seal would not count on this host: {why}"))
                .help(format!("seal with a key that {} has", self.file.display()))
        };
        let seal = Seal::parse(seal).map_err(|error| refused(error.to_string()))?;
        sshsig::verify(&seal, sha256, &self.signers, SystemTime::now())
            .map(drop)
            .map_err(|distrust| refused(distrust.to_string()))
    }

    /// Whether a manifest without a good seal is refused.
    pub fn wants_seal(&self) -> bool {
        self.configured
    }
}

/// What is known of a manifest's seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealStatus {
    /// A trusted signer sealed exactly these bytes.
    Sealed(Signer),
    /// There is a seal, and no signer is trusted on this host.
    Unchecked,
    /// There is no seal, and no signer is trusted on this host.
    Unsealed,
}

/// A manifest that may be used, and how far it is to be believed.
#[derive(Debug)]
pub struct VerifiedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// Its seal.
    pub seal_status: SealStatus,
}

/// The host's own manifest, for all who ask for it during one run: whoever opens it first leaves it here.
///
/// Nobody waits for another one, so that a file system that does not answer keeps only one of them. An error is not
/// kept: it is met again by whoever opens the file next.
#[derive(Debug, Default)]
pub struct SharedManifest(OnceLock<Arc<VerifiedManifest>>);

impl SharedManifest {
    /// The manifest that was left here, else what `open` opens.
    pub fn or_open(
        &self,
        open: impl FnOnce() -> Result<Option<VerifiedManifest>>,
    ) -> Result<Option<Arc<VerifiedManifest>>> {
        if let Some(manifest) = self.0.get() {
            return Ok(Some(manifest.clone()));
        }
        let opened = open()?.map(Arc::new);
        Ok(opened.map(|opened| self.0.get_or_init(|| opened).clone()))
    }
}

/// Opens the manifest that was named, with its seal beside it. `None` if there is no manifest.
pub fn open_named(path: &Path, owner: Owner, trust: &Trust) -> Result<Option<VerifiedManifest>> {
    let Some(file) = trust::open(path, owner)? else {
        return Ok(None);
    };
    let seal_path = seal_path(path);
    let seal = trust.refusal(trust::open(&seal_path, owner))?;
    verify(file, path, seal, trust).map(Some)
}

/// Opens the manifest that lies in a tree, with its seal beside it, following no link out of the tree.
pub fn open_in(root: &Root, path: &Path, trust: &Trust) -> Result<Option<VerifiedManifest>> {
    let open = |path: &Path| {
        let shown = root.path().join(path.strip_prefix("/").unwrap_or(path));
        match root.open_file(path.as_os_str().as_bytes()) {
            Ok(None) => Ok(None),
            Ok(Some(file)) => {
                trust::judge(&file, &shown, Owner::RootOrCaller).map(|()| Some((file, shown)))
            }
            Err(error) => Err(Error::in_file(shown, format!("cannot be opened: {error}"))),
        }
    };
    let Some((file, shown)) = open(path)? else {
        return Ok(None);
    };
    let seal = trust.refusal(open(&seal_path(path)))?.map(|(file, _)| file);
    verify(file, &shown, seal, trust).map(Some)
}

/// `FILE.sig`
pub fn seal_path(manifest: &Path) -> PathBuf {
    let mut name = manifest.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// Judges the seal on one reading of the file, and parses what was read only if it is good.
fn verify(file: File, path: &Path, seal: Option<File>, trust: &Trust) -> Result<VerifiedManifest> {
    let (measured, seal_status) = measure(file, path, seal, trust, bounds::MANIFEST)?;
    Ok(VerifiedManifest {
        manifest: Manifest::parse(measured)?,
        seal_status,
    })
}

/// Reads the file once and judges the seal on that reading: what is parsed of it afterwards is what was sealed. Where
/// signers are configured, a seal that is not good is an error; more than `limit` bytes are one.
pub(crate) fn measure(
    file: File,
    path: &Path,
    seal: Option<File>,
    trust: &Trust,
    limit: u64,
) -> Result<(Measured, SealStatus)> {
    let seal_path = seal_path(path);
    let untrusted = |message: String| Error::in_file(&seal_path, message).untrusted();
    let seal = seal
        .map(|file| trust::read(&file, &seal_path, bounds::SEAL))
        .transpose();
    if !trust.configured {
        let seal_status = match seal {
            Ok(None) => SealStatus::Unsealed,
            _ => SealStatus::Unchecked,
        };
        return Ok((Measured::new(file, path, limit, false)?, seal_status));
    }
    let help = "seal it with `agent baseline create --sign-key KEY`, or with `ssh-keygen -Y sign -n host-integrity-agent`";
    let bytes = seal
        .map_err(|error| untrusted(error.message))?
        .ok_or_else(|| {
            let signers = trust.file.display();
            untrusted(format!(
                "no such file: signers are configured in {signers}, so a seal is wanted"
            ))
            .help(help)
        })?;
    let seal = Seal::parse(&bytes).map_err(|error| untrusted(error.to_string()).help(help))?;
    let wide = seal.hash_algorithm() == HashAlgorithm::Sha512;
    let mut measured = Measured::new(file, path, limit, wide)?;
    let digest = match &measured.sha512 {
        Some(digest) => &digest[..],
        None => &measured.sha256[..],
    };
    let signer = sshsig::verify(&seal, digest, &trust.signers, SystemTime::now()).map_err(|distrust| {
        untrusted(distrust.to_string()).help(format!(
            "nothing of the manifest was used; compare both files with what the image build kept, and the signer with {}",
            trust.file.display()
        ))
    })?;
    measured.sealed = true;
    Ok((measured, SealStatus::Sealed(signer)))
}
