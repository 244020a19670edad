//! Damage at random: nothing panics, and nothing that was not sealed verifies.

use super::bench::*;
use base64ct::{Base64, Encoding};
use sshsig::{HashAlgorithm, NAMESPACE, Seal, SigningKey};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn damaged_seals_never_panic_and_never_verify() {
    let lab = Lab::new();
    let mut random = Random(0x5ea1_5ea1_5ea1_5ea1);
    let stripped = |bytes: &[u8]| -> Vec<u8> {
        let visible = |byte: &u8| !byte.is_ascii_whitespace();
        bytes.iter().copied().filter(visible).collect()
    };
    for (index, (name, kind)) in KINDS.into_iter().enumerate() {
        let key = lab.key(&format!("key{index}"), kind);
        let seal = keygen_seal(&key, NAMESPACE, "sha256");
        let signers = format!("alice {}\n", public(&key));
        assert!(judge_now(&seal, &signers).is_ok());
        let blob = unarmored(&seal);
        for _ in 0..600 {
            let mut mutated = seal.clone().into_bytes();
            random.mutate(&mut mutated);
            if stripped(&mutated) != stripped(seal.as_bytes()) {
                let verdict = judge(&mutated, MESSAGE, signers.as_bytes(), at(1_700_000_000));
                assert!(verdict.is_err(), "{name}: {}", mutated.escape_ascii());
            }
        }
        random.blobs_never_verify(&blob, &signers, 600);
    }
}

/// A damaged key file may still hold a key; what it signs then is a seal.
#[test]
fn mutated_key_files_never_panic() {
    let lab = Lab::new();
    let mut random = Random(0xdead_0dd5_dead_0dd5);
    let (begin, end) = (
        "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        "-----END OPENSSH PRIVATE KEY-----\n",
    );
    let path = lab.write("mutated", b"");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for (index, (name, kind)) in KINDS.into_iter().enumerate() {
        let text = fs::read_to_string(lab.key(&format!("key{index}"), kind)).unwrap();
        let base64: String = text.lines().filter(|line| !line.contains("---")).collect();
        let blob = Base64::decode_vec(&base64).unwrap();
        for round in 0..100 {
            let mut mutated = blob.clone();
            random.mutate(&mut mutated);
            let mut lines = String::new();
            for (index, character) in Base64::encode_string(&mutated).chars().enumerate() {
                if index > 0 && index % 70 == 0 {
                    lines.push('\n');
                }
                lines.push(character);
            }
            fs::write(&path, format!("{begin}{lines}\n{end}")).unwrap();
            if let Ok(key) = SigningKey::load(&path)
                && let Ok(seal) = key.sign(HashAlgorithm::Sha512, &[7; 64])
            {
                assert!(Seal::parse(seal.as_bytes()).is_ok(), "{name} {round}");
            }
        }
    }
}
