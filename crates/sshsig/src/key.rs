//! Public keys: which kinds are trusted, their fingerprints, and the check of
//! a signature blob (RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709,
//! PROTOCOL.u2f).

use std::fmt;

use ::rsa::signature::Verifier;
use base64ct::{Base64, Base64Unpadded, Encoding};
use ssh_key::public::KeyData;
use ssh_key::sha2::{Digest, Sha256};
use ssh_key::{Algorithm, PublicKey, Signature};

use super::wire::{Reader, Writer};
use super::{HashAlgorithm, rsa, shown};

/// How the name of every certificate type ends (PROTOCOL.certkeys).
const CERTIFICATE: &str = "-cert-v01@openssh.com";

/// The key types that can vouch for a seal.
const TRUSTED: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Why a public key cannot vouch for a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// The base64 or the fields inside do not form a key.
    Malformed,
    /// The type in front of the key is not the type inside it.
    TypeDiffers {
        /// The type written in front.
        written: String,
        /// The type inside.
        inside: String,
    },
    /// A certificate and not a key.
    Certificate {
        /// The type.
        key_type: String,
    },
    /// A type that is not trusted: DSA, or one that is unknown.
    Type {
        /// The type.
        key_type: String,
    },
    /// An RSA key that is too short or too long.
    RsaSize {
        /// Its size.
        bits: usize,
    },
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyProblem::Malformed => write!(
                f,
                "the key is damaged; copy it again from the key's .pub file"
            ),
            KeyProblem::TypeDiffers { written, inside } => write!(
                f,
                "the key is written as {} but is of type {}; copy it again from the key's .pub file",
                shown(written),
                shown(inside)
            ),
            KeyProblem::Certificate { key_type } => write!(
                f,
                "{} is a certificate, which this agent does not use; use the plain key of the signer",
                shown(key_type)
            ),
            KeyProblem::Type { key_type } => write!(
                f,
                "keys of type {} are not accepted; use an Ed25519, ECDSA or RSA key (ssh-keygen -t ed25519 makes one)",
                shown(key_type)
            ),
            KeyProblem::RsaSize { bits } => write!(
                f,
                "the RSA key has {bits} bits and not {} to {}; make a new key, for example with ssh-keygen -t ed25519",
                rsa::SIZES.start(),
                rsa::SIZES.end()
            ),
        }
    }
}

/// Why a signature blob was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// An algorithm that the key type does not allow, such as RSA with SHA-1.
    Algorithm(String),
    /// Malformed, or not made over this message with this key.
    Invalid,
}

/// A public key of a trusted type and size.
#[derive(Clone, Debug)]
pub(super) struct Key {
    key: PublicKey,
    blob: Vec<u8>,
}

impl Key {
    /// From the wire encoding.
    pub(super) fn from_blob(blob: &[u8]) -> Result<Key, KeyProblem> {
        let key_type = type_of(blob).ok_or(KeyProblem::Malformed)?;
        if key_type.ends_with(CERTIFICATE) {
            return Err(KeyProblem::Certificate { key_type });
        }
        if !TRUSTED.contains(&key_type.as_str()) {
            return Err(KeyProblem::Type { key_type });
        }
        let key = PublicKey::from_bytes(blob).map_err(|_| KeyProblem::Malformed)?;
        // `ssh-key` passes over lengths that are too large for a field. A key
        // has one encoding, and its fingerprint is of that one.
        if !key.to_bytes().is_ok_and(|encoded| encoded == blob) {
            return Err(KeyProblem::Malformed);
        }
        if let KeyData::Rsa(data) = key.key_data() {
            let bits = rsa::bits(data);
            if !rsa::SIZES.contains(&bits) {
                return Err(KeyProblem::RsaSize { bits });
            }
        }
        let blob = blob.to_vec();
        Ok(Key { key, blob })
    }

    /// From the two fields of a line in a `.pub` file.
    pub(super) fn from_text(key_type: &str, base64: &str) -> Result<Key, KeyProblem> {
        let blob = Base64::decode_vec(base64).map_err(|_| KeyProblem::Malformed)?;
        let inside = type_of(&blob).ok_or(KeyProblem::Malformed)?;
        if inside != key_type {
            let written = key_type.to_owned();
            return Err(KeyProblem::TypeDiffers { written, inside });
        }
        Key::from_blob(&blob)
    }

    /// The wire encoding.
    pub(super) fn blob(&self) -> &[u8] {
        &self.blob
    }

    pub(super) fn data(&self) -> &KeyData {
        self.key.key_data()
    }

    /// The name of the key type, such as `ssh-ed25519`.
    pub(super) fn key_type(&self) -> String {
        self.key.algorithm().as_str().to_owned()
    }

    /// As `ssh-keygen -l` prints it.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(&self.blob)
    }

    /// Whether both are the same key, however either was encoded.
    pub(super) fn is(&self, other: &Key) -> bool {
        self.data() == other.data()
    }

    /// Checks a signature blob over `message`.
    ///
    /// For a security key the signature also covers whether it was touched;
    /// like ssh-keygen this accepts one made without a touch
    /// (`no-touch-required`).
    pub(super) fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), Refused> {
        let mut fields = Reader::new(signature);
        let (Some(algorithm), Some(bytes)) = (fields.string(), fields.string()) else {
            return Err(Refused::Invalid);
        };
        let trailer = fields.rest();

        if let KeyData::Rsa(key) = self.data() {
            let hash = [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
                .into_iter()
                .find(|hash| rsa::algorithm(*hash).as_bytes() == algorithm)
                .ok_or_else(|| Refused::Algorithm(lossy(algorithm)))?;
            let valid = trailer.is_empty() && rsa::verifies(key, hash, message, bytes);
            return valid.then_some(()).ok_or(Refused::Invalid);
        }

        let expected = self.key.algorithm();
        if expected.as_str().as_bytes() != algorithm {
            return Err(Refused::Algorithm(lossy(algorithm)));
        }
        // A security key's flags (a byte) and counter (a uint32) follow the
        // signature proper, and `Signature::new` takes them as its last bytes.
        let trailer_length = match expected {
            Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => 5,
            _ => 0,
        };
        if trailer.len() != trailer_length {
            return Err(Refused::Invalid);
        }
        let signature =
            Signature::new(expected, [bytes, trailer].concat()).map_err(|_| Refused::Invalid)?;
        self.data()
            .verify(message, &signature)
            .map_err(|_| Refused::Invalid)
    }
}

/// The fingerprint of any key or certificate; a certificate has that of the
/// key it certifies, as ssh-keygen has it.
pub(super) fn fingerprint_of_any(blob: &[u8]) -> Option<String> {
    match type_of(blob)?.strip_suffix(CERTIFICATE) {
        Some(kind) => Some(fingerprint(&certified(kind, blob)?)),
        None => Some(fingerprint(blob)),
    }
}

/// The key inside a certificate (PROTOCOL.certkeys): its fields follow the
/// type and a nonce. `ssh-key` is not asked, since it takes no certificate
/// that is valid for ever, which is what ssh-keygen makes by default.
fn certified(kind: &str, certificate: &[u8]) -> Option<Vec<u8>> {
    let (fields, suffix) = match kind {
        "ssh-ed25519" => (1, ""),
        "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => (2, ""),
        "ssh-rsa" => (2, ""),
        "ssh-dss" => (4, ""),
        "sk-ssh-ed25519" => (2, "@openssh.com"),
        "sk-ecdsa-sha2-nistp256" => (3, "@openssh.com"),
        _ => return None,
    };
    let mut certificate = Reader::new(certificate);
    let (_type, _nonce) = (certificate.string()?, certificate.string()?);
    let mut key = Writer::default().string(format!("{kind}{suffix}").as_bytes());
    for _ in 0..fields {
        key = key.string(certificate.string()?);
    }
    key.finish()
}

/// Whether a word of a signers file is the name of a key or certificate type
/// and so not an option.
pub(super) fn is_type(word: &str) -> bool {
    TRUSTED.contains(&word) || word == "ssh-dss" || word.ends_with(CERTIFICATE)
}

fn fingerprint(blob: &[u8]) -> String {
    let digest = Sha256::digest(blob);
    format!("SHA256:{}", Base64Unpadded::encode_string(&digest))
}

fn type_of(blob: &[u8]) -> Option<String> {
    let name = Reader::new(blob).string()?;
    String::from_utf8(name.to_vec()).ok()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
