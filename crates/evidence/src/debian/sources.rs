//! Which suites apt's sources name (sources.list(5)). A distribution signs all of its suites by the same keys: what a host
//! takes of them, its sources say.

use agent_core::bounds;
use agent_core::os::root::Root;
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
        let text = |path: &str| {
            let text = root.read(path.as_bytes(), bounds::SETTINGS_FILE);
            let text = text.ok().flatten().unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        suites.lines(&text(LIST));
        let names = root.list(PARTS.as_bytes()).ok().flatten();
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            let path = format!("{PARTS}/{}", String::from_utf8_lossy(name));
            if path.ends_with(".list") {
                suites.lines(&text(&path));
            } else if path.ends_with(".sources") {
                suites.stanzas(&text(&path));
            }
        }
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

    fn name(&mut self, uri: &str, suite: &str) {
        match suite.ends_with('/') {
            true => drop(self.flat.insert(file_name(uri, suite))),
            false => drop(self.names.insert(suite.to_owned())),
        }
    }

    /// `deb [OPTIONS] URI SUITE COMPONENT…`
    fn lines(&mut self, text: &str) {
        for line in text.lines() {
            let Some(rest) = line.trim_start().strip_prefix("deb") else {
                continue;
            };
            let rest = rest.strip_prefix("-src").unwrap_or(rest).trim_start();
            let rest = match rest.strip_prefix('[') {
                Some(inner) => inner.split_once(']').map_or("", |(_, rest)| rest),
                None => rest,
            };
            let mut words = rest.split_whitespace();
            if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
                self.name(uri, suite);
            }
        }
    }

    /// Stanzas of fields (deb822(5)).
    fn stanzas(&mut self, text: &str) {
        for stanza in text.replace('\r', "").split("\n\n") {
            let (mut field, mut enabled) = (String::new(), true);
            let (mut uris, mut names) = (Vec::new(), Vec::new());
            for line in stanza.lines().filter(|line| !line.starts_with('#')) {
                let value = match line.split_once(':') {
                    Some((name, value)) if !line.starts_with([' ', '\t']) => {
                        field = name.trim().to_ascii_lowercase();
                        value
                    }
                    _ => line,
                };
                match &*field {
                    "uris" => uris.extend(value.split_whitespace()),
                    "suites" => names.extend(value.split_whitespace()),
                    "enabled" => enabled = !matches!(value.trim(), "no" | "false" | "0"),
                    _ => {}
                }
            }
            for name in names.into_iter().filter(|_| enabled) {
                uris.iter().for_each(|uri| self.name(uri, name));
            }
        }
    }
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
        suites.lines("# deb http://h sid main\ndeb [arch=amd64 signed-by=/a] http://h bookworm main\ndeb-src http://h x y\n");
        suites.stanzas("Types: deb\nURIs: http://h\nSuites: noble noble-updates\n bookworm-security\n\nEnabled: no\nSuites: sid\n");
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
        suites.lines("deb copy:/a/my_repo ./\ndeb https://u:p@h:8/x/ stable/");
        for (prefix, has) in [
            ("_a_my%5frepo_._", true),
            ("h:8_x_stable_", true),
            ("h_._", false),
        ] {
            assert_eq!(suites.has(Some("sid"), None, prefix), has, "{prefix}");
        }
    }
}
