//! Repository files of dnf and yum, and what their main configurations say of all repositories.

use super::{Culprit, drop_ins, is_on, text, texts, zypp};
use crate::settings::context::Context;
use crate::settings::ini::{Assignments, Continued, assignments};
use agent_core::glob::{Glob, Syntax};

pub(super) type Settings = Assignments;

/// A switch for all repositories: whether it is on, and where that is said.
type Switch = Option<(bool, String)>;

/// Every repository that is switched on: how many there are, and those that take packages unsigned.
pub(super) fn look(context: &Context<'_>) -> Result<(usize, Vec<Culprit>), String> {
    let (mut looked_at, mut culprits) = dnf(context)?;
    let (of_zypper, unsigned) = zypp::look(context)?;
    looked_at = looked_at.saturating_add(of_zypper);
    culprits.extend(unsigned);
    Ok((looked_at, culprits))
}

/// The value of the last line of a key in a section, and its line.
pub(super) fn last<'a>(
    settings: &'a Settings,
    id: &str,
    keys: &[&str],
) -> Option<(&'a str, usize)> {
    let mut values = settings.iter().rev();
    let found = values.find(|(section, key, ..)| section == id && keys.contains(&key.as_str()))?;
    Some((&found.2, found.3))
}

/// Sections that are repositories.
pub(super) fn ids(settings: &Settings) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::new();
    for (section, ..) in settings {
        if section != "main" && !section.is_empty() && !ids.contains(&section.as_str()) {
            ids.push(section);
        }
    }
    ids
}

/// The names by which dnf5 and older ones know the switch.
const KEYS: [&str; 2] = ["gpgcheck", "pkg_gpgcheck"];

/// dnf.conf(5), dnf5.conf(5): what an override says, else a repository's own word, else that of `[main]`, else no.
fn dnf(context: &Context<'_>) -> Result<(usize, Vec<Culprit>), String> {
    let (main, mut files) = main_switch(context)?;
    for directory in directories(&files) {
        files.extend(texts(context, &directory, &[".repo"])?);
    }
    let overrides = overrides(context)?;
    let mut looked_at: usize = 0;
    let mut culprits = Vec::new();
    for (path, text) in &files {
        let settings = assignments(text, Continued::Indented);
        for id in ids(&settings) {
            let over = |keys: &[&str]| {
                let mut found = overrides.iter().rev().filter(|over| over.is_for(id));
                found.find_map(|over| {
                    let (value, line) = last(&over.settings, &over.section, keys)?;
                    Some((value.to_owned(), format!("{}:{line}", over.path)))
                })
            };
            let own = |keys: &[&str]| {
                let (value, line) = last(&settings, id, keys)?;
                Some((value.to_owned(), format!("{path}:{line}")))
            };
            let said = |keys: &[&str]| over(keys).or_else(|| own(keys));
            if said(&["enabled"]).is_some_and(|(value, _)| !is_on(&value)) {
                continue;
            }
            looked_at = looked_at.saturating_add(1);
            let own = said(&KEYS);
            let (signed, location) = match (&own, &main) {
                (Some((value, place)), _) => (is_on(value), place.clone()),
                (None, Some((on, place))) => (*on, place.clone()),
                (None, None) => (false, path.clone()),
            };
            if signed {
                continue;
            }
            let words = match (own, &main) {
                (None, None) => "nothing says gpgcheck=1, and without it packages are not checked",
                (None, Some(_)) => "gpgcheck is off for all repositories",
                _ => "gpgcheck is off",
            };
            culprits.push(culprit(id, path, location, words));
        }
    }
    Ok((looked_at, culprits))
}

/// Where repositories lie: what `reposdir` of the main files says, else the usual places (dnf.conf(5)).
fn directories(main: &[(String, String)]) -> Vec<String> {
    let usual = [
        "etc/yum.repos.d",
        "etc/yum/repos.d",
        "etc/distro.repos.d",
        "usr/share/dnf5/repos.d",
    ];
    let mut found: Vec<String> = Vec::new();
    for (_, text) in main {
        let settings = assignments(text, Continued::Indented);
        let Some((value, _)) = last(&settings, "main", &["reposdir"]) else {
            continue;
        };
        let each = value
            .split([',', ' ', '\t'])
            .map(|place| place.trim_matches('/'));
        found.extend(each.filter(|place| !place.is_empty()).map(str::to_owned));
    }
    match found.is_empty() {
        true => usual.map(str::to_owned).to_vec(),
        false => found,
    }
}

pub(super) fn culprit(id: &str, path: &str, location: String, words: &str) -> Culprit {
    let id = agent_core::escape::terminal_text(id).into_owned();
    Culprit {
        message: format!("repository {id}: {words}"),
        remedy: format!("set gpgcheck=1 and gpgkey= for [{id}] in {path}"),
        subject: id,
        location,
    }
}

/// `gpgcheck` of `[main]`, and the main files, which may have repositories in them. dnf5 reads drop-ins of the
/// distribution and of the host before its main file, whose word stands.
fn main_switch(context: &Context<'_>) -> Result<(Switch, Vec<(String, String)>), String> {
    let mut main = None;
    let mut files = Vec::new();
    for path in ["etc/dnf/dnf.conf", "etc/yum.conf"] {
        if let Some((path, text)) = text(context, path)? {
            if main.is_none() {
                main = main_of(&path, &text);
            }
            files.push((path, text));
        }
    }
    if main.is_some() {
        return Ok((main, files));
    }
    let directories = ["etc/dnf/libdnf5.conf.d", "usr/share/dnf5/libdnf.conf.d"];
    for (path, text) in drop_ins(context, &directories, ".conf")? {
        main = main_of(&path, &text).or(main);
    }
    Ok((main, files))
}

fn main_of(path: &str, text: &str) -> Switch {
    let settings = assignments(text, Continued::Indented);
    let (value, line) = last(&settings, "main", &KEYS)?;
    Some((is_on(value), format!("{path}:{line}")))
}

/// A section of dnf5's repos.override.d: what it says counts for every repository that its name matches. Files are read
/// by their names, whichever directory they lie in.
struct Override {
    path: String,
    section: String,
    glob: Glob,
    settings: Settings,
}

impl Override {
    fn is_for(&self, id: &str) -> bool {
        self.glob.matches(id.as_bytes())
    }
}

fn overrides(context: &Context<'_>) -> Result<Vec<Override>, String> {
    let mut found = Vec::new();
    let directories = [
        "etc/dnf/repos.override.d",
        "usr/share/dnf5/repos.override.d",
    ];
    for (path, text) in drop_ins(context, &directories, ".repo")? {
        let settings = assignments(&text, Continued::Indented);
        found.extend(ids(&settings).into_iter().map(|section| Override {
            path: path.clone(),
            section: section.to_owned(),
            glob: Glob::new(section.as_bytes(), Syntax::Stars),
            settings: settings.clone(),
        }));
    }
    Ok(found)
}
