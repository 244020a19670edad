//! What systemd's presets make of units at the first boot of an image (systemd.preset(5), machine-id(5)).

use super::listing::Listing;
use super::{ini, names, reader, sources};
use agent_core::bounds;
use agent_core::glob::{Glob, Syntax};
use agent_core::os::root::Root;
use std::collections::{BTreeMap, BTreeSet};

/// Where presets lie, the strongest first.
const DIRECTORIES: [&str; 5] = [
    "etc/systemd/system-preset",
    "run/systemd/system-preset",
    "usr/local/lib/systemd/system-preset",
    "usr/lib/systemd/system-preset",
    "lib/systemd/system-preset",
];
/// What of `[Install]` makes links.
const LINKS: [&str; 4] = ["WantedBy", "RequiredBy", "UpheldBy", "Alias"];

/// The rules of an image that has not been booted; none otherwise.
#[derive(Debug, Default)]
pub(super) struct Presets(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    units: Glob,
    enables: bool,
    /// `FILE:LINE`
    place: String,
}

impl Presets {
    pub(super) fn read(root: &Root) -> Presets {
        if root.is_live() || !before_first_boot(root) {
            return Presets::default();
        }
        let mut files: BTreeMap<String, &str> = BTreeMap::new();
        for directory in DIRECTORIES {
            for (name, _) in names(root, directory) {
                if name.ends_with(".preset") && !directory.starts_with("run/") {
                    files.entry(name).or_insert(directory);
                }
            }
        }
        let read = reader(root);
        let mut rules = Vec::new();
        for (name, directory) in files {
            let Some((path, bytes)) = read(format!("{directory}/{name}")) else {
                continue;
            };
            for (number, line) in (1_usize..).zip(String::from_utf8_lossy(&bytes).lines()) {
                let mut words = line.split_whitespace();
                let enables = match words.next() {
                    Some("enable") => true,
                    Some("disable") => false,
                    _ => continue,
                };
                if let Some(pattern) = words.next() {
                    rules.push(Rule {
                        units: Glob::new(pattern.as_bytes(), Syntax::Fnmatch),
                        enables,
                        place: format!("/{path}:{number}"),
                    });
                }
            }
        }
        Presets(rules)
    }

    fn rule(&self, unit: &str) -> Option<&Rule> {
        self.0
            .iter()
            .find(|rule| rule.units.matches(unit.as_bytes()))
    }

    /// The line that takes the unit's links away. That of a vendor counts where systemd is built to do so alone
    /// (`first-boot-full-preset`): it is not told.
    pub(super) fn disables(&self, unit: &str) -> Option<&str> {
        let rule = self.rule(unit).filter(|rule| !rule.enables)?;
        rule.place
            .starts_with("/etc/")
            .then_some(rule.place.as_str())
    }

    /// Units that get links, with the line that says so.
    pub(super) fn enabled(&self, root: &Root, listing: &Listing) -> Vec<(String, String)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let names = listing.0.iter().flat_map(|(_, names)| names.keys());
        let names: BTreeSet<&String> = names.filter(|name| name.contains('.')).collect();
        let mut found = Vec::new();
        for name in names {
            let Some(rule) = self.rule(name).filter(|rule| rule.enables) else {
                continue;
            };
            let installs = sources(root, listing, name).into_iter().any(|(_, bytes)| {
                ini(&bytes).into_iter().any(|(section, key, value, _)| {
                    section == "Install" && LINKS.contains(&key.as_str()) && !value.is_empty()
                })
            });
            if installs {
                found.push((name.clone(), rule.place.clone()));
            }
        }
        found
    }
}

/// Whether the machine that boots of the tree takes it for new.
fn before_first_boot(root: &Root) -> bool {
    match root.read(b"etc/machine-id", bounds::SHORT_FILE) {
        Ok(None) => true,
        Ok(Some(text)) => text.trim_ascii() == b"uninitialized",
        Err(_) => false,
    }
}
