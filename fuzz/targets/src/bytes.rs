//! Targets that take the bytes as they are.

use agent_baseline::manifest::read::{Manifest, Measured};
use agent_baseline::profile::source::Source;
use agent_checks::instance::identity::{self, Certificates};
use agent_core::config::Config;
use agent_core::error::Result;
use agent_core::glob;
use agent_outbox::event::verify::{ChainSummary, Problem, Reporter, Stray, Verifier};
use sshsig::{Seal, Signers};
use std::io::{Cursor, Read, Seek, Write};
use std::path::Path;

/// Longer than any input that is tried.
const MOST: u64 = 1 << 20;
const NAME: &str = "input";

/// A manifest, with its seal's digest, read twice as a scan does.
pub(crate) fn manifest(bytes: &[u8]) {
    let Ok(mut file) = tempfile::tempfile() else {
        return;
    };
    if file.write_all(bytes).and_then(|()| file.rewind()).is_err() {
        return;
    }
    let measured = Measured::new(file, Path::new(NAME), MOST, true);
    let Ok(manifest) = measured.and_then(Manifest::parse) else {
        return;
    };
    let found = manifest.entries().map_while(Result::ok).last();
    if let Some(entry) = found {
        drop(manifest.find(&entry.path));
    }
}

/// Trusted signers.
pub(crate) fn signers(bytes: &[u8]) {
    if let Ok(signers) = Signers::parse(bytes) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        assert!(signers.len() <= lines, "one a line at most");
    }
}

/// A seal, verified by signers that stand behind it in the input.
pub(crate) fn seal(bytes: &[u8]) {
    const END: &[u8] = b"-----END SSH SIGNATURE-----";
    let end = bytes.windows(END.len()).position(|part| part == END);
    let (armored, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + END.len()));
    let (Ok(seal), Ok(signers)) = (Seal::parse(armored), Signers::parse(rest)) else {
        return;
    };
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    // No input was signed over nothing but zeros.
    assert!(sshsig::verify(&seal, &[0; 32], &signers, now).is_err());
}

/// A profile.
pub(crate) fn profile(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(source) = Source::parse(text, Path::new(NAME))
    {
        drop(source);
    }
}

/// `agent.toml`.
pub(crate) fn config(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(Config::parse(text, Path::new(NAME)));
    }
}

/// A pattern in its first line, a name in its second.
pub(crate) fn glob(bytes: &[u8]) {
    let (pattern, text) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &b""[..]),
    };
    for syntax in [
        glob::Syntax::Stars,
        glob::Syntax::Fnmatch,
        glob::Syntax::OpenBsd,
    ] {
        glob::PathGlob::new(pattern, syntax).matches(text);
        glob::matches(pattern, syntax, text);
    }
}

/// An identity document, and after a byte of zero its signature.
pub(crate) fn identity(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == 0);
    let (document, signature) = bytes.split_at(at.unwrap_or(bytes.len()));
    let signature = signature.strip_prefix(&[0]).unwrap_or(signature);
    let nobody = Certificates::of("");
    let (_, authenticity) = identity::judge(document, signature, &nobody);
    assert_ne!(
        authenticity,
        identity::Authenticity::Signed,
        "nobody is trusted"
    );
}

/// Shipped events.
pub(crate) fn log(bytes: &[u8]) {
    struct Nobody;
    impl Reporter for Nobody {
        fn stray(&mut self, _: &Stray) -> Result<()> {
            Ok(())
        }
        fn problem(&mut self, _: &str, _: &Problem) -> Result<()> {
            Ok(())
        }
        fn chain(&mut self, _: &ChainSummary) -> Result<()> {
            Ok(())
        }
    }
    let held = bytes.to_vec();
    let open =
        |_: &Path| -> Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(held.clone()))) };
    if let Ok(verifier) = Verifier::take(&[NAME.into()], 1, &open) {
        drop(verifier.judge(&mut Nobody));
    }
}

/// A compressed list: the first byte says by what its name says it was compressed.
pub(crate) fn unpack(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let names = [
        "list", "list.gz", "list.lz4", "list.xz", "list.zst", "list.bz2",
    ];
    let name = names[usize::from(*kind) % names.len()];
    if let Some(mut reader) = agent_packages::unpack::reader(name, rest, MOST) {
        drop(std::io::copy(&mut reader, &mut std::io::sink()));
    }
}
