//! What the signed identity says of the instance and its image.

use super::checks::{AMI_TRUSTED, IDENTITY_VERIFIED, IMAGE_AGE};
use super::client::Item;
use super::endpoint::Platform;
use super::identity::{self, Authenticity, Certificates, Document};
use super::posture::switched_off;
use super::snapshot::{ImdsSnapshot, Seen, Service};
use crate::settings::context::Context;
use agent_core::config;
use agent_core::finding::{Finding, Verdict};
use agent_core::host::Host;
use agent_core::words::counted;
use serde_json::json;

/// The identity as the service gives it, and how far it is vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub(super) document: Option<Document>,
    pub(super) authenticity: Authenticity,
    /// Whether the metadata service is switched off, so that there is no identity to have.
    pub(super) off: bool,
}

impl Identity {
    /// Judges what the service said, by AWS's signature and by what the hypervisor wrote into DMI.
    pub fn of(snapshot: &ImdsSnapshot, certificates: &Certificates) -> Identity {
        let untold = |why: String| Identity {
            document: None,
            authenticity: Authenticity::Untold(why),
            off: false,
        };
        let seen = match &snapshot.service {
            Service::NoInstance(why) => return untold((*why).into()),
            Service::Unasked(why) => return untold(why.clone()),
            Service::Asked(seen) => seen,
        };
        let document = match &seen.document {
            Item::There(bytes) => bytes,
            Item::Absent => {
                return untold("the metadata service holds no identity document".into());
            }
            Item::Untold(_) if switched_off(seen) => {
                return Identity {
                    off: true,
                    ..untold("the metadata service is switched off".into())
                };
            }
            Item::Untold(why) => return untold(format!("the metadata service {why}")),
        };
        let (document, authenticity) = match &seen.signature {
            Item::There(signature) => identity::judge(document, signature, certificates),
            other => {
                let why = match other {
                    Item::Untold(why) => format!("the metadata service {why}"),
                    Item::Absent | Item::There(_) => {
                        "the metadata service holds no signature over it".into()
                    }
                };
                (Document::parse(document), Authenticity::Untold(why))
            }
        };
        Identity {
            authenticity: beside_dmi(document.as_ref(), authenticity, &snapshot.platform),
            document,
            off: false,
        }
    }

    /// Whether AWS vouches for it, and it is this instance's.
    pub fn is_verified(&self) -> bool {
        self.authenticity == Authenticity::Signed
    }

    /// When the instance was launched, in seconds since 1970; `None` unless AWS vouches for it.
    fn launched(&self) -> Option<i64> {
        let document = self.document.as_ref().filter(|_| self.is_verified())?;
        let time: jiff::Timestamp = document.pending_time.parse().ok()?;
        Some(time.as_second())
    }

    /// Puts into `host` what reports and events name of it.
    pub fn describe(&self, host: &mut Host) {
        let Some(document) = &self.document else {
            return;
        };
        if host.instance_id.is_empty() {
            host.instance_id.clone_from(&document.instance_id);
        }
        // The identity of another instance says nothing of this one.
        if host.instance_id == document.instance_id {
            host.cloud = Some(Box::new(document.cloud(self.is_verified())));
        }
    }
}

/// The signature shows that AWS speaks, DMI that it speaks of this instance.
fn beside_dmi(
    document: Option<&Document>,
    authenticity: Authenticity,
    platform: &Platform,
) -> Authenticity {
    match (document, platform, authenticity) {
        (Some(document), Platform::Nitro(id), _) if document.instance_id != *id => {
            Authenticity::Forged(format!(
                "is that of {}, and DMI says that this is {id}",
                document.instance_id
            ))
        }
        (Some(_), Platform::Xen | Platform::Elsewhere, Authenticity::Signed) => {
            Authenticity::Untold(
                "AWS signed it, and DMI names no instance that it could be compared with".into(),
            )
        }
        (_, _, authenticity) => authenticity,
    }
}

/// `identity_verified`.
pub(super) fn verified(context: &Context<'_>, identity: &Identity) -> Finding {
    let say = |verdict, message: String| {
        context.finding(&IDENTITY_VERIFIED, verdict, "identity document", message)
    };
    let finding = match &identity.authenticity {
        Authenticity::Signed => say(
            Verdict::Pass,
            "AWS signed the identity document, and it is this instance's".into(),
        ),
        Authenticity::Forged(why) => say(Verdict::Fail, format!("the identity document {why}")),
        Authenticity::Untold(why) if identity.off => say(Verdict::NotApplicable, why.clone()),
        Authenticity::Untold(why) => say(
            Verdict::Unknown,
            format!("the identity is not vouched for: {why}"),
        ),
    };
    let observed = identity.document.as_ref().map(|document| {
        json!({
            "verified": identity.is_verified(), "instance_id": document.instance_id,
            "image_id": document.image_id, "account_id": document.account_id,
            "region": document.region,
        })
    });
    finding.evidence(json!({ "verified": true }), json!(observed))
}

/// `ami_trusted`.
pub(super) fn ami(
    context: &Context<'_>,
    identity: &Identity,
    config: &config::Instance,
) -> Finding {
    let say = |verdict, message: String| context.finding(&AMI_TRUSTED, verdict, "image", message);
    if config.expect_ami.is_empty() {
        return say(
            Verdict::NotApplicable,
            "agent.toml names no image in expect_ami".into(),
        );
    }
    let document = match &identity.document {
        Some(document) if identity.is_verified() => document,
        _ => {
            return say(
                Verdict::Unknown,
                "no identity document vouches for an image".into(),
            );
        }
    };
    let image = &document.image_id;
    let (verdict, message) = match config.expect_ami.contains(image) {
        true => (Verdict::Pass, format!("launched from {image}, as expected")),
        false => (
            Verdict::Fail,
            format!("launched from {image}, which is none of the images in expect_ami"),
        ),
    };
    say(verdict, message).evidence(
        json!({ "image_id": config.expect_ami }),
        json!({ "image_id": image }),
    )
}

/// `image_age`. The manifest was made while the image was baked; without one the launch is all that is known, and the
/// image is older than that.
pub(super) fn age(context: &Context<'_>, identity: &Identity, baked: Option<i64>) -> Finding {
    let say = |verdict, message: String| context.finding(&IMAGE_AGE, verdict, "image", message);
    let most = context.demanded_number(&IMAGE_AGE, 0);
    if most == 0 {
        return say(
            Verdict::NotApplicable,
            "the profile sets no age that an image may have".into(),
        );
    }
    let days = |since: i64| context.now.saturating_sub(since).max(0) / (24 * 3600);
    let launched = identity.launched();
    let (verdict, age, message) = match (baked, launched) {
        (Some(baked), _) => {
            let age = days(baked);
            let aged = counted(age.unsigned_abs(), "day");
            match age <= most {
                true => (Verdict::Pass, age, format!("the image was made {aged} ago")),
                false => (
                    Verdict::Fail,
                    age,
                    format!("the image was made {aged} ago, and at most {most} are allowed"),
                ),
            }
        }
        (None, Some(launched)) => {
            let age = days(launched);
            let aged = counted(age.unsigned_abs(), "day");
            match age <= most {
                true => (
                    Verdict::Unknown,
                    age,
                    format!(
                        "the instance was launched {aged} ago; no manifest says when its image was made"
                    ),
                ),
                false => (
                    Verdict::Fail,
                    age,
                    format!(
                        "the image is older than its instance, which was launched {aged} ago; at most {most} are allowed"
                    ),
                ),
            }
        }
        (None, None) => {
            return say(
                Verdict::Unknown,
                "neither a manifest nor a signed document says when the image was made".into(),
            );
        }
    };
    say(verdict, message).evidence(json!({ "days": most }), json!({ "days": age }))
}

/// Whether a role is there, a tag, and the like: what an item says where it could not be had.
pub(super) fn unheard(seen: &Seen, why: &str) -> (Verdict, String) {
    match switched_off(seen) {
        true => (
            Verdict::NotApplicable,
            "the metadata service is switched off".into(),
        ),
        false => (Verdict::Unknown, format!("the metadata service {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::client::Handed;
    use agent_baseline::profile::source::{CheckSettings, Settings};
    use agent_core::os::root::Root;
    use agent_core::release::OsRelease;
    use std::path::Path;
    use std::process::Command;

    fn document(id: &str) -> Document {
        Document {
            instance_id: id.into(),
            image_id: "ami-1".into(),
            ..Document::default()
        }
    }

    #[test]
    fn a_signature_counts_beside_dmi_alone() {
        let here = Platform::Nitro("i-1".into());
        let untold = Authenticity::Untold("x".into());
        let forged = Authenticity::Forged("y".into());
        let kind = |authenticity: &Authenticity| match authenticity {
            Authenticity::Signed => "signed",
            Authenticity::Forged(_) => "forged",
            Authenticity::Untold(_) => "untold",
        };
        for (id, authenticity, platform, expected) in [
            ("i-1", Authenticity::Signed, &here, "signed"),
            ("i-2", Authenticity::Signed, &here, "forged"),
            ("i-2", untold.clone(), &here, "forged"),
            ("i-1", untold.clone(), &here, "untold"),
            ("i-1", forged.clone(), &here, "forged"),
            ("i-1", Authenticity::Signed, &Platform::Xen, "untold"),
            ("i-1", Authenticity::Signed, &Platform::Elsewhere, "untold"),
            ("i-1", forged, &Platform::Xen, "forged"),
        ] {
            let judged = beside_dmi(Some(&document(id)), authenticity.clone(), platform);
            assert_eq!(
                kind(&judged),
                expected,
                "{id} {authenticity:?} {platform:?}"
            );
        }
    }

    #[test]
    fn a_host_takes_nothing_from_the_identity_of_another() {
        for (own, verified, cloud) in [("i-1", true, true), ("", true, true), ("i-2", true, false)]
        {
            let authenticity = match verified {
                true => Authenticity::Signed,
                false => Authenticity::Untold("x".into()),
            };
            let identity = Identity {
                document: Some(document("i-1")),
                authenticity,
                off: false,
            };
            let mut host = Host {
                instance_id: own.into(),
                ..Host::default()
            };
            identity.describe(&mut host);
            assert_eq!(host.cloud.is_some(), cloud, "{own}");
            assert!(host.instance_id == "i-1" || host.instance_id == own);
        }
    }

    /// `document` signed by a key of the test's own, and the certificate: openssl makes both.
    fn signed(document: &[u8]) -> (Vec<u8>, Certificates) {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("document"), document).expect("a file");
        let script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out pem -subj /CN=test 2>/dev/null
            openssl cms -sign -binary -nodetach -nocerts -md sha256 -signer pem -inkey key -in document -stream -outform DER | base64 >signature";
        let status = Command::new("bash")
            .args(["-euc", script])
            .current_dir(directory.path())
            .status()
            .expect("bash");
        assert!(status.success(), "openssl");
        let read = |name| std::fs::read_to_string(directory.path().join(name)).expect("a file");
        let certificates = Certificates::of(format!("# eu-central-1\n{}", read("pem")));
        (read("signature").into_bytes(), certificates)
    }

    /// What the service said to whom it gave a token.
    fn snapshot(document: &[u8], signature: &[u8], platform: Platform) -> ImdsSnapshot {
        ImdsSnapshot {
            platform,
            service: Service::Asked(Box::new(Seen {
                v1: None,
                token: Handed::Token(60),
                hops: None,
                ipv6: None,
                document: Item::There(document.to_vec()),
                signature: Item::There(signature.to_vec()),
                role: None,
                tag: None,
            })),
        }
    }

    #[test]
    fn a_signed_identity_and_the_image_that_it_names() {
        let document = br#"{"instanceId":"i-1","imageId":"ami-1","region":"eu-central-1","pendingTime":"2026-01-01T00:00:00Z"}"#;
        let (signature, ours) = signed(document);
        let here = || Platform::Nitro("i-1".into());
        let good = || Identity::of(&snapshot(document, &signature, here()), &ours);
        let foreign = Identity::of(&snapshot(document, &signature, here()), &Certificates::AWS);
        let another = Platform::Nitro("i-2".into());
        let another = Identity::of(&snapshot(document, &signature, another), &ours);

        let root = Root::open(Path::new("/")).expect("a root");
        let release = OsRelease::default();
        let mut settings = Settings::default();
        let check = CheckSettings {
            demand: Some(toml::Value::Integer(30)),
            ..CheckSettings::default()
        };
        settings.checks.insert(IMAGE_AGE.id.into(), check);
        // 2026-02-10
        let now = 1_770_681_600;
        let context = Context::new(&root, &release, &settings, now, &|_| true);
        let expect = |images: &[&str]| config::Instance {
            expect_ami: images.iter().map(|image| (*image).to_owned()).collect(),
            ..config::Instance::default()
        };
        use Verdict::{Fail, NotApplicable, Pass, Unknown};
        for (identity, images, signed, trusted, aged) in [
            (good(), &["ami-1"][..], Pass, Pass, Fail),
            (good(), &["ami-2", "ami-1"], Pass, Pass, Fail),
            (good(), &["ami-2"], Pass, Fail, Fail),
            (good(), &[], Pass, NotApplicable, Fail),
            (foreign, &["ami-1"], Fail, Unknown, Unknown),
            (another, &["ami-1"], Fail, Unknown, Unknown),
        ] {
            assert_eq!(
                verified(&context, &identity).verdict,
                signed,
                "{identity:?}"
            );
            let found = ami(&context, &identity, &expect(images));
            assert_eq!(found.verdict, trusted, "{identity:?} {images:?}");
            assert_eq!(age(&context, &identity, None).verdict, aged, "{identity:?}");
        }
        let day = 24 * 3600;
        for (baked, verdict) in [
            (now - 30 * day, Pass),
            (now - 31 * day, Fail),
            (now + day, Pass),
        ] {
            assert_eq!(age(&context, &good(), Some(baked)).verdict, verdict);
        }
    }
}
