//! OpenPGP signatures (RFC 9580): a keyring, a cleartext message, a signature over bytes. Verifying alone.
//!
//! The cryptography, the formats and the bindings of subkeys are the `pgp` crate's; which key may speak is [`policy`]'s.

mod cleartext;
mod policy;

use agent_core::bounds;
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::packet::{Packet, PacketParser, Signature, SignatureType};
use pgp::types::KeyDetails;

const BEGIN_KEY: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Keys that may vouch for something.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    certificates: Vec<SignedPublicKey>,
    /// Whether there were more than are used.
    is_cut: bool,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// The fingerprint of the certificate's primary key, in hexadecimal digits of upper case.
    pub(crate) fingerprint: String,
    /// When it says that it did, in seconds since 1970.
    pub(crate) at: i64,
}

impl Keyring {
    /// Takes certificates as apt and rpm keep them: binary, or armored, several blocks one behind another.
    ///
    /// What cannot be parsed is passed over: of a keyring that knows algorithms of tomorrow the rest counts.
    pub(crate) fn parse(bytes: &[u8]) -> Keyring {
        const MOST: usize = bounds::KEYRING_KEYS;
        let mut certificates = Vec::new();
        let mut add = |found: pgp::errors::Result<_>| {
            let iterator: Box<dyn Iterator<Item = pgp::errors::Result<SignedPublicKey>> + '_> =
                match found {
                    Ok(iterator) => iterator,
                    Err(_) => return,
                };
            certificates.extend(iterator.take(MOST + 1).filter_map(Result::ok));
        };
        let mut starts = memchr::memmem::find_iter(bytes, BEGIN_KEY).peekable();
        if starts.peek().is_none() {
            add(SignedPublicKey::from_bytes_many(bytes));
        }
        while let Some(start) = starts.next() {
            let end = starts.peek().copied().unwrap_or(bytes.len());
            let block =
                SignedPublicKey::from_armor_many_buf(bytes.get(start..end).unwrap_or_default());
            add(block.map(|(iterator, _)| iterator));
        }
        let is_cut = certificates.len() > MOST;
        certificates.truncate(MOST);
        Keyring {
            certificates,
            is_cut,
        }
    }

    /// Takes in what another keyring has.
    pub(crate) fn extend(&mut self, other: Keyring) {
        self.certificates.extend(other.certificates);
        self.is_cut |= other.is_cut;
    }

    /// Leaves the certificates whose fingerprints are among these (hexadecimal digits, any case).
    pub(crate) fn retain(&mut self, fingerprints: &[String]) {
        let wanted = |found: &str| {
            fingerprints
                .iter()
                .any(|known| known.eq_ignore_ascii_case(found))
        };
        self.certificates
            .retain(|certificate| wanted(&fingerprint(certificate)));
    }

    /// The fingerprints of all primary keys, in hexadecimal digits of upper case.
    pub(crate) fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(fingerprint).collect()
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// The text of a cleartext message that one of the keys signed, exactly what was signed of it; else why not.
    ///
    /// Nothing may stand before or behind the message: whoever parses the text must not meet anything else.
    pub(crate) fn cleartext(&self, message: &[u8]) -> Result<(Vec<u8>, Signer), String> {
        let parts = cleartext::split(message).ok_or("it is no cleartext message (RFC 9580, 7)")?;
        let signatures = armored_signatures(parts.signature)?;
        let signer = self.verify(&signatures, SignatureType::Text, &parts.signed)?;
        Ok((parts.text, signer))
    }

    /// Who of the keys signed the bytes; `signature` holds one or several packets, binary.
    pub(crate) fn detached(&self, signature: &[u8], bytes: &[u8]) -> Result<Signer, String> {
        self.verify(&packets(signature)?, SignatureType::Binary, bytes)
    }

    /// One good signature is enough: not all signers of a release are in every keyring.
    fn verify(
        &self,
        signatures: &[Signature],
        kind: SignatureType,
        bytes: &[u8],
    ) -> Result<Signer, String> {
        let mut why = "none of the keys made its signatures".to_owned();
        if self.is_cut {
            let most = bounds::KEYRING_KEYS;
            why += &format!(" (a keyring has more than {most} keys, and no more are used)");
        }
        for signature in signatures.iter().filter(|s| s.typ() == Some(kind)) {
            for certificate in &self.certificates {
                match policy::verify(certificate, signature, bytes) {
                    None => {}
                    Some(Err(refused)) => why = refused,
                    Some(Ok(at)) => {
                        return Ok(Signer {
                            fingerprint: fingerprint(certificate),
                            at,
                        });
                    }
                }
            }
        }
        Err(why)
    }
}

fn fingerprint(certificate: &SignedPublicKey) -> String {
    format!("{:X}", certificate.primary_key.fingerprint())
}

fn packets(bytes: &[u8]) -> Result<Vec<Signature>, String> {
    let mut found = Vec::new();
    for (number, packet) in PacketParser::new(bytes).enumerate() {
        if number == bounds::KEYRING_KEYS {
            return Err(format!("it holds more than {number} signatures"));
        }
        // Others are of tomorrow's versions, beside one of today's.
        if let Ok(Packet::Signature(signature)) = packet {
            found.push(signature);
        }
    }
    match found.is_empty() {
        true => Err("it holds no signature that is understood here".into()),
        false => Ok(found),
    }
}

fn armored_signatures(armored: &[u8]) -> Result<Vec<Signature>, String> {
    let mut bytes = Vec::new();
    let mut dearmor = pgp::armor::Dearmor::new(armored);
    std::io::Read::read_to_end(&mut dearmor, &mut bytes)
        .map_err(|error| format!("its signature is damaged: {error}"))?;
    packets(&bytes)
}

#[cfg(test)]
mod tests;
