//! RSA signatures as RFC 8332 has them: PKCS #1 v1.5 over SHA-256 or SHA-512,
//! never over SHA-1 (`ssh-rsa`).
//!
//! The crate `rsa` is used directly for three reasons: `ssh-key` 0.6 hands it
//! the prime `p` twice and so cannot sign; it would sign without blinding; and
//! it would refuse the keys over 4096 bits that OpenSSH takes.

use ::rsa::pkcs1v15;
use ::rsa::rand_core::OsRng;
use ::rsa::sha2::{Sha256, Sha512};
use ::rsa::signature::{RandomizedSigner, SignatureEncoding, Verifier};
use ::rsa::{BigUint, RsaPrivateKey, RsaPublicKey};
use ssh_key::{Mpint, private, public};

use super::HashAlgorithm;

/// The sizes that are trusted, in bits. ssh-keygen still verifies with 1024
/// bits; 2048 is the least that NIST SP 800-131A allows for new signatures.
/// 16384 is OpenSSL's and so OpenSSH's upper bound.
pub(super) const SIZES: std::ops::RangeInclusive<usize> = 2048..=16384;

/// The signature algorithm's name on the wire (RFC 8332 section 3).
pub(super) fn algorithm(hash: HashAlgorithm) -> &'static str {
    match hash {
        HashAlgorithm::Sha256 => "rsa-sha2-256",
        HashAlgorithm::Sha512 => "rsa-sha2-512",
    }
}

/// Bits of the modulus; 0 for a negative one.
pub(super) fn bits(key: &public::RsaPublicKey) -> usize {
    let bytes = key.n.as_positive_bytes().unwrap_or_default();
    let unused = bytes.first().map_or(0, |byte| byte.leading_zeros());
    let unused = usize::try_from(unused).unwrap_or(0);
    bytes.len().saturating_mul(8).saturating_sub(unused)
}

/// Whether `signature` over `message` was made with the key's private half.
pub(super) fn verifies(
    key: &public::RsaPublicKey,
    hash: HashAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let (Some(n), Some(e)) = (integer(&key.n), integer(&key.e)) else {
        return false;
    };
    let Ok(key) = RsaPublicKey::new_with_max_size(n, e, *SIZES.end()) else {
        return false;
    };
    let Ok(signature) = pkcs1v15::Signature::try_from(signature) else {
        return false;
    };
    match hash {
        HashAlgorithm::Sha256 => pkcs1v15::VerifyingKey::<Sha256>::new(key)
            .verify(message, &signature)
            .is_ok(),
        HashAlgorithm::Sha512 => pkcs1v15::VerifyingKey::<Sha512>::new(key)
            .verify(message, &signature)
            .is_ok(),
    }
}

/// Signs with `rsa-sha2-512`, the algorithm ssh-keygen picks; `None` when the
/// key's numbers do not belong together. Blinded, since the private operation
/// of the crate does not take constant time.
pub(super) fn sign(pair: &private::RsaKeypair, message: &[u8]) -> Option<Vec<u8>> {
    let key = RsaPrivateKey::from_components(
        integer(&pair.public.n)?,
        integer(&pair.public.e)?,
        integer(&pair.private.d)?,
        vec![integer(&pair.private.p)?, integer(&pair.private.q)?],
    )
    .ok()?;
    let signature = pkcs1v15::SigningKey::<Sha512>::new(key)
        .try_sign_with_rng(&mut OsRng, message)
        .ok()?;
    Some(signature.to_vec())
}

fn integer(number: &Mpint) -> Option<BigUint> {
    number.as_positive_bytes().map(BigUint::from_bytes_be)
}
