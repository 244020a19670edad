//! Key files that can seal, those that cannot, and security keys.

use super::bench::*;
use agent_core::bounds;
use base64ct::{Base64, Encoding};
use rsa::rand_core::OsRng;
use rsa::signature::Signer as _;
use ssh_key::EcdsaCurve;
use ssh_key::private::{EcdsaKeypair, Ed25519Keypair};
use ssh_key::sha2::{Digest, Sha256};
use sshsig::{HashAlgorithm, NAMESPACE, SigningError, SigningKey};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

type Sign = dyn Fn(&[u8]) -> Vec<u8>;

/// A security key in software: PROTOCOL.u2f signs application, flags, counter
/// and message together.
struct SecurityKey {
    key_type: &'static str,
    /// The fields of the public key between type and application.
    public: Vec<u8>,
    sign: Box<Sign>,
}

impl SecurityKey {
    fn ed25519() -> SecurityKey {
        let pair = Ed25519Keypair::from_seed(&[7; 32]);
        SecurityKey {
            key_type: "sk-ssh-ed25519@openssh.com",
            public: string(&pair.public.0),
            sign: Box::new(move |message| pair.sign(message).as_bytes().to_vec()),
        }
    }

    fn ecdsa() -> SecurityKey {
        let pair = EcdsaKeypair::random(&mut OsRng, EcdsaCurve::NistP256).unwrap();
        let point = pair.public_key_bytes().to_vec();
        SecurityKey {
            key_type: "sk-ecdsa-sha2-nistp256@openssh.com",
            public: [string(b"nistp256"), string(&point)].concat(),
            sign: Box::new(move |message| pair.sign(message).as_bytes().to_vec()),
        }
    }

    fn blob(&self, application: &[u8]) -> Vec<u8> {
        let key_type = string(self.key_type.as_bytes());
        [key_type, self.public.clone(), string(application)].concat()
    }

    fn signers(&self, application: &[u8]) -> String {
        let base64 = Base64::encode_string(&self.blob(application));
        format!("alice {} {base64}\n", self.key_type)
    }

    /// The signature blob over MESSAGE.
    fn signature(&self, flags: u8) -> Vec<u8> {
        let message = [
            b"SSHSIG".to_vec(),
            string(NAMESPACE.as_bytes()),
            string(b""),
            string(b"sha512"),
            string(&digest(HashAlgorithm::Sha512, MESSAGE)),
        ]
        .concat();
        let trailer = [flags, 0, 0, 0, 9];
        let signed = [
            &Sha256::digest(APPLICATION)[..],
            &trailer,
            &Sha256::digest(&message),
        ]
        .concat();
        let key_type = string(self.key_type.as_bytes());
        [key_type, string(&(self.sign)(&signed)), trailer.to_vec()].concat()
    }

    fn seal(&self, signature: Vec<u8>) -> String {
        let parts = [
            self.blob(APPLICATION),
            NAMESPACE.into(),
            Vec::new(),
            b"sha512".to_vec(),
            signature,
        ];
        armored(&from_fields(1, &parts))
    }
}

const APPLICATION: &[u8] = b"ssh:";

#[test]
fn security_keys() {
    let lab = Lab::new();
    for key in [SecurityKey::ed25519(), SecurityKey::ecdsa()] {
        let signers = key.signers(APPLICATION);
        for flags in [0, 1, 5] {
            let seal = key.seal(key.signature(flags));
            assert!(lab.keygen_accepts(&seal, MESSAGE, &signers, &[]));
            assert_eq!(judge_now(&seal, &signers).unwrap().key_type, key.key_type);
        }
        let good = key.signature(1);
        let mut counter_changed = good.clone();
        *counter_changed.last_mut().unwrap() ^= 1;
        let without_counter = good[..good.len() - 5].to_vec();
        let with_more = [&good[..], &[0]].concat();
        // A part of the signature proper moved behind its length.
        let mut shifted = good.clone();
        shifted[4 + key.key_type.len() + 3] -= 8;
        for signature in [counter_changed, without_counter, with_more, shifted] {
            let seal = key.seal(signature);
            assert!(judge_now(&seal, &signers).is_err());
            assert!(!lab.keygen_accepts(&seal, MESSAGE, &signers, &[]));
        }
        let seal = key.seal(good);
        let other = key.signers(b"ssh:else");
        assert!(judge_now(&seal, &other).is_err());
        assert!(!lab.keygen_accepts(&seal, MESSAGE, &other, &[]));
        Random(0x5ec0_5ec0).blobs_never_verify(&unarmored(&seal), &signers, 300);
    }
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one kind of file after the other, none of which bears on the next"
)]
#[test]
fn key_files_that_cannot_seal() {
    let lab = Lab::new();
    let load = |path: &Path| SigningKey::load(path).map_err(|error| (error.to_string(), error));

    let exposed = lab.key("exposed", &["-t", "ed25519"]);
    for mode in [0o640, 0o604, 0o660, 0o601] {
        fs::set_permissions(&exposed, fs::Permissions::from_mode(mode)).unwrap();
        let (text, error) = load(&exposed).unwrap_err();
        assert!(matches!(error, SigningError::Exposed { .. }), "{text}");
        assert!(text.contains("chmod 600"), "{text}");
        let arguments = [
            "-Y",
            "sign",
            "-n",
            NAMESPACE,
            "-f",
            exposed.to_str().unwrap(),
        ];
        assert!(!keygen(&arguments, MESSAGE).succeeded);
    }
    fs::set_permissions(&exposed, fs::Permissions::from_mode(0o400)).unwrap();
    let key = load(&exposed).unwrap();
    assert!(!format!("{key:?}").contains("private"));
    assert!(matches!(
        key.sign(HashAlgorithm::Sha512, &[0; 32]),
        Err(SigningError::DigestLength { .. })
    ));

    let locked = lab.path("locked");
    let path = locked.to_str().unwrap();
    keygen(&["-q", "-t", "ed25519", "-N", "secret", "-f", path], b"").success();
    let (text, error) = load(&locked).unwrap_err();
    assert!(matches!(error, SigningError::Encrypted { .. }), "{text}");
    assert!(
        text.contains("ssh-add") && text.contains("locked.pub"),
        "{text}"
    );

    let pem = lab.path("pem");
    let path = pem.to_str().unwrap();
    keygen(
        &["-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f", path],
        b"",
    )
    .success();
    let (text, error) = load(&pem).unwrap_err();
    assert!(matches!(error, SigningError::Format { .. }), "{text}");

    for (name, content) in [
        ("empty", &b""[..]),
        ("text", b"some text\n"),
        ("seal", b"-----BEGIN SSH SIGNATURE-----\n"),
        // One byte more than may be.
        (
            "huge",
            &vec![b'#'; usize::try_from(bounds::SIGN_KEY).unwrap() + 1],
        ),
    ] {
        let path = lab.write(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let (text, error) = load(&path).unwrap_err();
        assert!(matches!(error, SigningError::NotAKeyFile { .. }), "{text}");
    }
    let (text, error) = load(&lab.0).unwrap_err();
    assert!(matches!(error, SigningError::NotAKeyFile { .. }), "{text}");
    assert!(matches!(
        load(&lab.path("absent")).unwrap_err().1,
        SigningError::Read { .. }
    ));

    let mut damaged = fs::read_to_string(&exposed).unwrap();
    damaged.replace_range(100..104, "AAAA");
    let path = lab.write("damaged", damaged.as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let text = match load(&path) {
        Err((text, _)) => text,
        Ok(key) => key
            .sign(HashAlgorithm::Sha256, &[0; 32])
            .unwrap_err()
            .to_string(),
    };
    assert!(text.contains("damaged"), "{text}");
}
