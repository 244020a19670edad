//! The decision whether a seal is trusted.

use std::time::SystemTime;

use super::blob::{self, Seal, SealKey};
use super::distrust::Distrust;
use super::key::{Key, Refused};
use super::signers::{AllowedSigner, Signers};
use super::{NAMESPACE, pattern, time};

/// Who vouches for the sealed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The principals field of the line that was matched, as written.
    pub principal: String,
    /// The key, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The key's type, such as `ssh-ed25519`.
    pub key_type: String,
}

/// Decides whether a seal over bytes with this digest is trusted.
///
/// `digest` is that of the whole sealed file, made with
/// [`Seal::hash_algorithm`]. A key may stand on several lines; the first that
/// accepts counts, as with `ssh-keygen -Y find-principals`, and if none does,
/// the reason given is that of the first.
///
/// Only a key in the list gets to the mathematics, so that a stranger's
/// numbers are never computed with.
pub fn verify(
    seal: &Seal,
    digest: &[u8],
    signers: &Signers,
    now: SystemTime,
) -> Result<Signer, Distrust> {
    if seal.namespace != NAMESPACE.as_bytes() {
        let found = String::from_utf8_lossy(&seal.namespace).into_owned();
        return Err(Distrust::Namespace { found });
    }
    let key = match &seal.key {
        SealKey::Key(key) => key,
        SealKey::Refused(problem, fingerprint) => {
            return Err(Distrust::Key {
                fingerprint: fingerprint.clone(),
                problem: problem.clone(),
            });
        }
    };
    if signers.is_empty() {
        return Err(Distrust::NoSigners);
    }

    let listed: Vec<&AllowedSigner> = signers
        .entries
        .iter()
        .filter(|entry| entry.key.is(key))
        .collect();
    let Some(first) = listed.first() else {
        return Err(Distrust::UnknownKey {
            fingerprint: key.fingerprint(),
        });
    };

    check_signature(seal, key, digest)?;

    let now = time::seconds(now);
    let mut reason = None;
    for entry in &listed {
        match accepts(entry, now) {
            Ok(()) => {
                return Ok(Signer {
                    principal: entry.principals.clone(),
                    fingerprint: key.fingerprint(),
                    key_type: key.key_type(),
                });
            }
            // A line for the key itself says more than one for an authority.
            Err(Distrust::AuthorityOnly { .. }) => {}
            Err(distrust) => reason = reason.or(Some(distrust)),
        }
    }
    Err(reason.unwrap_or_else(|| Distrust::AuthorityOnly {
        line: first.line,
        fingerprint: key.fingerprint(),
    }))
}

/// Whether the signature is the key's and over this digest.
pub(super) fn check_signature(seal: &Seal, key: &Key, digest: &[u8]) -> Result<(), Distrust> {
    let fingerprint = || key.fingerprint();
    let hash = seal.hash_algorithm();
    if digest.len() != hash.length() {
        return Err(Distrust::DigestLength {
            expected: hash.length(),
            found: digest.len(),
        });
    }
    let message =
        blob::signed_bytes(NAMESPACE, hash, digest).ok_or_else(|| Distrust::BadSignature {
            fingerprint: fingerprint(),
        })?;
    key.check(&message, &seal.signature)
        .map_err(|refused| match refused {
            Refused::Algorithm(algorithm) => Distrust::Algorithm {
                fingerprint: fingerprint(),
                algorithm,
            },
            Refused::Invalid => Distrust::BadSignature {
                fingerprint: fingerprint(),
            },
        })
}

/// Whether a line trusts its key for a seal, now.
fn accepts(entry: &AllowedSigner, now: u64) -> Result<(), Distrust> {
    let line = entry.line;
    let options = &entry.options;
    if options.cert_authority {
        return Err(Distrust::AuthorityOnly {
            line,
            fingerprint: entry.key.fingerprint(),
        });
    }
    let principal = || entry.principals.clone();
    if let Some(namespaces) = &options.namespaces
        && !pattern::list_matches(namespaces, NAMESPACE)
    {
        return Err(Distrust::NotForNamespace {
            line,
            principal: principal(),
            namespaces: namespaces.clone(),
        });
    }
    match (options.valid_after, options.valid_before) {
        (Some(valid_after), _) if now < valid_after => Err(Distrust::NotYetValid {
            line,
            principal: principal(),
            valid_after,
        }),
        (_, Some(valid_before)) if now > valid_before => Err(Distrust::NoLongerValid {
            line,
            principal: principal(),
            valid_before,
        }),
        _ => Ok(()),
    }
}
