//! Why a seal is not accepted.

use std::fmt;

use super::key::KeyProblem;
use super::{NAMESPACE, shown, time};

/// Why a seal is not accepted; each displays as one sentence that says what to
/// do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Made for another purpose.
    Namespace {
        /// The purpose.
        found: String,
    },
    /// Made with a certificate or with a key that cannot vouch.
    Key {
        /// The key's fingerprint.
        fingerprint: String,
        /// Why it cannot vouch.
        problem: KeyProblem,
    },
    /// The list of signers names nobody.
    NoSigners,
    /// The key is not in the list of signers.
    UnknownKey {
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// The list has the key as a certificate authority only.
    AuthorityOnly {
        /// Where in the list.
        line: usize,
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// The digest is not of the seal's hash algorithm.
    DigestLength {
        /// Bytes that the algorithm gives.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// Signed with an algorithm that is not accepted for the key.
    Algorithm {
        /// The key's fingerprint.
        fingerprint: String,
        /// The algorithm.
        algorithm: String,
    },
    /// The sealed bytes or the seal were changed after sealing.
    BadSignature {
        /// The fingerprint of the key that the seal names.
        fingerprint: String,
    },
    /// The key is listed, but for other purposes.
    NotForNamespace {
        /// Where in the list.
        line: usize,
        /// Whose key it is.
        principal: String,
        /// The purposes.
        namespaces: String,
    },
    /// The key is listed, but as valid from later on.
    NotYetValid {
        /// Where in the list.
        line: usize,
        /// Whose key it is.
        principal: String,
        /// Seconds since 1970.
        valid_after: u64,
    },
    /// The key is listed, but as valid until an earlier time.
    NoLongerValid {
        /// Where in the list.
        line: usize,
        /// Whose key it is.
        principal: String,
        /// Seconds since 1970.
        valid_before: u64,
    },
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distrust::Namespace { found } => write!(
                f,
                "the signature was made for {} and not for {NAMESPACE}; seal with this agent, or with ssh-keygen -Y sign -n {NAMESPACE}",
                shown(found)
            ),
            Distrust::Key {
                fingerprint,
                problem,
            } => write!(
                f,
                "the seal was made with {fingerprint}, which cannot vouch: {problem}"
            ),
            Distrust::NoSigners => write!(
                f,
                "the list of signers names nobody, so no seal is trusted; add a line with a name and the signer's public key"
            ),
            Distrust::UnknownKey { fingerprint } => write!(
                f,
                "the seal was made with the key {fingerprint}, which is not in the list of signers; find out whose key it is, and add it only if that person may seal"
            ),
            Distrust::AuthorityOnly { line, fingerprint } => write!(
                f,
                "line {line} of the list of signers has the key {fingerprint} as a certificate authority only; add a line without cert-authority if the key itself may seal"
            ),
            Distrust::DigestLength { expected, found } => write!(
                f,
                "the seal needs a digest of {expected} bytes and was given one of {found}; digest the sealed file with the hash that the seal names"
            ),
            Distrust::Algorithm {
                fingerprint,
                algorithm,
            } => write!(
                f,
                "the seal of the key {fingerprint} uses the signature algorithm {}, which is not accepted for it; seal anew with a current OpenSSH or this agent",
                shown(algorithm)
            ),
            Distrust::BadSignature { fingerprint } => write!(
                f,
                "the signature of the key {fingerprint} is not valid: the sealed file or its seal was changed or belongs to another; compare with a trusted copy before anything is sealed anew"
            ),
            Distrust::NotForNamespace {
                line,
                principal,
                namespaces,
            } => write!(
                f,
                "line {line} of the list of signers trusts the key of {} for the namespaces {} only; add {NAMESPACE} to them if this signer may seal",
                shown(principal),
                shown(namespaces)
            ),
            Distrust::NotYetValid {
                line,
                principal,
                valid_after,
            } => write!(
                f,
                "line {line} of the list of signers trusts the key of {} from {} on; check this host's clock, or wait",
                shown(principal),
                time::show(*valid_after)
            ),
            Distrust::NoLongerValid {
                line,
                principal,
                valid_before,
            } => write!(
                f,
                "line {line} of the list of signers trusts the key of {} until {}; check this host's clock, or have a signer who is still trusted seal anew",
                shown(principal),
                time::show(*valid_before)
            ),
        }
    }
}

impl std::error::Error for Distrust {}
