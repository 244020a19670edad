//! From a name, a file or `auto` to a ready profile: `extends` resolved, the distribution matched.

use super::Profile;
use super::choose::choose;
use super::path_rules::{PathRules, Rule};
use super::shipped;
use super::source::{ExcludeEntry, Settings, Source};
use agent_core::bounds;
use agent_core::bytes;
use agent_core::error::{Error, Result};
use agent_core::os::trust::{self, Owner};
use agent_core::release::OsRelease;
use std::path::{Path, PathBuf};

/// The place of the profile that a host's owners wrote themselves.
pub const LOCAL: &str = "/etc/host-integrity-agent/profile.toml";

/// The shipped profile of that name, or the profile in that file (a word with `/` or `.toml` in it).
pub fn named(name: &str) -> Result<Profile> {
    resolve(open(name, None, Owner::RootOrCaller)?)
}

/// The profile for a tree: the local one where the host has one that applies, else a shipped one, chosen by os-release.
pub fn auto(release: &OsRelease) -> Result<Profile> {
    let local = Path::new(LOCAL);
    if let Some(file) = trust::open(local, Owner::Root)? {
        let text = text_of(&trust::read(&file, local, bounds::PROFILE)?, local)?;
        let profile = resolve((Source::parse(&text, local)?, Some(local.to_owned())))?;
        if profile.applies_to.is_none() || profile.applies(release) {
            return Ok(profile);
        }
    }
    let choice = choose(release);
    let mut profile = named(choice.name)?;
    profile.stands_in = choice.stands_in;
    Ok(profile)
}

/// Reads one profile file and everything it extends.
pub fn file(path: &Path) -> Result<Profile> {
    resolve(open_file(path, Owner::RootOrCaller)?)
}

type Opened = (Source, Option<PathBuf>);

fn open(name: &str, beside: Option<&Path>, owner: Owner) -> Result<Opened> {
    if let Some(text) = shipped::text(name) {
        return Ok((Source::parse(text, &shipped_path(name))?, None));
    }
    if name.contains('/') || name.ends_with(".toml") {
        let path = match beside.and_then(Path::parent) {
            Some(directory) => directory.join(name),
            None => PathBuf::from(name),
        };
        return open_file(&path, owner);
    }
    let known: Vec<&str> = shipped::SHIPPED
        .iter()
        .map(|shipped| shipped.name)
        .collect();
    Err(Error::new(format!(
        "no profile \"{name}\": expected a file, or one of {}",
        known.join(", ")
    )))
}

fn open_file(path: &Path, owner: Owner) -> Result<Opened> {
    let Some(file) = trust::open(path, owner)? else {
        return Err(Error::in_file(path, "no such file, expected a profile")
            .help("`agent profile list` names the shipped ones"));
    };
    let text = text_of(&trust::read(&file, path, bounds::PROFILE)?, path)?;
    Ok((Source::parse(&text, path)?, Some(path.to_owned())))
}

fn text_of(bytes: &[u8], path: &Path) -> Result<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let before = bytes::first(bytes, error.valid_up_to());
            let line = before.split(|b| *b == b'\n').count() as u64;
            Err(Error::in_file(path, "is not UTF-8").at_line(line))
        }
    }
}

/// How errors in a shipped profile name it.
fn shipped_path(name: &str) -> PathBuf {
    PathBuf::from(format!("baselines/{name}.toml"))
}

/// Works in what the profile extends: the nearer one decides, entries of the same path replace each other.
fn resolve((source, file): Opened) -> Result<Profile> {
    let mut chain: Vec<Opened> = vec![(source, file)];
    while let Some((last, last_file)) = chain.last() {
        let Some(parent) = last.extends.clone() else {
            break;
        };
        let here = last_file
            .clone()
            .unwrap_or_else(|| shipped_path(&last.name));
        let line = last.extends_line;
        // The owner of the file that extends answers for what it names.
        let opened =
            open(&parent, last_file.as_deref(), Owner::RootOrCaller).map_err(
                |error| match error.file {
                    None => Error {
                        message: format!("extends: {}", error.message),
                        ..Error::in_file(&here, "").at_line(line)
                    },
                    Some(_) => error,
                },
            )?;
        let same = |(source, file): &Opened| source.name == opened.0.name && *file == opened.1;
        if chain.iter().any(same) || chain.len() > 32 {
            let names: Vec<&str> = chain.iter().map(|(s, _)| s.name.as_str()).collect();
            let message = format!(
                "extends goes round in a circle: {} → {}",
                names.join(" → "),
                opened.0.name
            );
            return Err(Error::in_file(&here, message).at_line(line));
        }
        chain.push(opened);
    }

    let mut paths = Vec::new();
    let mut excludes: Vec<ExcludeEntry> = Vec::new();
    let mut settings = Settings::default();
    let mut waivers = Vec::new();
    for (source, file) in chain.iter().rev() {
        for entry in &source.paths {
            paths.retain(|old: &Rule| old.pattern != entry.pattern);
            paths.push(Rule {
                pattern: entry.pattern.clone(),
                demand: entry.demand,
                writers: entry.writers.clone(),
            });
        }
        for entry in &source.excludes {
            excludes.retain(|old| old.pattern != entry.pattern);
            excludes.push(entry.clone());
        }
        settings = settings.overlaid(&source.settings);
        let of_source = source.waivers.iter().cloned();
        waivers.extend(of_source.map(|waiver| waiver.of_file(file.clone())));
    }
    let names: Vec<String> = chain.iter().map(|(s, _)| s.name.clone()).collect();
    let (source, file) = chain.swap_remove(0);
    let error = |message: &str| match &file {
        Some(file) => Error::in_file(file, message),
        None => Error::new(message),
    };
    if paths.is_empty() {
        return Err(error(
            "no path is covered: expected at least one [[paths]] entry",
        ));
    }
    if paths.len() > bounds::RULES || excludes.len() > bounds::RULES {
        return Err(error("too many entries"));
    }
    Ok(Profile {
        name: source.name,
        extends: names.into_iter().skip(1).collect(),
        file,
        applies_to: source.applies_to,
        stands_in: None,
        path_rules: PathRules::new(paths, excludes.iter().map(|e| e.pattern.clone()).collect()),
        excludes,
        settings,
        waivers,
    })
}
