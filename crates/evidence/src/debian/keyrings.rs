//! The keyrings that apt goes by, as far as they are as the manifest has them.

use super::sources;
use crate::openpgp::Keyring;
use crate::recorded::RecordedPackages;
use crate::settings::Settings;
use agent_core::attributes::Digest;
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_packages::apt::Source;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Keys for all sources that name none of their own.
const GLOBAL: [&str; 2] = ["etc/apt/trusted.gpg", "etc/apt/trusted.gpg.d/"];
/// Where a source names its own (sources.list(5), "Signed-By").
const SIGNED_BY: &str = "signed-by";

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
            let sources = sources::of_file(root, &text);
            wanted.extend(sources.iter().flat_map(named));
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

/// The files that a source names with `signed-by=` or `Signed-By:`, relative to the root. What else may stand there, a
/// fingerprint or a whole key, begins with no `/`.
fn named(source: &Source) -> impl Iterator<Item = Vec<u8>> {
    source.options(SIGNED_BY).flat_map(|option| {
        let words = option.value.split([' ', '\t', ',']);
        let paths = words.filter_map(|word| word.strip_prefix('/'));
        paths.map(|path| path.as_bytes().to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_packages::apt;

    #[test]
    fn sources_name_their_keys() {
        let mut sources = apt::of_list(
            "deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg,/etc/b.asc] http://x stable main\n\
             # deb [signed-by=/commented.gpg] http://x y\n",
        );
        sources.extend(apt::of_stanzas(
            "Types: deb\nURIs: http://x\nSigned-By: /usr/share/keyrings/c.pgp\n",
        ));
        let found: Vec<String> = sources
            .iter()
            .flat_map(named)
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
