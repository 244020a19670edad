//! The certificates that identity documents are verified against, one a region: data, fetched from nowhere.

use std::borrow::Cow;
use x509_cert::Certificate;
use x509_cert::der::DecodePem;

/// Certificates by region.
#[derive(Clone, Debug)]
pub struct Certificates(Cow<'static, str>);

impl Certificates {
    /// AWS's, as the EC2 user guide publishes them.
    pub const AWS: Certificates = Certificates(Cow::Borrowed(include_str!("../certificates.pem")));

    /// Those in `text`: a line `# REGION` before each PEM block.
    pub fn of(text: impl Into<String>) -> Certificates {
        Certificates(Cow::Owned(text.into()))
    }

    /// The certificate of the region; `None` where there is none that can be read.
    pub(super) fn find(&self, region: &str) -> Option<Certificate> {
        let (_, block) = self.blocks().find(|(name, _)| *name == region)?;
        Certificate::from_pem(block).ok()
    }

    /// Regions with their PEM blocks.
    fn blocks(&self) -> impl Iterator<Item = (&str, &str)> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----\n";
        self.0.match_indices(BEGIN).filter_map(|(start, _)| {
            let region = self.0[..start].lines().next_back()?.strip_prefix("# ")?;
            let block = &self.0[start..];
            let length = block.find(END)?.checked_add(END.len())?;
            Some((region, block.get(..length)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_certificate_that_is_shipped_can_be_used() {
        let all: Vec<(&str, &str)> = Certificates::AWS.blocks().collect();
        let text = include_str!("../certificates.pem");
        assert_eq!(all.len(), text.matches("BEGIN CERTIFICATE").count());
        assert!(all.len() >= 39, "{}", all.len());
        let regions: BTreeSet<&str> = all.iter().map(|(region, _)| *region).collect();
        assert_eq!(regions.len(), all.len(), "a region twice");
        let mut signers = BTreeSet::new();
        for region in regions {
            let certificate = Certificates::AWS.find(region).expect(region);
            let key = super::super::signature::key(&certificate).expect(region);
            assert_eq!(rsa::traits::PublicKeyParts::size(&key), 256, "{region}");
            let tbs = certificate.tbs_certificate;
            assert_eq!(tbs.issuer, tbs.subject, "{region}");
            signers.insert(tbs.serial_number.as_bytes().to_vec());
        }
        assert_eq!(signers.len(), all.len(), "two regions share a certificate");
        assert!(Certificates::AWS.find("mars-north-1").is_none());
        assert!(Certificates::AWS.find("").is_none());
    }
}
