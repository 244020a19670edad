//! The signature blob and the bytes it signs (PROTOCOL.sshsig sections 2, 3).

use std::fmt;

use super::armor::{self, ArmorError};
use super::key::{self, Key, KeyProblem};
use super::wire::{Reader, Writer};
use super::{HashAlgorithm, shown};

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// Why a file is not a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealError {
    /// Not an armored signature.
    Armor(ArmorError),
    /// What the armor holds is not a signature, or more than one.
    Malformed,
    /// A version of the format that is not known.
    Version(u32),
    /// The message was to be hashed with something other than SHA-256 or
    /// SHA-512.
    Hash(String),
    /// The field that the format reserves is in use.
    Reserved,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SealError::Armor(error) => error.fmt(f),
            SealError::Malformed => write!(
                f,
                "the seal does not hold an SSH signature: it was damaged; copy it again or seal anew"
            ),
            SealError::Version(version) => write!(
                f,
                "the seal is of version {version} of the SSH signature format and this agent knows version {VERSION}; seal anew, or update this agent"
            ),
            SealError::Hash(name) => write!(
                f,
                "the seal names the hash {}, and only sha256 and sha512 are accepted; seal anew",
                shown(name)
            ),
            SealError::Reserved => write!(
                f,
                "the seal carries data in a field that its signature does not protect; seal anew"
            ),
        }
    }
}

impl std::error::Error for SealError {}

/// Who made a seal.
#[derive(Clone, Debug)]
pub(super) enum SealKey {
    /// A key that may vouch.
    Key(Key),
    /// One that may not, with its fingerprint.
    Refused(KeyProblem, String),
}

/// A detached signature, parsed but not verified.
#[derive(Clone, Debug)]
pub struct Seal {
    pub(super) key: SealKey,
    pub(super) namespace: Vec<u8>,
    pub(super) signature: Vec<u8>,
    hash: HashAlgorithm,
}

impl Seal {
    /// Reads an armored signature, as this module or `ssh-keygen -Y sign`
    /// writes it.
    ///
    /// A reserved field that is not empty is refused, although the format says
    /// to ignore it: ssh-keygen leaves it out of the signed bytes, so anyone
    /// could write there.
    pub fn parse(armored: &[u8]) -> Result<Seal, SealError> {
        let blob = armor::open(armored).map_err(SealError::Armor)?;
        let mut fields = Reader::new(&blob);
        if fields.take(MAGIC.len()) != Some(MAGIC) {
            return Err(SealError::Malformed);
        }
        let version = fields.uint32().ok_or(SealError::Malformed)?;
        if version != VERSION {
            return Err(SealError::Version(version));
        }
        let mut string = || fields.string().ok_or(SealError::Malformed);
        let key = string()?;
        let namespace = string()?.to_vec();
        let reserved = string()?;
        let hash = string()?;
        let signature = string()?.to_vec();
        if !fields.is_at_end() {
            return Err(SealError::Malformed);
        }

        if !reserved.is_empty() {
            return Err(SealError::Reserved);
        }
        let hash = [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
            .into_iter()
            .find(|known| known.name().as_bytes() == hash)
            .ok_or_else(|| SealError::Hash(String::from_utf8_lossy(hash).into_owned()))?;
        let key = match Key::from_blob(key) {
            Ok(key) => SealKey::Key(key),
            Err(KeyProblem::Malformed) => return Err(SealError::Malformed),
            Err(problem) => {
                let print = key::fingerprint_of_any(key).ok_or(SealError::Malformed)?;
                SealKey::Refused(problem, print)
            }
        };
        Ok(Seal {
            key,
            namespace,
            signature,
            hash,
        })
    }

    /// The hash to digest the sealed bytes with.
    pub fn hash_algorithm(&self) -> HashAlgorithm {
        self.hash
    }

    /// The fingerprint of the key that the seal says it was made with, as
    /// `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        match &self.key {
            SealKey::Key(key) => key.fingerprint(),
            SealKey::Refused(_, fingerprint) => fingerprint.clone(),
        }
    }
}

/// The bytes that a key signs for a message with this digest.
pub(super) fn signed_bytes(namespace: &str, hash: HashAlgorithm, digest: &[u8]) -> Option<Vec<u8>> {
    Writer::default()
        .raw(MAGIC)
        .string(namespace.as_bytes())
        .string(b"")
        .string(hash.name().as_bytes())
        .string(digest)
        .finish()
}

/// The armored seal around a signature blob.
pub(super) fn assemble(
    key: &Key,
    namespace: &str,
    hash: HashAlgorithm,
    signature: &[u8],
) -> Option<String> {
    let blob = Writer::default()
        .raw(MAGIC)
        .uint32(VERSION)
        .string(key.blob())
        .string(namespace.as_bytes())
        .string(b"")
        .string(hash.name().as_bytes())
        .string(signature)
        .finish()?;
    Some(armor::close(&blob))
}
