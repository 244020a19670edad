//! The instance identity document, and whether AWS vouches for it.
//!
//! "Use the RSA-2048 signature to verify the instance identity document", EC2 user guide.

mod ber;
mod certificates;
mod signature;

pub use certificates::Certificates;

use agent_core::host::Cloud;
use serde::Deserialize;
use signature::Signed;

/// What of the document the agent uses. Members that are missing are empty.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Document {
    /// As `i-0123456789abcdef0`.
    pub instance_id: String,
    /// As `ami-0123456789abcdef0`.
    pub image_id: String,
    /// Twelve digits.
    pub account_id: String,
    /// As `eu-central-1`.
    pub region: String,
    /// As `eu-central-1a`.
    pub availability_zone: String,
    /// As `t3.micro`.
    pub instance_type: String,
    /// The primary private IPv4 address.
    pub private_ip: String,
    /// When the instance was launched, RFC 3339.
    pub pending_time: String,
}

/// How far AWS vouches for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authenticity {
    /// AWS signed exactly this document.
    Signed,
    /// It did not: the text says why, after "the identity document".
    Forged(String),
    /// Nothing tells: the text says why.
    Untold(String),
}

impl Document {
    /// Reads the item `document`; `None` if it is no JSON object that names an instance.
    pub fn parse(bytes: &[u8]) -> Option<Document> {
        let document: Document = serde_json::from_slice(bytes).ok()?;
        // What stands here ends up in reports and events.
        let plain =
            |text: &String| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let all = [
            &document.instance_id,
            &document.image_id,
            &document.account_id,
            &document.region,
            &document.availability_zone,
            &document.instance_type,
            &document.private_ip,
            &document.pending_time,
        ];
        (!document.instance_id.is_empty() && all.into_iter().all(plain)).then_some(document)
    }

    /// What reports and events name of it.
    pub fn cloud(&self, verified: bool) -> Cloud {
        Cloud {
            image_id: self.image_id.clone(),
            account_id: self.account_id.clone(),
            region: self.region.clone(),
            zone: self.availability_zone.clone(),
            instance_type: self.instance_type.clone(),
            private_ip: self.private_ip.clone(),
            verified,
        }
    }
}

/// Judges the items `document` and `rsa2048` by the certificates. The document, where there is one, is the signed one.
pub fn judge(
    document: &[u8],
    signature: &[u8],
    certificates: &Certificates,
) -> (Option<Document>, Authenticity) {
    let plain = Document::parse(document);
    let forged = |why: &str| Authenticity::Forged(why.to_owned());
    let Some(parsed) = &plain else {
        return (
            None,
            Authenticity::Untold(
                "what the metadata service holds in its place is no identity document".into(),
            ),
        );
    };
    let signed = match Signed::read(signature) {
        Ok(signed) => signed,
        Err(flaw) => return (plain, forged(flaw)),
    };
    if signed.document.trim_ascii() != document.trim_ascii() {
        return (
            plain,
            forged("is another one than the one in its signature"),
        );
    }
    let Some(certificate) = certificates.find(&parsed.region) else {
        let why = format!(
            "this version knows no certificate of AWS for the region {}",
            parsed.region
        );
        return (plain, Authenticity::Untold(why));
    };
    match signed.verify(&certificate) {
        Ok(()) => (plain, Authenticity::Signed),
        Err(flaw) => (plain, forged(flaw)),
    }
}
