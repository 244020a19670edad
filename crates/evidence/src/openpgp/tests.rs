//! Keys and signatures made by GnuPG.

use super::*;
use std::path::Path;
use std::process::Command;

const TEXT: &str = "Origin: test\n- dash\ntrailing \t\n\nSHA256:\n aa 1 main/Packages\n";

/// Runs shell in a GnuPG home of its own.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new() -> Gpg {
        let directory = tempfile::tempdir().expect("a directory");
        let gpg = Gpg(directory);
        gpg.run("chmod 700 .");
        std::fs::write(gpg.path().join("text"), TEXT).expect("written");
        gpg
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, line: &str) {
        let line = format!(
            "gpg() {{ command gpg --homedir . --batch --yes --quiet --passphrase '' \"$@\"; }}\n{line}"
        );
        let ran = Command::new("bash")
            .args(["-euc", &line])
            .current_dir(self.path())
            .output()
            .expect("bash");
        assert!(
            ran.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).expect(name)
    }

    fn keyring(&self, name: &str) -> Keyring {
        Keyring::parse(&self.read(name))
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let stopped = Command::new("gpgconf")
            .args(["--homedir", ".", "--kill", "all"])
            .current_dir(self.path())
            .status();
        assert!(stopped.is_ok());
    }
}

#[test]
fn what_a_key_of_the_ring_signed_is_read_and_nothing_else() {
    let gpg = Gpg::new();
    gpg.run(
        "gpg --quick-generate-key edd ed25519 sign never; gpg --quick-generate-key rsa rsa2048 sign never
         gpg --quick-generate-key other ed25519 sign never
         gpg --export edd rsa > both.gpg; gpg --armor --export edd > both.asc; gpg --armor --export rsa >> both.asc; gpg --export other > other.gpg
         for k in edd rsa; do gpg -u $k --clearsign -o $k.clear text; gpg -u $k --detach-sign -o $k.sig text; done
         gpg -u other -u rsa --clearsign -o two.clear text; gpg -u rsa --digest-algo SHA1 --clearsign -o weak.clear text || true",
    );
    for ring in ["both.gpg", "both.asc"] {
        let ring = gpg.keyring(ring);
        assert_eq!(ring.fingerprints().len(), 2);
        for message in ["edd.clear", "rsa.clear", "two.clear"] {
            let (text, signer) = ring.cleartext(&gpg.read(message)).expect(message);
            assert_eq!(
                String::from_utf8_lossy(&text),
                TEXT.replace(" \t\n", "\n"),
                "{message}"
            );
            assert!(ring.fingerprints().contains(&signer.fingerprint));
        }
        for signature in ["edd.sig", "rsa.sig"] {
            ring.detached(&gpg.read(signature), TEXT.as_bytes())
                .expect(signature);
            ring.detached(&gpg.read(signature), b"another text")
                .expect_err("not what was signed");
        }
        // One changed letter, one line more, another text before it.
        let message = String::from_utf8(gpg.read("edd.clear")).expect("text");
        for forged in [
            message.replace("Origin: test", "Origin: tset"),
            message.replace("SHA256:\n", "SHA256:\n bb 2 more\n"),
            format!("Origin: forged\n{message}"),
        ] {
            assert!(ring.cleartext(forged.as_bytes()).is_err(), "{forged}");
        }
        if gpg.path().join("weak.clear").exists() {
            let why = ring.cleartext(&gpg.read("weak.clear")).expect_err("SHA-1");
            assert!(why.contains("too weak"), "{why}");
        }
    }
    gpg.keyring("other.gpg")
        .cleartext(&gpg.read("edd.clear"))
        .expect_err("of nobody in the ring");
    let mut one = gpg.keyring("both.gpg");
    let wanted: Vec<String> = one
        .fingerprints()
        .into_iter()
        .take(1)
        .map(|f| f.to_ascii_lowercase())
        .collect();
    one.retain(&wanted);
    assert_eq!(one.fingerprints().len(), 1);
}

#[test]
fn keys_and_signatures_beyond_their_bound_are_not_used_and_that_is_said() {
    let gpg = Gpg::new();
    gpg.run(
        "for k in one two; do gpg --quick-generate-key $k ed25519 sign never; gpg --export $k > $k.gpg; done
         gpg -u two --detach-sign -o two.sig text",
    );
    let most = bounds::KEYRING_KEYS;
    let (one, two) = (gpg.read("one.gpg"), gpg.read("two.gpg"));
    let signature = gpg.read("two.sig");
    let ring = |before: usize| Keyring::parse(&[one.repeat(before), two.clone()].concat());
    let verify = |ring: Keyring| ring.detached(&signature, TEXT.as_bytes());
    verify(ring(most - 1)).expect("the last one");
    let why = verify(ring(most)).expect_err("one too many");
    assert!(why.contains("no more are used"), "{why}");
    let ring = ring(0);
    ring.detached(&signature.repeat(most), TEXT.as_bytes())
        .expect("as many as may be");
    let why = ring
        .detached(&signature.repeat(most + 1), TEXT.as_bytes())
        .expect_err("one too many");
    assert!(why.contains("more than"), "{why}");
}

#[test]
fn subkeys_sign_while_they_are_bound_and_alive() {
    let gpg = Gpg::new();
    gpg.run(
        "gpg --quick-generate-key top rsa2048 cert never; f=$(gpg --list-keys --with-colons top | awk -F: '/^fpr/{print $10; exit}')
         gpg --quick-add-key $f ed25519 sign never; gpg --export top > good.gpg; gpg -u top --clearsign -o good.clear text
         gpg --quick-generate-key short ed25519 sign 2; gpg --faked-system-time 20300101T000000! -u short --ignore-time-conflict --clearsign -o late.clear text || true
         gpg -u short --clearsign -o short.clear text; gpg --export short > short.gpg
         gpg --quick-generate-key gone ed25519 sign never; gpg -u gone --clearsign -o gone.clear text
         { sed 's/^:-----/-----/' openpgp-revocs.d/$(gpg --list-keys --with-colons gone | awk -F: '/^fpr/{print $10; exit}').rev; } | gpg --import
         gpg --export gone > gone.gpg",
    );
    let (_, signer) = gpg
        .keyring("good.gpg")
        .cleartext(&gpg.read("good.clear"))
        .expect("by its subkey");
    assert_eq!(
        gpg.keyring("good.gpg").fingerprints(),
        [signer.fingerprint],
        "told by its primary key"
    );
    gpg.keyring("short.gpg")
        .cleartext(&gpg.read("short.clear"))
        .expect("it had not expired when it signed");
    let why = gpg
        .keyring("gone.gpg")
        .cleartext(&gpg.read("gone.clear"))
        .expect_err("it is revoked");
    assert!(why.contains("revoked"), "{why}");
    // A subkey without what binds it.
    let packets = gpg.read("good.gpg");
    let cut = packets.len() - 60;
    assert!(
        Keyring::parse(&packets[..cut])
            .cleartext(&gpg.read("good.clear"))
            .is_err()
    );
}

#[test]
fn rubbish_is_no_keyring_and_no_message() {
    for bytes in [
        &b""[..],
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        &[0x99; 4096],
        &[0xff; 100],
    ] {
        let ring = Keyring::parse(bytes);
        assert!(ring.is_empty());
        assert!(ring.cleartext(bytes).is_err() && ring.detached(bytes, b"x").is_err());
    }
}
