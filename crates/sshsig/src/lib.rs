//! Seals: detached OpenSSH signatures (PROTOCOL.sshsig) over a file.
//!
//! A seal made here is accepted by `ssh-keygen -Y verify -n
//! host-integrity-agent`, and one made by `ssh-keygen -Y sign -n
//! host-integrity-agent` is accepted here. Trusted are Ed25519, ECDSA (P-256,
//! P-384, P-521), RSA of 2048 bits and more with SHA-256 or SHA-512, and the
//! security key forms of Ed25519 and ECDSA.
//!
//! Where this differs from ssh-keygen, it is nearly always stricter: it refuses
//! RSA keys of less than 2048 bits, DSA, certificates, signers files with a
//! line that cannot be read, anything after a seal's last line, a reserved
//! field that is not empty, and encodings that are not the only one. It is more
//! lenient in two things: it takes seals with CRLF line ends, as OpenSSH does
//! only in newer releases, and a time in a signers file without a `Z` means
//! what a clock on the wall shows in summer too (see `time`).
//!
//! A [`Seal`] is a signature as it stands in a file, [`Signers`] are the keys that may make one, and a [`SigningKey`]
//! makes one. May touch: key files that it is given by name, and the agent at `SSH_AUTH_SOCK`; nothing else.
//!
//! The sealed bytes are never held in memory: the caller digests them while
//! reading, with the hash that the seal names.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing
    )
)]

mod agent;
mod armor;
mod blob;
mod distrust;
mod key;
mod keyfile;
mod options;
mod pattern;
mod rsa;
mod signers;
mod signing;
mod time;
mod verify;
mod wire;

pub use agent::AgentError;
pub use armor::ArmorError;
pub use blob::{Seal, SealError};
pub use distrust::Distrust;
pub use key::KeyProblem;
pub use signers::{LineProblem, Signers, SignersError};
pub use signing::{SigningError, SigningKey};
pub use verify::{Signer, verify};

/// What seals are made for. A signature made for anything else (a git commit,
/// say) is no seal, even with a key that is trusted.
pub const NAMESPACE: &str = "host-integrity-agent";

/// How the sealed bytes are digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512, which ssh-keygen uses unless told otherwise.
    Sha512,
}

impl HashAlgorithm {
    /// The name on the wire (PROTOCOL.sshsig section 2).
    fn name(self) -> &'static str {
        match self {
            HashAlgorithm::Sha256 => "sha256",
            HashAlgorithm::Sha512 => "sha512",
        }
    }

    /// Bytes of a digest.
    fn length(self) -> usize {
        match self {
            HashAlgorithm::Sha256 => 32,
            HashAlgorithm::Sha512 => 64,
        }
    }
}

/// Text from a file for a message: quoted, without control characters, and
/// not longer than a line bears.
fn shown(text: &str) -> String {
    // Own bound: of what is told.
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
