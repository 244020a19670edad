//! Which seals are believed and which are not, each time with ssh-keygen's own opinion beside it.
// Long: one table of seals and verdicts.

use super::bench::*;
use ssh_key::sha2::{Digest, Sha512};
use sshsig::{
    Distrust, HashAlgorithm, KeyProblem, LineProblem, NAMESPACE, Seal, SealError, Signers,
    SignersError, SigningError, SigningKey, verify,
};
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn every_key_type_both_ways() {
    for (name, kind) in KINDS {
        let lab = Lab::new();
        let path = lab.key("key", kind);
        let signers = format!("# who may seal\nalice {}\n", public(&path));
        let key = SigningKey::load(&path).unwrap();
        assert_eq!(key.fingerprint(), fingerprint(&path));
        for (hash_name, hash) in HASHES {
            let ours = key.sign(hash, &digest(hash, MESSAGE)).unwrap();
            let theirs = keygen_seal(&path, NAMESPACE, hash_name);
            if !name.starts_with("ecdsa") {
                assert_eq!(ours, theirs, "{name} signatures are deterministic");
            }
            for seal in [&ours, &theirs] {
                let parsed = Seal::parse(seal.as_bytes()).unwrap();
                assert_eq!(parsed.hash_algorithm(), hash);
                assert_eq!(parsed.fingerprint(), fingerprint(&path));
                let signer = judge_now(seal, &signers).unwrap();
                assert_eq!(signer.principal, "alice");
                assert_eq!(signer.key_type, name);
                assert_eq!(signer.fingerprint, fingerprint(&path));
                assert!(lab.keygen_accepts(seal, MESSAGE, &signers, &[]), "{name}");

                let changed = b"manifest 1\n/etc/passwd 0644 root rooT\n";
                assert_eq!(
                    judge(
                        seal.as_bytes(),
                        changed,
                        signers.as_bytes(),
                        SystemTime::now()
                    ),
                    Err(Refusal::Distrust(Distrust::BadSignature {
                        fingerprint: fingerprint(&path)
                    }))
                );
                assert!(!lab.keygen_accepts(seal, changed, &signers, &[]));
            }
        }
    }
}

/// ssh-keygen leaves out the leading zero bytes of a private number, which
/// a quarter of all P-521 keys have.
#[test]
fn short_private_numbers() {
    let lab = Lab::new();
    for index in 0..24 {
        let key = lab.key(&format!("key{index}"), &["-t", "ecdsa", "-b", "521"]);
        let seal = SigningKey::load(&key)
            .and_then(|key| key.sign(HashAlgorithm::Sha512, &Sha512::digest(MESSAGE)));
        let signers = format!("alice {}\n", public(&key));
        assert!(judge_now(&seal.unwrap(), &signers).is_ok());
    }
}

#[test]
fn rsa_sizes() {
    let lab = Lab::new();
    let short = lab.key("short", &["-t", "rsa", "-b", "1024"]);
    let seal = keygen_seal(&short, NAMESPACE, "sha512");
    let signers = format!("alice {}\n", public(&short));
    assert!(
        lab.keygen_accepts(&seal, MESSAGE, &signers, &[]),
        "ssh-keygen is known to be more lenient"
    );
    let problem = KeyProblem::RsaSize { bits: 1024 };
    assert_eq!(
        judge_now(&seal, &signers),
        Err(Refusal::Signers(SignersError::Line {
            number: 1,
            problem: LineProblem::Key(problem.clone())
        }))
    );
    let other = format!("alice {}\n", public(&lab.ed25519()));
    assert_eq!(
        judge_now(&seal, &other),
        Err(Refusal::Distrust(Distrust::Key {
            fingerprint: fingerprint(&short),
            problem
        }))
    );
    assert!(matches!(
        SigningKey::load(&short),
        Err(SigningError::Key { .. })
    ));

    let long = lab.key("long", &["-t", "rsa", "-b", "4608"]);
    let signers = format!("alice {}\n", public(&long));
    let hash = HashAlgorithm::Sha512;
    let key = SigningKey::load(&long).unwrap();
    let ours = key.sign(hash, &digest(hash, MESSAGE)).unwrap();
    for seal in [ours, keygen_seal(&long, NAMESPACE, "sha512")] {
        assert!(lab.keygen_accepts(&seal, MESSAGE, &signers, &[]));
        assert_eq!(judge_now(&seal, &signers).unwrap().key_type, "ssh-rsa");
    }
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn refused_by_both() {
    let lab = Lab::new();
    let key = lab.ed25519();
    let other = lab.key("other", &["-t", "ed25519"]);
    let good = keygen_seal(&key, NAMESPACE, "sha512");
    let print = fingerprint(&key);
    let line = public(&key);
    let signers = format!("alice {line}\n");
    assert!(judge_now(&good, &signers).is_ok());

    let foreign = keygen_seal(&key, "file", "sha512");
    let mut flipped = fields(&unarmored(&good));
    flipped[4][30] ^= 1;
    let flipped = armored(&from_fields(1, &flipped));
    let bad = || Distrust::BadSignature {
        fingerprint: print.clone(),
    };
    let someone = || "alice".to_owned();
    let cases: [(&str, &str, String, Distrust); 10] = [
        (
            "other namespace",
            &foreign,
            signers.clone(),
            Distrust::Namespace {
                found: "file".into(),
            },
        ),
        (
            "flipped bit in the signature",
            &flipped,
            signers.clone(),
            bad(),
        ),
        (
            "key not listed",
            &good,
            format!("alice {}\n", public(&other)),
            Distrust::UnknownKey {
                fingerprint: print.clone(),
            },
        ),
        ("no signers", &good, String::new(), Distrust::NoSigners),
        (
            "only a comment",
            &good,
            format!("# alice {line}\n\n"),
            Distrust::NoSigners,
        ),
        (
            "other purpose",
            &good,
            format!("alice namespaces=\"git,file\" {line}\n"),
            Distrust::NotForNamespace {
                line: 1,
                principal: someone(),
                namespaces: "git,file".into(),
            },
        ),
        (
            "exception",
            &good,
            format!("\nalice namespaces=\"*,!host-*\" {line}\n"),
            Distrust::NotForNamespace {
                line: 2,
                principal: someone(),
                namespaces: "*,!host-*".into(),
            },
        ),
        (
            "expired",
            &good,
            format!("alice valid-before=\"20200101Z\" {line}\n"),
            Distrust::NoLongerValid {
                line: 1,
                principal: someone(),
                valid_before: 1_577_836_800,
            },
        ),
        (
            "not yet valid",
            &good,
            format!("alice valid-after=\"20990101Z\" {line}\n"),
            Distrust::NotYetValid {
                line: 1,
                principal: someone(),
                valid_after: 4_070_908_800,
            },
        ),
        (
            "authority only",
            &good,
            format!("alice cert-authority {line}\n"),
            Distrust::AuthorityOnly {
                line: 1,
                fingerprint: print.clone(),
            },
        ),
    ];
    for (name, seal, signers, expected) in cases {
        assert!(!expected.to_string().contains('\n'));
        assert_eq!(
            judge_now(seal, &signers),
            Err(Refusal::Distrust(expected)),
            "{name}"
        );
        assert!(
            !lab.keygen_accepts(seal, MESSAGE, &signers, &[]),
            "{name}: ssh-keygen accepts"
        );
    }

    let parsed = Seal::parse(good.as_bytes()).unwrap();
    assert_eq!(
        verify(
            &parsed,
            &digest(HashAlgorithm::Sha256, MESSAGE),
            &Signers::parse(signers.as_bytes()).unwrap(),
            SystemTime::now()
        ),
        Err(Distrust::DigestLength {
            expected: 64,
            found: 32
        })
    );
}

#[test]
fn validity_includes_both_ends() {
    let lab = Lab::new();
    let key = lab.ed25519();
    let seal = keygen_seal(&key, NAMESPACE, "sha512");
    // 1700000000 s and 1700000100 s after 1970.
    let signers = format!(
        "alice valid-after=\"20231114221320Z\",VALID-BEFORE=\"20231114221500Z\" {}\n",
        public(&key)
    );
    for (seconds, time, expected) in [
        (1_699_999_999, "20231114221319Z", false),
        (1_700_000_000, "20231114221320Z", true),
        (1_700_000_100, "20231114221500Z", true),
        (1_700_000_101, "20231114221501Z", false),
    ] {
        let ours = judge(seal.as_bytes(), MESSAGE, signers.as_bytes(), at(seconds));
        assert_eq!(ours.is_ok(), expected, "{time}");
        let option = format!("verify-time={time}");
        assert_eq!(
            lab.keygen_accepts(&seal, MESSAGE, &signers, &["-O", &option]),
            expected,
            "{time}"
        );
    }
    let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
    assert!(judge(seal.as_bytes(), MESSAGE, signers.as_bytes(), before_1970).is_err());
}

#[test]
fn the_first_line_that_accepts_counts() {
    let lab = Lab::new();
    let key = lab.ed25519();
    let line = public(&key);
    let seal = keygen_seal(&key, NAMESPACE, "sha512");
    let signers = format!(
        "old valid-before=\"20200101\" {line}\nca cert-authority {line}\n\
         \"*@example.org,alice\" {line}\nlast {line}\n"
    );
    assert_eq!(
        judge_now(&seal, &signers).unwrap().principal,
        "*@example.org,alice"
    );
    let seal_path = lab.write("seal", seal.as_bytes());
    let signers_path = lab.write("signers", signers.as_bytes());
    let found = keygen(
        &[
            "-Y",
            "find-principals",
            "-f",
            signers_path.to_str().unwrap(),
            "-s",
            seal_path.to_str().unwrap(),
        ],
        b"",
    );
    assert_eq!(found.success(), "*@example.org\nalice\n");
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn damaged_seals() {
    let lab = Lab::new();
    let key = lab.ed25519();
    let good = keygen_seal(&key, NAMESPACE, "sha512");
    let signers = format!("alice {}\n", public(&key));
    let blob = unarmored(&good);
    let parts = fields(&blob);
    let with = |index: usize, value: &[u8]| {
        let mut parts = parts.clone();
        parts[index] = value.to_vec();
        armored(&from_fields(1, &parts))
    };
    let footer = "-----END SSH SIGNATURE-----\n";
    let mut refused = vec![
        String::new(),
        "garbage".to_owned(),
        good.replace("BEGIN SSH", "BEGIN PGP"),
        good.replace(footer, ""),
        good.replace(&format!("\n{footer}"), footer),
        format!(" {good}"),
        good.replacen('\n', " \n", 1),
        good.replacen("\nU1NI", "\nU1N*", 1),
        good.replacen("\nU1NI", "\nU1=I", 1),
        armored(b""),
        armored(b"SSHSIG"),
        armored(&blob[..blob.len() - 1]),
        armored(&[&blob[..], b"\0"].concat()),
        armored(&from_fields(2, &parts)),
        armored(&from_fields(1, &parts[..4])),
        with(0, b""),
        with(0, &[&parts[0][..], b"\0"].concat()),
        with(0, &string(b"ssh-dss")),
        with(1, b""),
        with(3, b"sha1"),
        with(3, b"sha256"),
        with(3, b"SHA512"),
        with(4, b""),
        with(4, &[&parts[4][..], b"\0"].concat()),
        with(4, &[string(b"ssh-rsa"), parts[4][15..].to_vec()].concat()),
    ];
    refused.extend((0..good.len()).step_by(7).map(|end| good[..end].to_owned()));
    for seal in &refused {
        assert!(judge_now(seal, &signers).is_err(), "{seal:?}");
        assert!(
            !lab.keygen_accepts(seal, MESSAGE, &signers, &[]),
            "{seal:?}"
        );
    }

    // Where ssh-keygen is known to be more lenient.
    for (seal, expected) in [
        (with(2, b"x"), SealError::Reserved),
        (armored(&from_fields(0, &parts)), SealError::Version(0)),
    ] {
        assert_eq!(judge_now(&seal, &signers), Err(Refusal::Seal(expected)));
        assert!(lab.keygen_accepts(&seal, MESSAGE, &signers, &[]));
    }
    for seal in [
        with(1, b"host-integrity-agent\0"),
        format!("{good}x"),
        format!("{good}{good}"),
    ] {
        assert!(judge_now(&seal, &signers).is_err());
        assert!(lab.keygen_accepts(&seal, MESSAGE, &signers, &[]));
    }

    // Other line widths and white space are accepted by both.
    for seal in [
        armored(&blob),
        format!("{good}\n"),
        good.replace("\nU1NI", "\n U1NI"),
    ] {
        assert!(judge_now(&seal, &signers).is_ok(), "{seal:?}");
        assert!(
            lab.keygen_accepts(&seal, MESSAGE, &signers, &[]),
            "{seal:?}"
        );
    }
    assert!(judge_now(&good.replace('\n', "\r\n"), &signers).is_ok());

    let huge = good.replacen('\n', &"\n".repeat(64 * 1024), 1);
    let error = Seal::parse(huge.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("64 KiB"), "{error}");
    let escape = with(1, b"\x1b[2Jfile");
    let Err(Refusal::Distrust(error)) = judge_now(&escape, &signers) else {
        panic!("another namespace must be refused");
    };
    assert!(!error.to_string().contains('\x1b'), "{error}");
}

#[test]
fn rsa_with_sha1_is_refused_by_both() {
    let lab = Lab::new();
    let key = lab.key("key", &["-t", "rsa", "-b", "2048"]);
    let signers = format!("alice {}\n", public(&key));
    let mut parts = fields(&unarmored(&keygen_seal(&key, NAMESPACE, "sha512")));
    let name = string(b"rsa-sha2-512");
    assert!(parts[4].starts_with(&name));
    let rest = parts[4][name.len()..].to_vec();
    parts[4] = [string(b"ssh-rsa"), rest].concat();
    let seal = armored(&from_fields(1, &parts));
    assert_eq!(
        judge_now(&seal, &signers),
        Err(Refusal::Distrust(Distrust::Algorithm {
            fingerprint: fingerprint(&key),
            algorithm: "ssh-rsa".into()
        }))
    );
    assert!(!lab.keygen_accepts(&seal, MESSAGE, &signers, &[]));
}

#[test]
fn certificates_never_vouch() {
    let lab = Lab::new();
    let authority = lab.key("authority", &["-t", "ed25519"]);
    let key = lab.ed25519();
    let certify = [
        "-q",
        "-s",
        authority.to_str().unwrap(),
        "-I",
        "id",
        "-n",
        "alice",
        key.to_str().unwrap(),
    ];
    keygen(&certify, b"").success();
    let certificate = lab.path("ed25519-cert.pub");
    let seal = keygen_seal(&certificate, NAMESPACE, "sha512");
    let signers = format!(
        "alice cert-authority {}\nalice {}\n",
        public(&authority),
        public(&key)
    );
    assert!(
        lab.keygen_accepts(&seal, MESSAGE, &signers, &[]),
        "the test makes a valid certificate"
    );
    let problem = KeyProblem::Certificate {
        key_type: "ssh-ed25519-cert-v01@openssh.com".into(),
    };
    assert_eq!(
        judge_now(&seal, &signers),
        Err(Refusal::Distrust(Distrust::Key {
            fingerprint: fingerprint(&key),
            problem: problem.clone()
        }))
    );
    Random(0xce27_ce27).blobs_never_verify(&unarmored(&seal), &signers, 300);

    let listed = format!("alice {}", fs::read_to_string(&certificate).unwrap());
    assert_eq!(
        Signers::parse(listed.as_bytes()).unwrap_err(),
        SignersError::Line {
            number: 1,
            problem: LineProblem::Key(problem)
        }
    );
    assert!(matches!(
        SigningKey::load(&certificate),
        Err(SigningError::Key { .. })
    ));

    for (index, (_, kind)) in KINDS.into_iter().enumerate() {
        let key = lab.key(&format!("key{index}"), kind);
        let mut certify = certify;
        certify[7] = key.to_str().unwrap();
        keygen(&certify, b"").success();
        let certificate = lab.path(&format!("key{index}-cert.pub"));
        let seal = keygen_seal(&certificate, NAMESPACE, "sha512");
        let seal = Seal::parse(seal.as_bytes()).unwrap();
        assert_eq!(seal.fingerprint(), fingerprint(&key));
    }
}
