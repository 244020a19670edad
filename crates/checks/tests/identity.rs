//! Signatures over identity documents: made by openssl, verified by the agent's code.

use agent_checks::instance::identity::{Authenticity, Certificates, judge};
use harness::imds::{Authority, Identity};

/// The certificates of one region.
fn certificates(authority: &Authority, region: &str) -> Certificates {
    let pem = std::fs::read_to_string(authority.certificate()).expect("a certificate");
    Certificates::of(format!("# {region}\n{pem}"))
}

fn stand(document: &str, signature: &str, certificates: &Certificates) -> Authenticity {
    judge(document.as_bytes(), signature.as_bytes(), certificates).1
}

fn is_forged(authenticity: &Authenticity) -> bool {
    matches!(authenticity, Authenticity::Forged(_))
}

#[test]
fn what_openssl_signs_is_verified() {
    let authority = Authority::new();
    let ours = certificates(&authority, "eu-central-1");
    let document = Identity::default().document();
    for arguments in [
        // BER as AWS sends it, DER, with the certificate, without attributes, both names of the algorithm.
        &["-stream"][..],
        &[],
        &["-certfile", "certificate.pem"],
        &["-noattr"],
        &["-stream", "-noattr"],
    ] {
        let signature = authority.sign_with(document.as_bytes(), arguments);
        let (found, authenticity) = judge(document.as_bytes(), signature.as_bytes(), &ours);
        assert_eq!(authenticity, Authenticity::Signed, "{arguments:?}");
        let found = found.expect("a document");
        assert_eq!(found.image_id, "ami-0123456789abcdef0");
        assert_eq!(found.account_id, "123456789012");
        assert_eq!(found.availability_zone, "eu-central-1a");
    }
}

#[test]
fn what_another_signs_is_not() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ours = certificates(&authority, "eu-central-1");
    let document = Identity::default().document();
    let signature = authority.sign(document.as_bytes());
    let stranger = Identity {
        image_id: "ami-ffffffffffffffff0".into(),
        ..Identity::default()
    }
    .document();
    let mars = Identity {
        region: "mars-north-1".into(),
        ..Identity::default()
    }
    .document();

    assert_eq!(stand(&document, &signature, &ours), Authenticity::Signed);
    for (document, signature, why) in [
        (&document, other.sign(document.as_bytes()), "another key"),
        (&stranger, signature.clone(), "another document beside it"),
        (
            &document,
            authority.sign(stranger.as_bytes()),
            "another document in it",
        ),
        (&document, String::new(), "nothing"),
        (&document, "AAAA".into(), "no signature"),
        (
            &document,
            authority.sign_with(document.as_bytes(), &["-md", "sha1"]),
            "SHA-1",
        ),
    ] {
        let authenticity = stand(document, &signature, &ours);
        assert!(is_forged(&authenticity), "{why}: {authenticity:?}");
    }
    // AWS did not sign what the harness's authority did.
    assert!(is_forged(&stand(&document, &signature, &Certificates::AWS)));
    let told = stand(&mars, &authority.sign(mars.as_bytes()), &Certificates::AWS);
    assert!(matches!(told, Authenticity::Untold(why) if why.contains("mars-north-1")));
    let told = stand("<html>", &signature, &ours);
    assert!(matches!(told, Authenticity::Untold(_)));
}

#[test]
fn no_byte_of_a_signature_can_be_changed() {
    use base64ct::{Base64, Encoding};
    let authority = Authority::new();
    let ours = certificates(&authority, "eu-central-1");
    let document = Identity::default().document();
    let packed: String = authority
        .sign(document.as_bytes())
        .split_whitespace()
        .collect();
    let good = Base64::decode_vec(&packed).expect("base64");
    let mut passed = Vec::new();
    for place in 0..good.len() {
        let mut changed = good.clone();
        changed[place] ^= 1;
        let encoded = Base64::encode_string(&changed);
        if stand(&document, &encoded, &ours) == Authenticity::Signed {
            passed.push(place);
        }
        assert!(
            stand(&document, &Base64::encode_string(&good[..place]), &ours) != Authenticity::Signed
        );
    }
    // Versions and the list of algorithms stand outside of what is signed, and nothing rests on them.
    assert!(passed.len() < 64, "{passed:?}");
    assert!(
        passed.iter().all(|place| {
            let mut changed = good.clone();
            changed[*place] ^= 1;
            let encoded = Base64::encode_string(&changed);
            let (found, _) = judge(document.as_bytes(), encoded.as_bytes(), &ours);
            found.expect("a document").image_id == "ami-0123456789abcdef0"
        }),
        "{passed:?}"
    );
}
