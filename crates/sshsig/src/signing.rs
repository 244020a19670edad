//! Making seals: with a private key file, or with a key that ssh-agent holds.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ::rsa::signature::Signer;
use agent_core::bounds;
use ssh_key::private::KeypairData;
use ssh_key::{PrivateKey, Signature};
use zeroize::Zeroizing;

use super::agent::{Agent, AgentError};
use super::blob::{self, Seal};
use super::key::{Key, KeyProblem};
use super::keyfile::{self, Unusable};
use super::wire::Writer;
use super::{HashAlgorithm, NAMESPACE, rsa, verify};

/// Why no seal was made.
#[derive(Debug)]
pub enum SigningError {
    /// The key file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Not a regular file, or larger than any key.
    NotAKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// A private key that others can read.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A private key under a passphrase.
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// A private key in a format other than OpenSSH's.
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A private key whose secret is in a security key.
    SecurityKey {
        /// The file.
        path: PathBuf,
    },
    /// A key that cannot vouch.
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: KeyProblem,
    },
    /// ssh-agent did not help.
    Agent(AgentError),
    /// The digest is not of the hash algorithm.
    DigestLength {
        /// Bytes that the algorithm gives.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The key gave no signature, or one that does not verify.
    Unverified {
        /// The key's fingerprint.
        fingerprint: String,
    },
}

impl fmt::Display for SigningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SigningError::Read { path, error } => {
                write!(f, "cannot read the key file {}: {error}", path.display())
            }
            SigningError::NotAKeyFile { path } => write!(
                f,
                "{} is not a file with an SSH key; give a private key file that ssh-keygen made, or the .pub file of a key in ssh-agent",
                path.display()
            ),
            SigningError::Exposed { path, mode } => write!(
                f,
                "the private key {0} can be reached by others (permissions {mode:03o}); chmod 600 {0}, and make a new key if anyone may have read it",
                path.display()
            ),
            SigningError::Encrypted { path } => write!(
                f,
                "the private key {0} has a passphrase; ssh-add {0} and give its public key ({0}.pub) instead",
                path.display()
            ),
            SigningError::Format { path } => write!(
                f,
                "the private key {0} is not in OpenSSH's format; convert it with ssh-keygen -p -f {0}",
                path.display()
            ),
            SigningError::SecurityKey { path } => write!(
                f,
                "the private key {0} is in a security key; ssh-add {0} and give its public key ({0}.pub) instead",
                path.display()
            ),
            SigningError::Key { path, problem } => {
                write!(f, "cannot seal with {}: {problem}", path.display())
            }
            SigningError::Agent(error) => error.fmt(f),
            SigningError::DigestLength { expected, found } => write!(
                f,
                "a digest of {expected} bytes is needed and one of {found} was given; digest with the hash that is asked for"
            ),
            SigningError::Unverified { fingerprint } => write!(
                f,
                "the key {fingerprint} gave no valid signature; check that the key file is not damaged and that ssh-agent is a current one"
            ),
        }
    }
}

impl std::error::Error for SigningError {}

/// A key to seal with.
pub struct SigningKey {
    key: Key,
    holder: Holder,
}

enum Holder {
    File(Box<PrivateKey>),
    Agent(Agent),
}

/// Shows the fingerprint only, never the secret.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.fingerprint())
    }
}

impl SigningKey {
    /// Loads a private key without a passphrase, or a public key whose private
    /// half the agent at `$SSH_AUTH_SOCK` holds.
    ///
    /// A private key file must not be open to group or others, whoever owns it;
    /// ssh-keygen looks at files of its own user only.
    pub fn load(path: &Path) -> Result<SigningKey, SigningError> {
        let (text, mode) = read(path)?;
        if text.starts_with(b"-----BEGIN ") {
            load_private(path, &text, mode)
        } else {
            load_public(path, &text)
        }
    }

    /// Makes an armored seal over bytes with this digest, and verifies it: a
    /// fault while signing must neither go unnoticed nor be published, as it
    /// can reveal the key.
    pub fn sign(&self, hash: HashAlgorithm, digest: &[u8]) -> Result<String, SigningError> {
        if digest.len() != hash.length() {
            return Err(SigningError::DigestLength {
                expected: hash.length(),
                found: digest.len(),
            });
        }
        let unverified = || SigningError::Unverified {
            fingerprint: self.fingerprint(),
        };
        let message = blob::signed_bytes(NAMESPACE, hash, digest).ok_or_else(unverified)?;
        let signature = match &self.holder {
            Holder::File(private) => sign_with(private, &message).ok_or_else(unverified)?,
            Holder::Agent(agent) => agent
                .sign(&self.key, &message)
                .map_err(SigningError::Agent)?,
        };
        let armored =
            blob::assemble(&self.key, NAMESPACE, hash, &signature).ok_or_else(unverified)?;
        let seal = Seal::parse(armored.as_bytes()).map_err(|_| unverified())?;
        verify::check_signature(&seal, &self.key, digest).map_err(|_| unverified())?;
        Ok(armored)
    }

    /// The key's fingerprint, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint()
    }
}

/// The file's content and permission bits, both of the same opened file.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), SigningError> {
    let failed = |error| SigningError::Read {
        path: path.to_owned(),
        error,
    };
    let not_a_key = || SigningError::NotAKeyFile {
        path: path.to_owned(),
    };
    // Opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(not_a_key());
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > bounds::SIGN_KEY {
        return Err(not_a_key());
    }
    // Room for all of it at once: growing would leave copies of the secret.
    let mut text = Zeroizing::new(vec![0; usize::try_from(metadata.len()).unwrap_or_default()]);
    file.take(bounds::SIGN_KEY)
        .read_exact(&mut text)
        .map_err(failed)?;
    Ok((text, metadata.permissions().mode() & 0o7777))
}

fn load_private(path: &Path, text: &[u8], mode: u32) -> Result<SigningKey, SigningError> {
    let path = || path.to_owned();
    if mode & 0o077 != 0 {
        return Err(SigningError::Exposed { path: path(), mode });
    }
    if !text.starts_with(keyfile::HEADER.as_bytes()) {
        let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return Err(
            if first_line.trim_ascii_end().ends_with(b"PRIVATE KEY-----") {
                SigningError::Format { path: path() }
            } else {
                SigningError::NotAKeyFile { path: path() }
            },
        );
    }
    let malformed = || SigningError::Key {
        path: path(),
        problem: KeyProblem::Malformed,
    };
    let private = keyfile::decode(text).map_err(|unusable| match unusable {
        Unusable::Encrypted => SigningError::Encrypted { path: path() },
        Unusable::Malformed => malformed(),
    })?;
    let blob = private.public_key().to_bytes().map_err(|_| malformed())?;
    let key = Key::from_blob(&blob).map_err(|problem| SigningError::Key {
        path: path(),
        problem,
    })?;
    if matches!(
        private.key_data(),
        KeypairData::SkEd25519(_) | KeypairData::SkEcdsaSha2NistP256(_)
    ) {
        return Err(SigningError::SecurityKey { path: path() });
    }
    let holder = Holder::File(Box::new(private));
    Ok(SigningKey { key, holder })
}

fn load_public(path: &Path, text: &[u8]) -> Result<SigningKey, SigningError> {
    let not_a_key = || SigningError::NotAKeyFile {
        path: path.to_owned(),
    };
    let text = std::str::from_utf8(text).map_err(|_| not_a_key())?;
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .ok_or_else(not_a_key)?;
    let mut words = line.split_ascii_whitespace();
    let (Some(key_type), Some(base64)) = (words.next(), words.next()) else {
        return Err(not_a_key());
    };
    if !super::key::is_type(key_type) {
        return Err(not_a_key());
    }
    let key = Key::from_text(key_type, base64).map_err(|problem| SigningError::Key {
        path: path.to_owned(),
        problem,
    })?;
    let agent = Agent::from_environment().map_err(SigningError::Agent)?;
    agent.must_hold(&key).map_err(SigningError::Agent)?;
    let holder = Holder::Agent(agent);
    Ok(SigningKey { key, holder })
}

/// The signature blob over `message`.
fn sign_with(private: &PrivateKey, message: &[u8]) -> Option<Vec<u8>> {
    let fields = Writer::default();
    let fields = match private.key_data() {
        KeypairData::Rsa(pair) => fields
            .string(rsa::algorithm(HashAlgorithm::Sha512).as_bytes())
            .string(&rsa::sign(pair, message)?),
        _ => {
            let signature: Signature = private.try_sign(message).ok()?;
            fields
                .string(signature.algorithm().as_str().as_bytes())
                .string(signature.as_bytes())
        }
    };
    fields.finish()
}
