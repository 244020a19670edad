//! Which key may speak, and by which algorithms: what `pgp` leaves to its caller.
//!
//! As sqv, with which apt 3 verifies, refuses them: digests weaker than SHA-256, RSA below 2048 bits, DSA, versions
//! before 4. A key counts if it was neither expired nor revoked when it says that it signed: what was installed then
//! was good then, and a host that is offline for a year has no newer lists.

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::types::{KeyDetails, PublicParams, Tag, VerifyingKey};
use rsa::traits::PublicKeyParts;

/// NIST SP 800-131A: below it RSA is no longer accepted.
const RSA_BITS: usize = 2048;

/// Whether a key of the certificate made the signature: when, in seconds since 1970, or why it does not count;
/// `None` where none of its keys did.
pub(super) fn verify(
    certificate: &SignedPublicKey,
    signature: &Signature,
    bytes: &[u8],
) -> Option<Result<i64, String>> {
    let at = i64::from(signature.created()?.as_secs());
    let primary = &certificate.primary_key;
    if names(signature, primary) {
        signature.verify(primary, bytes).ok()?;
        return Some(judge(signature, primary.public_params()).and_then(|()| {
            let own = own(certificate, at)?;
            match own.signs {
                true => Ok(at),
                false => Err("the key is not for signing".into()),
            }
        }));
    }
    let subkey = certificate
        .public_subkeys
        .iter()
        .find(|subkey| names(signature, &subkey.key))?;
    signature.verify(&subkey.key, bytes).ok()?;
    Some(judge(signature, subkey.key.public_params()).and_then(|()| {
        own(certificate, at)?;
        bound(certificate, subkey, at)?;
        Ok(at)
    }))
}

/// Whether the signature says that the key made it. One that names nobody is nobody's.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprint = signature
        .issuer_fingerprint()
        .into_iter()
        .any(|issuer| *issuer == key.fingerprint());
    let id = signature
        .issuer_key_id()
        .into_iter()
        .any(|issuer| *issuer == key.legacy_key_id());
    fingerprint || id
}

/// Refuses algorithms that prove nothing any more.
fn judge(signature: &Signature, key: &PublicParams) -> Result<(), String> {
    if !is_strong(signature) {
        return Err("its digest or version is too weak".into());
    }
    match key {
        PublicParams::RSA(key) if key.key.n().bits() < RSA_BITS => {
            Err(format!("its RSA key has less than {RSA_BITS} bits"))
        }
        PublicParams::RSA(_)
        | PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_) => Ok(()),
        _ => Err("its algorithm is not accepted here".into()),
    }
}

fn is_strong(signature: &Signature) -> bool {
    let digest = matches!(
        signature.hash_alg(),
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
    );
    digest
        && matches!(
            signature.version(),
            SignatureVersion::V4 | SignatureVersion::V6
        )
}

/// What a certificate says of its primary key.
struct Own {
    signs: bool,
}

/// What the newest self-signature says; refuses a key that was revoked, or had expired by then.
fn own(certificate: &SignedPublicKey, at: i64) -> Result<Own, String> {
    let (primary, details) = (&certificate.primary_key, &certificate.details);
    let revoked = |signature: &Signature| {
        signature.typ() == Some(SignatureType::KeyRevocation)
            && signature.verify_key(primary).is_ok()
    };
    if details.revocation_signatures.iter().any(revoked) {
        return Err("the key is revoked".into());
    }
    let of_users = details.users.iter().flat_map(|user| {
        user.signatures
            .iter()
            .filter(|s| s.typ() != Some(SignatureType::CertRevocation))
            .filter(|s| {
                s.verify_certification(primary, Tag::UserId, &user.id)
                    .is_ok()
            })
    });
    let direct = details
        .direct_signatures
        .iter()
        .filter(|s| s.verify_key(primary).is_ok());
    let newest = of_users
        .chain(direct)
        .filter(|s| is_strong(s) && made(s) <= at)
        .max_by_key(|s| made(s));
    let newest = newest.ok_or("the key has no sound self-signature")?;
    alive(newest, primary, at)?;
    Ok(Own {
        signs: newest.key_flags().sign() || !has_flags(newest),
    })
}

/// Refuses a subkey that was not bound for signing when it signed.
fn bound(
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    at: i64,
) -> Result<(), String> {
    let primary = &certificate.primary_key;
    let is_own = |s: &&Signature| s.verify_subkey_binding(primary, &subkey.key).is_ok();
    let of = |kind| {
        subkey
            .signatures
            .iter()
            .filter(move |s| s.typ() == Some(kind))
    };
    if of(SignatureType::SubkeyRevocation).any(|s| is_own(&s)) {
        return Err("the subkey is revoked".into());
    }
    let newest = of(SignatureType::SubkeyBinding)
        .filter(is_own)
        .filter(|s| is_strong(s) && made(s) <= at)
        .max_by_key(|s| made(s))
        .ok_or("the subkey is not soundly bound")?;
    alive(newest, &subkey.key, at)?;
    // Else anybody could bind another's subkey to a key of their own.
    let back = newest
        .embedded_signature()
        .filter(|_| newest.key_flags().sign())
        .ok_or("the subkey is not for signing")?;
    let agreed = back
        .verify_primary_key_binding(&subkey.key, primary)
        .is_ok();
    match agreed && is_strong(back) {
        true => Ok(()),
        false => Err("the subkey does not agree to be bound".into()),
    }
}

fn alive(signature: &Signature, key: &impl VerifyingKey, at: i64) -> Result<(), String> {
    let created = i64::from(key.created_at().as_secs());
    let lasts = signature
        .key_expiration_time()
        .map_or(0, |lasts| i64::from(lasts.as_secs()));
    match created > at || lasts != 0 && created.saturating_add(lasts) <= at {
        true => Err("the key had expired, or was not yet made, when it signed".into()),
        false => Ok(()),
    }
}

fn made(signature: &Signature) -> i64 {
    signature
        .created()
        .map_or(i64::MAX, |at| i64::from(at.as_secs()))
}

fn has_flags(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        config
            .hashed_subpackets()
            .any(|packet| matches!(packet.data, SubpacketData::KeyFlags(_)))
    })
}
