//! The item `rsa2048`: PKCS #7 SignedData (RFC 5652) with the document in it, signed with RSA-2048 and SHA-256.

use super::ber;
use base64ct::{Base64, Encoding};
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::sha2::Sha256;
use rsa::signature::Verifier;
use sha2::Digest;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::der::referenced::OwnedToRef;
use x509_cert::der::{Decode, Encode};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// The two names that PKCS #1 v1.5 with SHA-256 goes by in a SignerInfo.
const RSA: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"),
];

/// Why a signature does not hold: for a person, after "the identity document".
pub(super) type Flaw = &'static str;

/// A signature that was read and not yet verified.
pub(super) struct Signed {
    /// The document that it is over.
    pub(super) document: Vec<u8>,
    data: SignedData,
}

impl Signed {
    /// Reads the item as the service hands it out: base64 in lines, without header and footer.
    pub(super) fn read(item: &[u8]) -> Result<Signed, Flaw> {
        const NO_SIGNATURE: Flaw =
            "has no PKCS #7 signature beside it: what stands in its place cannot be read";
        let packed: String = item
            .iter()
            .filter(|byte| !byte.is_ascii_whitespace())
            .map(|byte| char::from(*byte))
            .collect();
        let data = Base64::decode_vec(&packed)
            .ok()
            .and_then(|bytes| ber::to_der(&bytes))
            .and_then(|der| ContentInfo::from_der(&der).ok())
            .filter(|info| info.content_type == SIGNED_DATA)
            .and_then(|info| info.content.decode_as::<SignedData>().ok())
            .ok_or(NO_SIGNATURE)?;
        let content = &data.encap_content_info;
        let document = content
            .econtent
            .as_ref()
            .filter(|_| content.econtent_type == DATA)
            .and_then(|any| any.decode_as::<OctetString>().ok())
            .ok_or("is not in the signature that should hold it")?
            .into_bytes();
        Ok(Signed { document, data })
    }

    /// Whether the holder of the certificate's key signed the document.
    pub(super) fn verify(&self, certificate: &Certificate) -> Result<(), Flaw> {
        let tbs = &certificate.tbs_certificate;
        let signer = self
            .data
            .signer_infos
            .0
            .iter()
            .find(|signer| match &signer.sid {
                SignerIdentifier::IssuerAndSerialNumber(id) => {
                    id.issuer == tbs.issuer && id.serial_number == tbs.serial_number
                }
                SignerIdentifier::SubjectKeyIdentifier(_) => false,
            });
        let signer = signer.ok_or("is not signed by AWS's certificate of its region")?;
        let known =
            signer.digest_alg.oid == SHA_256 && RSA.contains(&signer.signature_algorithm.oid);
        if !known {
            return Err("is signed in another way than RSA with SHA-256");
        }
        let message = self.signed_bytes(signer)?;
        let key = key(certificate).ok_or("is signed by a certificate without an RSA key")?;
        let signature = Signature::try_from(signer.signature.as_bytes()).ok();
        signature
            .filter(|signature| {
                VerifyingKey::<Sha256>::new(key)
                    .verify(&message, signature)
                    .is_ok()
            })
            .map(|_| ())
            .ok_or("carries a signature that AWS did not make")
    }

    /// What the signature is over: the document, or attributes that name its digest (RFC 5652, 5.4).
    fn signed_bytes(&self, signer: &SignerInfo) -> Result<Vec<u8>, Flaw> {
        const OTHER: Flaw = "is not the one that was signed";
        let Some(attributes) = &signer.signed_attrs else {
            return Ok(self.document.clone());
        };
        // Each must be there once, with one value.
        let value = |oid| {
            let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
            let attribute = found
                .next()
                .filter(|attribute| attribute.values.len() == 1)?;
            attribute.values.get(0).filter(|_| found.next().is_none())
        };
        let kind = value(CONTENT_TYPE).and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        let digest = value(MESSAGE_DIGEST).and_then(|any| any.decode_as::<OctetString>().ok());
        let own = sha2::Sha256::digest(&self.document);
        if kind != Some(DATA) || digest.is_none_or(|digest| digest.as_bytes() != &own[..]) {
            return Err(OTHER);
        }
        attributes.to_der().map_err(|_| OTHER)
    }
}

/// The certificate's RSA key.
pub(super) fn key(certificate: &Certificate) -> Option<RsaPublicKey> {
    let info = &certificate.tbs_certificate.subject_public_key_info;
    RsaPublicKey::try_from(info.owned_to_ref()).ok()
}
