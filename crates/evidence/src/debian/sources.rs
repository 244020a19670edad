//! Which suites apt's sources name (sources.list(5)). A distribution signs all of its suites by the same keys: what a host
//! takes of them, its sources say.

use agent_core::bounds;
use agent_core::os::root::Root;
use agent_packages::apt::{self, Source};
use std::collections::HashSet;

const LIST: &str = "etc/apt/sources.list";
const PARTS: &str = "etc/apt/sources.list.d";

/// What the sources name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Suites {
    names: HashSet<String>,
    /// Of repositories without suites, what the names of their lists begin with.
    flat: HashSet<String>,
}

impl Suites {
    /// Of all sources. What cannot be read names none.
    pub(crate) fn read(root: &Root) -> Suites {
        let mut suites = Suites::default();
        suites.add(&read(root));
        suites
    }

    /// Whether a release is one of those: by its suite, or by its code name where that is not the one of several suites, as
    /// Ubuntu's. A repository without suites is known by what the names of its lists begin with.
    pub(crate) fn has(&self, suite: Option<&str>, codename: Option<&str>, prefix: &str) -> bool {
        let named = |name: &str| self.names.contains(name);
        let is_part = |codename: &str| {
            let rest = suite.and_then(|suite| suite.strip_prefix(codename));
            rest.is_some_and(|rest| rest.starts_with(['-', '/']))
        };
        suite.is_some_and(named)
            || codename.is_some_and(|codename| named(codename) && !is_part(codename))
            || self.flat.contains(prefix)
    }

    fn add(&mut self, sources: &[Source]) {
        for source in sources {
            for uri in &source.uris {
                source.suites.iter().for_each(|suite| self.name(uri, suite));
            }
        }
    }

    fn name(&mut self, uri: &str, suite: &str) {
        match suite.ends_with('/') {
            true => drop(self.flat.insert(file_name(uri, suite))),
            false => drop(self.names.insert(suite.to_owned())),
        }
    }
}

/// All sources in the places that apt has for them. What cannot be read has none.
fn read(root: &Root) -> Vec<Source> {
    let names = root.list(PARTS.as_bytes()).ok().flatten();
    let names = names.iter().flat_map(|names| names.iter());
    let parts = names.map(|(name, _)| format!("{PARTS}/{}", String::from_utf8_lossy(name)));
    let paths = std::iter::once(LIST.to_owned()).chain(parts);
    paths.flat_map(|path| of_file(root, &path)).collect()
}

/// The sources of a file, by the form that its name stands for.
pub(super) fn of_file(root: &Root, path: &str) -> Vec<Source> {
    let parse = match path.rsplit_once('.') {
        Some((_, "list")) => apt::of_list,
        Some((_, "sources")) => apt::of_stanzas,
        _ => return Vec::new(),
    };
    let text = root.read(path.as_bytes(), bounds::SETTINGS_FILE);
    let text = text.ok().flatten().unwrap_or_default();
    parse(&String::from_utf8_lossy(&text))
}

/// What the names of lists begin with that apt fetches from there (URItoFileName of apt-pkg/contrib/strutl.cc).
fn file_name(uri: &str, suite: &str) -> String {
    const ESCAPED: &str = "\\|{}[]<>\"^~_=!@#$%&*";
    let behind = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let place = behind.strip_prefix("//").unwrap_or(behind);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let mut name = String::new();
    for c in format!("{}/{suite}", place.trim_end_matches('/')).chars() {
        match c {
            '/' => name.push('_'),
            c if ESCAPED.contains(c) => name += &format!("%{:02x}", u32::from(c)),
            c => name.push(c),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_that_sources_name() {
        let mut suites = Suites::default();
        let mut name = |sources: Vec<Source>| suites.add(&sources);
        name(apt::of_list(
            "# deb http://h sid main\ndeb [arch=amd64 signed-by=/a] http://h bookworm main\ndeb-src http://h x y\n",
        ));
        name(apt::of_stanzas(
            "Types: deb\nURIs: http://h\nSuites: noble noble-updates\n bookworm-security\n\nEnabled: no\nURIs: http://h\nSuites: sid\n",
        ));
        for (suite, codename, has) in [
            (Some("stable"), Some("bookworm"), true),
            (Some("stable-security"), Some("bookworm-security"), true),
            (Some("unstable"), Some("sid"), false),
            (Some("noble"), Some("noble"), true),
            (Some("noble-updates"), Some("noble"), true),
            (Some("noble-proposed"), Some("noble"), false),
            (None, None, false),
        ] {
            assert_eq!(
                suites.has(suite, codename, ""),
                has,
                "{suite:?} {codename:?}"
            );
        }
        suites.add(&apt::of_list(
            "deb copy:/a/my_repo ./\ndeb https://u:p@h:8/x/ stable/",
        ));
        for (prefix, has) in [
            ("_a_my%5frepo_._", true),
            ("h:8_x_stable_", true),
            ("h_._", false),
        ] {
            assert_eq!(suites.has(Some("sid"), None, prefix), has, "{prefix}");
        }
    }
}
