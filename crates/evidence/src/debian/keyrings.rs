//! The keyrings that apt goes by, as far as they are as the manifest has them.

use crate::openpgp::Keyring;
use crate::recorded::RecordedPackages;
use crate::settings::Settings;
use agent_core::attributes::Digest;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::os::root::Root;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Keys for all sources that name none of their own.
const GLOBAL: [&str; 2] = ["etc/apt/trusted.gpg", "etc/apt/trusted.gpg.d/"];
/// Where a source names its own (sources.list(5), "Signed-By").
const SIGNED_BY: &[u8] = b"signed-by";

/// The keys that may vouch for a release. Only files that `settings` found to be as recorded count, and only those
/// that apt asks: what else lies in /usr/share/keyrings is for others, or of keys that were withdrawn.
pub(crate) fn load(root: &Root, recorded: &RecordedPackages, settings: &Settings) -> Keyring {
    let mut wanted: BTreeSet<Vec<u8>> = BTreeSet::new();
    for path in recorded.settings.keys() {
        let text = String::from_utf8_lossy(path);
        if text == GLOBAL[0] || text.starts_with(GLOBAL[1]) {
            wanted.insert(path.clone());
        }
        if text == "etc/apt/sources.list" || text.starts_with("etc/apt/sources.list.d/") {
            let source = root.read(path, bounds::KEYRING).ok().flatten();
            wanted.extend(named(&source.unwrap_or_default()));
        }
    }
    let mut keyring = Keyring::default();
    for path in wanted {
        // Through links to the file itself, which must be as recorded too.
        let Ok(found) = root.resolve(&path, true) else {
            continue;
        };
        let known = recorded
            .settings
            .get(&found.path)
            .and_then(|known| known.digest);
        let through_link = found.path != path;
        if !settings.keyrings.contains(&found.path)
            || through_link && !settings.keyrings.contains(&path)
        {
            continue;
        }
        if let Ok(Some(bytes)) = root.read(&found.path, bounds::KEYRING)
            && known == Some(Digest::Sha256(Sha256::digest(&bytes).into()))
        {
            keyring.extend(Keyring::parse(&bytes));
        }
    }
    keyring
}

/// The files that a list of sources names with `signed-by=` or `Signed-By:`, relative to the root.
fn named(source: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for line in source.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_start();
        if line.starts_with(b"#") {
            continue;
        }
        let lower = line.to_ascii_lowercase();
        let Some(at) = memchr::memmem::find(&lower, SIGNED_BY) else {
            continue;
        };
        let value = bytes::behind(bytes::behind(line, at), SIGNED_BY.len());
        let value = value.split(|byte| *byte == b']').next().unwrap_or_default();
        let words = value.split(|byte| matches!(byte, b' ' | b'\t' | b',' | b'=' | b':' | b'\r'));
        let paths = words.filter_map(|word| word.strip_prefix(b"/"));
        found.extend(paths.map(<[u8]>::to_vec));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_name_their_keys() {
        let source = b"deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg,/etc/b.asc] http://x stable main\n\
            # deb [signed-by=/commented.gpg] http://x\nTypes: deb\nSigned-By: /usr/share/keyrings/c.pgp\n";
        let found: Vec<String> = named(source)
            .into_iter()
            .map(|path| String::from_utf8(path).expect("UTF-8"))
            .collect();
        assert_eq!(
            found,
            [
                "usr/share/keyrings/a.gpg",
                "etc/b.asc",
                "usr/share/keyrings/c.pgp"
            ]
        );
    }
}
