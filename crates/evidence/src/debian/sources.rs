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
    /// Some repository has no suites: its lists lie beside its release.
    flat: bool,
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
    /// Ubuntu's. `None` for both: whether some repository has none.
    pub(crate) fn has(&self, suite: Option<&str>, codename: Option<&str>) -> bool {
        let named = |name: &str| self.names.contains(name);
        let is_part = |codename: &str| {
            let rest = suite.and_then(|suite| suite.strip_prefix(codename));
            rest.is_some_and(|rest| rest.starts_with(['-', '/']))
        };
        match (suite, codename) {
            (None, None) => self.flat,
            _ => {
                suite.is_some_and(named)
                    || codename.is_some_and(|codename| named(codename) && !is_part(codename))
            }
        }
    }

    /// Whether some repository has its lists beside its release.
    pub(crate) fn has_flat(&self) -> bool {
        self.flat
    }

    fn name(&mut self, suite: &str) {
        match suite.ends_with('/') {
            true => self.flat = true,
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
            if let Some(suite) = rest.split_whitespace().nth(1) {
                self.name(suite);
            }
        }
    }

    /// Stanzas of fields (deb822(5)).
    fn stanzas(&mut self, text: &str) {
        for stanza in text.replace('\r', "").split("\n\n") {
            let (mut field, mut enabled, mut names) = (String::new(), true, Vec::new());
            for line in stanza.lines().filter(|line| !line.starts_with('#')) {
                let value = match line.split_once(':') {
                    Some((name, value)) if !line.starts_with([' ', '\t']) => {
                        field = name.trim().to_ascii_lowercase();
                        value
                    }
                    _ => line,
                };
                match &*field {
                    "suites" => names.extend(value.split_whitespace()),
                    "enabled" => enabled = !matches!(value.trim(), "no" | "false" | "0"),
                    _ => {}
                }
            }
            if enabled {
                names.into_iter().for_each(|name| self.name(name));
            }
        }
    }
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
            (None, Some("x"), true),
            (None, None, false),
        ] {
            assert_eq!(suites.has(suite, codename), has, "{suite:?} {codename:?}");
        }
        assert!(!suites.has_flat());
        suites.lines("deb http://h ./");
        assert!(suites.has_flat() && suites.has(None, None));
    }
}
