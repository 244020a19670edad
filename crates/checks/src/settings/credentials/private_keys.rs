//! `credentials.no_ssh_private_keys`: private keys that no passphrase protects, in the forms that ssh-keygen,
//! OpenSSL and PuTTY write.

use super::homes::homes;
use super::search::{Search, Wanted};
use super::{Gap, NO_SSH_PRIVATE_KEYS, allowed, conclude};
use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::escape::terminal_text;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::node::Stat;
use base64ct::{Base64, Encoding};
use serde_json::json;
use std::io::Read;

/// A key in the shortest form (Ed25519 in DER) has as many.
const MIN_FILE: u64 = 48;
/// In the home of a service only what lies near the top: below are its data.
// Own bound: of what is looked for, and said so in docs/reference.md.
const SERVICE_DEPTH: usize = 1;
/// Keys that are told one by one.
// Own bound: of what is told; further ones are counted.
const MAX_TOLD: usize = 1000;
/// Files of these kinds hold no key that anybody left behind by accident, and are many.
const OTHER_KINDS: [&[u8]; 44] = [
    b"js", b"mjs", b"cjs", b"ts", b"tsx", b"jsx", b"map", b"css", b"scss", b"html", b"htm", b"vue",
    b"svg", b"png", b"jpg", b"jpeg", b"gif", b"ico", b"webp", b"woff", b"woff2", b"ttf", b"pyc",
    b"pyo", b"pyi", b"rb", b"rs", b"go", b"c", b"h", b"cc", b"cpp", b"hpp", b"o", b"a", b"so",
    b"rlib", b"rmeta", b"class", b"jar", b"gz", b"xz", b"zip", b"mo",
];

pub(super) fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let mut gaps = Vec::new();
    let homes = homes(context, &mut gaps);
    let mut search = Search::new(context.root);
    search.gaps = gaps;
    let mut starts: Vec<(&str, usize)> = homes
        .iter()
        .map(|home| {
            let depth = if home.of_people {
                bounds::CREDENTIALS_DEPTH
            } else {
                SERVICE_DEPTH
            };
            (home.path.as_str(), depth)
        })
        .collect();
    for start in ["/tmp", "/var/tmp", "/opt", "/srv"] {
        starts.push((start, bounds::CREDENTIALS_DEPTH));
    }
    let mut found = 0usize;
    let mut bytes = Vec::new();
    let mut unread = Vec::new();
    for (at, (start, depth)) in starts.iter().enumerate() {
        // A home within another start is searched with that.
        let within = starts.iter().enumerate().any(|(other, (outer, deep))| {
            other != at
                && *deep == bounds::CREDENTIALS_DEPTH
                && (start
                    .strip_prefix(outer)
                    .is_some_and(|rest| rest.starts_with('/'))
                    || (start == outer && other < at))
        });
        if within {
            continue;
        }
        search.below(start, *depth, &MayBeAKey, &mut |path, file, stat| {
            bytes.clear();
            let most = bounds::PRIVATE_KEY_NAMED;
            let read = file.take(most + 1).read_to_end(&mut bytes);
            let Some((kind, line)) = unprotected(&bytes) else {
                let why = match read {
                    Ok(_) if bytes.len() as u64 <= most => return,
                    Ok(_) => "longer than is looked at".to_owned(),
                    Err(error) => error.to_string(),
                };
                let place = terminal_text(path).into_owned();
                return unread.push(Gap { place, why });
            };
            if allowed(context, &NO_SSH_PRIVATE_KEYS, path.as_bytes()) {
                return;
            }
            found = found.saturating_add(1);
            if found > MAX_TOLD {
                return;
            }
            emit(in_clear(context, path, line, kind, stat));
        });
    }
    if let Some(more @ 1..) = found.checked_sub(MAX_TOLD) {
        let message = format!("{more} further private keys without a passphrase");
        emit(context.finding(&NO_SSH_PRIVATE_KEYS, Verdict::Fail, "credentials", message));
    }
    search.gaps.append(&mut unread);
    let pass = "no private key without a passphrase lies about".to_owned();
    conclude(
        context,
        &NO_SSH_PRIVATE_KEYS,
        found > 0,
        &search.gaps,
        pass,
        emit,
    );
}

/// The finding on a key that whoever may read it can use.
fn in_clear(context: &Context<'_>, path: &str, line: usize, kind: &str, stat: &Stat) -> Finding {
    let message = format!("a private key without a passphrase ({kind})");
    context
        .finding(&NO_SSH_PRIVATE_KEYS, Verdict::Fail, path, message)
        .evidence(
            json!({ "passphrase": true }),
            json!({ "passphrase": false, "kind": kind, "uid": stat.uid, "mode": format!("{:04o}", stat.mode) }),
        )
        .location(format!("{path}:{line}"))
        .remediation(format!(
            "remove {path}, or give it a passphrase (ssh-keygen -p), or name it in the profile's demand"
        ))
}

/// What may be a key.
struct MayBeAKey;

impl Wanted for MayBeAKey {
    fn name(&self, name: &[u8]) -> bool {
        !OTHER_KINDS.contains(&ending(name))
    }

    /// Long ones too, where they are called as keys are.
    fn stat(&self, name: &[u8], stat: &Stat) -> bool {
        let called = matches!(ending(name), b"pem" | b"key" | b"ppk") || name.starts_with(b"id_");
        stat.size >= MIN_FILE && (called || stat.size <= bounds::PRIVATE_KEY)
    }
}

/// What follows the last dot.
fn ending(name: &[u8]) -> &[u8] {
    bytes::rsplit_once(name, b'.').map_or(b"", |(_, ending)| ending)
}

/// The kind of the first private key that no passphrase protects, and its line.
fn unprotected(bytes: &[u8]) -> Option<(&'static str, usize)> {
    if bytes.starts_with(b"PuTTY-User-Key-File-") {
        return memchr::memmem::find(bytes, b"\nEncryption: none").map(|_| ("PuTTY", 1));
    }
    if bytes.starts_with(b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0") {
        // The number of the cipher follows; 0 is none.
        return (bytes.get(33) == Some(&0)).then_some(("SSH 1", 1));
    }
    if let Some(kind) = der(bytes) {
        return Some((kind, 1));
    }
    for at in memchr::memmem::find_iter(bytes, BEGIN) {
        let (before, from) = bytes.split_at_checked(at)?;
        if !matches!(before, [] | [.., b'\n']) {
            continue;
        }
        let block = bytes::behind(from, BEGIN.len());
        let Some((kind, body)) = KINDS.into_iter().find_map(|kind| {
            let rest = block.strip_prefix(kind.as_bytes())?;
            Some((kind, rest.strip_prefix(b"-----")?))
        }) else {
            continue;
        };
        if is_open(kind, body) {
            return Some((kind, before.split(|byte| *byte == b'\n').count()));
        }
    }
    None
}

/// The kind of a key in DER that is the whole file: a version, then what follows it in RFC 8017 and DSA's form, in
/// RFC 5958, or in RFC 5915. Nothing of these is ever encrypted.
fn der(bytes: &[u8]) -> Option<&'static str> {
    let (length, inside) = match bytes.strip_prefix(&[0x30])? {
        [0x82, high, low, inside @ ..] => (u16::from_be_bytes([*high, *low]).into(), inside),
        [0x81, length, inside @ ..] => (usize::from(*length), inside),
        [length @ ..=0x7f, inside @ ..] => (usize::from(*length), inside),
        _ => return None,
    };
    if inside.len() != length {
        return None;
    }
    match inside {
        // A modulus or a prime has 128 bytes and more.
        [0x02, 1, 0, 0x02, 0x81 | 0x82, ..] => Some("DER"),
        // An algorithm, which begins with its name.
        [0x02, 1, 0 | 1, 0x30, _, 0x06, ..] => Some("DER, PKCS #8"),
        [0x02, 1, 1, 0x04, 20..=66, ..] => Some("DER, EC"),
        _ => None,
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
const KINDS: [&str; 5] = [
    "OPENSSH PRIVATE KEY",
    "RSA PRIVATE KEY",
    "DSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "PRIVATE KEY",
];

/// Whether what follows the header is a whole key in clear: headers as in RFC 1421, base64, the end.
fn is_open(kind: &str, body: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(body, b"-----END ") else {
        return false;
    };
    let text = String::from_utf8_lossy(bytes::first(body, end));
    if text
        .lines()
        .any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"))
    {
        return false;
    }
    let base64: String = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.contains(':'))
        .collect();
    let Ok(key) = Base64::decode_vec(&base64) else {
        return false;
    };
    let key = zeroize::Zeroizing::new(key);
    match kind {
        // PROTOCOL.key: a magic, then the name of the cipher.
        "OPENSSH PRIVATE KEY" => key.starts_with(b"openssh-key-v1\0\0\0\0\x04none"),
        // ASN.1: a sequence.
        _ => key.len() > 32 && key.starts_with(&[0x30]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_keys_in_clear() {
        let open = Base64::encode_string(
            &[b"openssh-key-v1\0\0\0\0\x04none".as_slice(), &[7; 90]].concat(),
        );
        let shut = Base64::encode_string(
            &[b"openssh-key-v1\0\0\0\0\x0aaes256-ctr".as_slice(), &[7; 90]].concat(),
        );
        let der = Base64::encode_string(&[[0x30].as_slice(), &[7; 90]].concat());
        let pem = |kind: &str, body: &str| {
            format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n")
        };
        for (text, expected) in [
            (pem("OPENSSH PRIVATE KEY", &open), Some(1)),
            (pem("OPENSSH PRIVATE KEY", &shut), None),
            (format!("text\n{}", pem("RSA PRIVATE KEY", &der)), Some(2)),
            (
                pem(
                    "RSA PRIVATE KEY",
                    &format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n{der}"),
                ),
                None,
            ),
            (pem("ENCRYPTED PRIVATE KEY", &der), None),
            (pem("PRIVATE KEY", &der), Some(1)),
            (pem("EC PRIVATE KEY", &der), Some(1)),
            (
                pem("EC PRIVATE KEY", &der).replace("-----END", "----"),
                None,
            ),
            (pem("PRIVATE KEY", "words that are no key"), None),
            (format!("x {}", pem("PRIVATE KEY", &der)), None),
            (pem("PUBLIC KEY", &der), None),
            (
                pem("CERTIFICATE", &der) + &pem("PRIVATE KEY", &der),
                Some(4),
            ),
            (
                "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n".into(),
                Some(1),
            ),
            (
                "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: aes256-cbc\n".into(),
                None,
            ),
        ] {
            assert_eq!(
                unprotected(text.as_bytes()).map(|(_, line)| line),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn keys_in_der_are_the_whole_file() {
        let whole = |head: &[u8], length: u8| {
            let mut bytes = vec![0x30, length];
            bytes.extend(head);
            bytes.resize(usize::from(length) + 2, 7);
            bytes
        };
        let ed25519 = [2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        for (bytes, expected) in [
            (whole(&ed25519, 0x2e), Some("DER, PKCS #8")),
            (whole(&[2, 1, 1, 4, 32], 0x77), Some("DER, EC")),
            // A public key, a certificate, PKCS #12.
            (whole(&[0x30, 5, 6, 3, 0x2b], 0x2a), None),
            (whole(&[2, 1, 3, 0x30, 0x82], 0x60), None),
            ([whole(&ed25519, 0x2e), vec![0]].concat(), None),
        ] {
            assert_eq!(
                unprotected(&bytes).map(|(kind, _)| kind),
                expected,
                "{bytes:?}"
            );
        }
        let mut rsa = vec![0x30, 0x82, 1, 0, 2, 1, 0, 2, 0x81, 0x80];
        rsa.resize(260, 7);
        assert_eq!(unprotected(&rsa), Some(("DER", 1)));
    }

    #[test]
    fn files_of_any_name_are_read_up_to_a_bound() {
        let file = tempfile::tempfile().expect("a file");
        let wanted = |name: &[u8], size| {
            file.set_len(size).expect("a size");
            MayBeAKey.stat(name, &agent_core::os::node::stat(&file).expect("a stat"))
        };
        assert!(
            wanted(b"backup", bounds::PRIVATE_KEY) && !wanted(b"backup", bounds::PRIVATE_KEY + 1)
        );
        assert!(wanted(b"backup.pem", bounds::PRIVATE_KEY + 1));
    }
}
