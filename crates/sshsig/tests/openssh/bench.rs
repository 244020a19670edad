//! What the tests of seals share: keys by ssh-keygen, seals taken apart and put together, verdicts.

use base64ct::{Base64, Encoding};
use ssh_key::sha2::{Digest, Sha256, Sha512};
use sshsig::{
    Distrust, HashAlgorithm, NAMESPACE, Seal, SealError, Signer, Signers, SignersError, verify,
};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const MESSAGE: &[u8] = b"manifest 1\n/etc/passwd 0644 root root\n";

/// A directory of its own for each test.
pub(super) struct Lab(pub(super) PathBuf);

impl Lab {
    pub(super) fn new() -> Lab {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("seal-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Lab(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A new key pair: NAME and NAME.pub.
    pub(super) fn key(&self, name: &str, kind: &[&str]) -> PathBuf {
        let path = self.path(name);
        let mut arguments = vec![
            "-q",
            "-N",
            "",
            "-C",
            "comment",
            "-f",
            path.to_str().unwrap(),
        ];
        arguments.extend(kind);
        keygen(&arguments, b"").success();
        path
    }

    pub(super) fn ed25519(&self) -> PathBuf {
        self.key("ed25519", &["-t", "ed25519"])
    }

    /// What ssh-keygen thinks of a seal over MESSAGE.
    pub(super) fn keygen_accepts(
        &self,
        seal: &str,
        message: &[u8],
        signers: &str,
        options: &[&str],
    ) -> bool {
        let seal = self.write("judged.sig", seal.as_bytes());
        let signers = self.write("judged.signers", signers.as_bytes());
        let mut arguments = vec![
            "-Y",
            "verify",
            "-n",
            NAMESPACE,
            "-I",
            "alice",
            "-f",
            signers.to_str().unwrap(),
            "-s",
            seal.to_str().unwrap(),
        ];
        arguments.extend(options);
        keygen(&arguments, message).succeeded
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(super) struct Ran {
    pub(super) succeeded: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    pub(super) fn success(self) -> String {
        assert!(self.succeeded, "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

pub(super) fn run(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssh-client must be installed");
    // A process that refuses early does not read its input.
    drop(child.stdin.take().unwrap().write_all(input));
    let output = child.wait_with_output().unwrap();
    Ran {
        succeeded: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(super) fn keygen(arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = Command::new("ssh-keygen");
    run(command.args(arguments).env_remove("SSH_AUTH_SOCK"), input)
}

/// A seal by ssh-keygen.
pub(super) fn keygen_seal(key: &Path, namespace: &str, hash: &str) -> String {
    let hash = format!("hashalg={hash}");
    let key = key.to_str().unwrap();
    let arguments = ["-Y", "sign", "-q", "-n", namespace, "-O", &hash, "-f", key];
    keygen(&arguments, MESSAGE).success()
}

pub(super) fn public(key: &Path) -> String {
    let line = fs::read_to_string(key.with_extension("pub")).unwrap();
    line.trim_end().to_owned()
}

pub(super) fn fingerprint(key: &Path) -> String {
    let listed = keygen(&["-l", "-f", key.to_str().unwrap()], b"").success();
    listed.split(' ').nth(1).unwrap().to_owned()
}

pub(super) fn digest(hash: HashAlgorithm, message: &[u8]) -> Vec<u8> {
    match hash {
        HashAlgorithm::Sha256 => Sha256::digest(message).to_vec(),
        HashAlgorithm::Sha512 => Sha512::digest(message).to_vec(),
    }
}

/// Why this module refuses, at whichever step.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    Seal(SealError),
    Signers(SignersError),
    Distrust(Distrust),
}

pub(super) fn judge(
    seal: &[u8],
    message: &[u8],
    signers: &[u8],
    now: SystemTime,
) -> Result<Signer, Refusal> {
    let seal = Seal::parse(seal).map_err(Refusal::Seal)?;
    let signers = Signers::parse(signers).map_err(Refusal::Signers)?;
    let digest = digest(seal.hash_algorithm(), message);
    verify(&seal, &digest, &signers, now).map_err(Refusal::Distrust)
}

pub(super) fn judge_now(seal: &str, signers: &str) -> Result<Signer, Refusal> {
    judge(
        seal.as_bytes(),
        MESSAGE,
        signers.as_bytes(),
        SystemTime::now(),
    )
}

pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(super) fn unarmored(seal: &str) -> Vec<u8> {
    let base64: String = seal.lines().filter(|line| !line.contains("---")).collect();
    Base64::decode_vec(&base64).unwrap()
}

pub(super) fn armored(blob: &[u8]) -> String {
    format!(
        "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
        Base64::encode_string(blob)
    )
}

pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// The fields of a signature blob after magic and version.
pub(super) fn fields(blob: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &blob[10..];
    let mut fields = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        fields.push(tail[..length].to_vec());
        rest = &tail[length..];
    }
    fields
}

pub(super) fn from_fields(version: u32, fields: &[Vec<u8>]) -> Vec<u8> {
    let mut blob = [b"SSHSIG", &version.to_be_bytes()[..]].concat();
    for field in fields {
        blob.extend(string(field));
    }
    blob
}

pub(super) const KINDS: [(&str, &[&str]); 5] = [
    ("ssh-ed25519", &["-t", "ed25519"]),
    ("ecdsa-sha2-nistp256", &["-t", "ecdsa", "-b", "256"]),
    ("ecdsa-sha2-nistp384", &["-t", "ecdsa", "-b", "384"]),
    ("ecdsa-sha2-nistp521", &["-t", "ecdsa", "-b", "521"]),
    ("ssh-rsa", &["-t", "rsa", "-b", "3072"]),
];

pub(super) const HASHES: [(&str, HashAlgorithm); 2] = [
    ("sha256", HashAlgorithm::Sha256),
    ("sha512", HashAlgorithm::Sha512),
];

/// xorshift64, so that every run mutates alike.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Mutates what is inside the armor.
    pub(super) fn blobs_never_verify(&mut self, blob: &[u8], signers: &str, rounds: usize) {
        for _ in 0..rounds {
            let mut mutated = blob.to_vec();
            self.mutate(&mut mutated);
            if mutated != blob {
                let seal = armored(&mutated);
                let now = at(1_700_000_000);
                let verdict = judge(seal.as_bytes(), MESSAGE, signers.as_bytes(), now);
                assert!(verdict.is_err(), "{seal}");
            }
        }
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub(super) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let byte = u8::try_from(self.below(256)).unwrap();
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                3 if at < bytes.len() => {
                    bytes.remove(at);
                }
                4 => bytes.truncate(at),
                _ => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, copy);
                }
            }
        }
    }
}
