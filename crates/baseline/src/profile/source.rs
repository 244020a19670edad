//! One profile as it is written: TOML to checked values, every error with its line.

use super::path_rules::{Demand, Writer};
use super::pattern::Pattern;
use super::waivers::{self, Waiver};
use super::writer::RawWriter;
use crate::texts;
use agent_core::attributes::{Attribute, AttributeSet};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::finding::Severity;
use agent_core::release::OsRelease;
use agent_core::toml_text::{self, line_of};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// A profile file, checked, before `extends` is resolved.
#[derive(Clone, Debug)]
pub struct Source {
    /// `name`
    pub name: String,
    /// `extends`: a shipped profile, or a file.
    pub extends: Option<String>,
    /// Line of `extends`, for errors about what it names.
    pub extends_line: u64,
    /// `applies_to`
    pub applies_to: Option<AppliesTo>,
    /// `[[paths]]`
    pub paths: Vec<PathEntry>,
    /// `[[exclude]]`
    pub excludes: Vec<ExcludeEntry>,
    /// `[settings]`
    pub settings: Settings,
    /// `[[waivers]]`
    pub waivers: Vec<Waiver>,
}

/// Which distribution a profile is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliesTo {
    /// `ID` of os-release(5), or one of its `ID_LIKE`.
    pub id: String,
    /// `VERSION_ID`, or its leading parts: `9` covers `9.4`. Left out: every version.
    #[serde(default)]
    pub version_id: Option<String>,
}

impl AppliesTo {
    /// Whether a tree with that os-release is meant.
    pub fn matches(&self, release: &OsRelease) -> bool {
        let id = release.id == self.id || release.id_like.contains(&self.id);
        let version = match &self.version_id {
            None => true,
            Some(wanted) => release
                .version_id
                .strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        };
        id && version
    }
}

/// One `[[paths]]`.
#[derive(Clone, Debug)]
pub struct PathEntry {
    /// Which paths.
    pub pattern: Pattern,
    /// What is demanded of them.
    pub demand: Demand,
    /// Programs that may write there, and what.
    pub writers: Vec<Writer>,
    /// Why, where the author said so.
    pub reason: Option<String>,
}

/// One `[[exclude]]`.
#[derive(Clone, Debug)]
pub struct ExcludeEntry {
    /// Which paths.
    pub pattern: Pattern,
    /// Why; an exclude is a blind spot and has to say.
    pub reason: String,
}

/// What the account lets people do with the serial console, which a guest cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SerialConsole {
    /// Switched on for the account.
    Allowed,
    /// Switched off for the account.
    Denied,
    /// Nobody said.
    Unknown,
}

/// `[settings]`: switches, and what is demanded of single checks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `sshd_explicit`: a good default does not count, the line must stand.
    pub sshd_explicit: Option<bool>,
    /// `serial_console`
    pub serial_console: Option<SerialConsole>,
    /// By check id.
    pub checks: BTreeMap<String, CheckSettings>,
}

/// `[settings."check.id"]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckSettings {
    /// What is demanded; each check says its form.
    pub demand: Option<toml::Value>,
    /// Instead of the check's own severity.
    #[serde(default, deserialize_with = "severity")]
    pub severity: Option<Severity>,
    /// A check that is off is not listed.
    pub enabled: Option<bool>,
}

impl Settings {
    /// What `newer` says, and what `self` says where `newer` is silent.
    pub fn overlaid(mut self, newer: &Settings) -> Settings {
        self.sshd_explicit = newer.sshd_explicit.or(self.sshd_explicit);
        self.serial_console = newer.serial_console.or(self.serial_console);
        for (id, check) in &newer.checks {
            let old = self.checks.entry(id.clone()).or_default();
            old.demand = check.demand.clone().or(old.demand.take());
            old.severity = check.severity.or(old.severity);
            old.enabled = check.enabled.or(old.enabled);
        }
        self
    }

    /// Whether the profile leaves the check of that id switched on.
    pub fn enables(&self, id: &str) -> bool {
        self.checks.get(id).and_then(|check| check.enabled) != Some(false)
    }

    /// The settings as text that is the same however they were written.
    pub fn canonical(&self) -> String {
        format!(
            "{:?} {:?} {:?}",
            self.sshd_explicit, self.serial_console, self.checks
        )
    }
}

/// The areas that check ids begin with.
const AREAS: [&str; 10] = [
    "files",
    "sshd",
    "accounts",
    "console",
    "credentials",
    "network",
    "logging",
    "kernel",
    "packages",
    "instance",
];

fn is_check_id(id: &str) -> bool {
    id.split_once('.')
        .is_some_and(|(area, _)| AREAS.contains(&area))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    extends: Option<Spanned<String>>,
    applies_to: Option<AppliesTo>,
    #[serde(default)]
    paths: Vec<RawPath>,
    #[serde(default)]
    exclude: Vec<RawExclude>,
    #[serde(default)]
    waivers: Vec<waivers::Raw>,
    #[serde(default)]
    settings: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPath {
    path: Spanned<String>,
    #[serde(deserialize_with = "some_severity")]
    severity: Severity,
    attributes: Option<Spanned<RawAttributes>>,
    #[serde(default)]
    cross_mounts: bool,
    launch: Option<Spanned<String>>,
    #[serde(default)]
    keep_text: bool,
    #[serde(default)]
    writers: Vec<Spanned<RawWriter>>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"all\", \"content\" or a list of attribute names"
)]
enum RawAttributes {
    Word(String),
    List(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExclude {
    path: Spanned<String>,
    reason: Spanned<String>,
}

fn some_severity<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Severity, D::Error> {
    let name = String::deserialize(deserializer)?;
    Severity::from_name(&name).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "unknown severity \"{name}\", expected low, medium, high or critical"
        ))
    })
}

fn severity<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Severity>, D::Error> {
    some_severity(deserializer).map(Some)
}

/// The text that is parsed, for errors with its name and line.
#[derive(Clone, Copy)]
struct Text<'a> {
    text: &'a str,
    file: &'a Path,
}

impl Text<'_> {
    fn error(self, at: Range<usize>, message: impl Into<String>) -> Error {
        Error::in_file(self.file, message.into()).at_line(line_of(self.text, at.start))
    }
}

impl Source {
    /// Parses and checks the text of a profile; `file` is for errors alone.
    pub fn parse(text: &str, file: &Path) -> Result<Source> {
        let raw: Raw = toml_text::parse(text, file)?;
        let text = Text { text, file };
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if raw.name.get_ref().is_empty() || raw.name.get_ref().contains(odd) {
            return Err(text.error(raw.name.span(), "name: expected a word without spaces"));
        }
        const MOST: usize = bounds::RULES;
        if raw.paths.len() > MOST || raw.exclude.len() > MOST {
            return Err(Error::in_file(file, format!("more than {MOST} entries")));
        }
        let mut paths: Vec<PathEntry> = Vec::new();
        for raw in raw.paths {
            let at = raw.path.span();
            let entry = path_entry(text, raw)?;
            if paths.iter().any(|p| p.pattern == entry.pattern) {
                let message = format!("path = \"{}\" stands twice", entry.pattern.text());
                return Err(text.error(at, message));
            }
            paths.push(entry);
        }
        let excludes = raw.exclude.into_iter().map(|raw| exclude_entry(text, raw));
        let excludes = excludes.collect::<Result<Vec<ExcludeEntry>>>()?;
        if raw.waivers.len() > MOST {
            return Err(Error::in_file(file, format!("more than {MOST} waivers")));
        }
        let waivers = raw.waivers.into_iter().map(|raw| {
            raw.checked(text.text)
                .map_err(|(at, message)| text.error(at, message))
        });
        let waivers = waivers.collect::<Result<Vec<Waiver>>>()?;
        let mut settings = Settings::default();
        for (key, value) in &raw.settings {
            settings.take(text, key, value)?;
        }
        let extends_line = match &raw.extends {
            Some(name) => line_of(text.text, name.span().start),
            None => 0,
        };
        Ok(Source {
            name: raw.name.into_inner(),
            extends: raw.extends.map(Spanned::into_inner),
            extends_line,
            applies_to: raw.applies_to,
            paths,
            excludes,
            settings,
            waivers,
        })
    }
}

fn pattern(text: Text<'_>, path: &Spanned<String>, exclude: bool) -> Result<Pattern> {
    Pattern::parse(path.get_ref(), exclude).map_err(|reason| {
        let message = format!("path = \"{}\" {reason}", path.get_ref());
        text.error(path.span(), message)
    })
}

fn path_entry(text: Text<'_>, raw: RawPath) -> Result<PathEntry> {
    let attributes = match &raw.attributes {
        None => AttributeSet::ALL,
        Some(raw) => attributes(raw.get_ref()).map_err(|m| text.error(raw.span(), m))?,
    };
    let launch = match &raw.launch {
        None => false,
        Some(word) if word.get_ref() == "record" => true,
        Some(word) => {
            let message = format!("launch = \"{}\": expected \"record\"", word.get_ref());
            return Err(text.error(word.span(), message));
        }
    };
    if raw.keep_text && !texts::may_keep(raw.path.get_ref().as_bytes()) {
        let message = format!(
            "path = \"{}\": keep_text: it holds secrets, and no text of it is ever kept",
            raw.path.get_ref()
        );
        return Err(text.error(raw.path.span(), message));
    }
    Ok(PathEntry {
        pattern: pattern(text, &raw.path, false)?,
        demand: Demand {
            attributes,
            severity: raw.severity,
            cross_mounts: raw.cross_mounts,
            launch,
            keep_text: raw.keep_text,
        },
        writers: raw
            .writers
            .iter()
            .map(|raw| raw.get_ref().check().map_err(|m| text.error(raw.span(), m)))
            .collect::<Result<_>>()?,
        reason: raw.reason,
    })
}

fn exclude_entry(text: Text<'_>, raw: RawExclude) -> Result<ExcludeEntry> {
    let pattern = pattern(text, &raw.path, true)?;
    if raw.reason.get_ref().trim().is_empty() {
        let message = "reason: an exclude is a blind spot and has to say why";
        return Err(text.error(raw.reason.span(), message));
    }
    Ok(ExcludeEntry {
        pattern,
        reason: raw.reason.into_inner(),
    })
}

impl Settings {
    /// Takes one key of `[settings]`.
    fn take(
        &mut self,
        text: Text<'_>,
        key: &Spanned<String>,
        value: &Spanned<toml::Value>,
    ) -> Result<()> {
        let id = key.get_ref().as_str();
        let error = |error: toml::de::Error| {
            let reason = error.message().replace('\n', ", ");
            text.error(value.span(), format!("settings.{id}: {reason}"))
        };
        let value = value.get_ref().clone();
        match id {
            "sshd_explicit" => {
                self.sshd_explicit = Some(bool::deserialize(value).map_err(error)?);
            }
            "serial_console" => {
                self.serial_console = Some(SerialConsole::deserialize(value).map_err(error)?);
            }
            _ if id.starts_with("files.") => {
                let message = format!(
                    "settings: \"{id}\" cannot be set here: a profile that could switch it off would hide behind a good seal"
                );
                return Err(text.error(key.span(), message).help(
                    "severities of files stand in [[paths]]; a path is left out by [[exclude]], a check of one run by --skip",
                ));
            }
            _ if is_check_id(id) => {
                let check = CheckSettings::deserialize(value).map_err(error)?;
                self.checks.insert(id.to_owned(), check);
            }
            _ => {
                let message = format!(
                    "settings: unknown key \"{id}\", expected sshd_explicit, serial_console or a check id in quotes"
                );
                return Err(text
                    .error(key.span(), message)
                    .help("`agent profile show NAME` lists the check ids"));
            }
        }
        Ok(())
    }
}

fn attributes(raw: &RawAttributes) -> std::result::Result<AttributeSet, String> {
    match raw {
        RawAttributes::Word(word) if word == "all" => Ok(AttributeSet::ALL),
        RawAttributes::Word(word) if word == "content" => Ok(AttributeSet::CONTENT),
        RawAttributes::Word(word) => Err(format!(
            "attributes = \"{word}\": expected \"all\", \"content\" or a list of attribute names"
        )),
        RawAttributes::List(names) if names.is_empty() => {
            Err("attributes: the list is empty; exclude the path instead, with the reason".into())
        }
        RawAttributes::List(names) => names
            .iter()
            .map(|name| {
                Attribute::from_name(name).ok_or_else(|| {
                    let known: Vec<&str> = Attribute::ALL.iter().map(|a| a.name()).collect();
                    format!(
                        "attributes: unknown \"{name}\", expected out of {}",
                        known.join(" ")
                    )
                })
            })
            // Without the type nothing else can be compared.
            .chain([Ok(Attribute::Type)])
            .collect(),
    }
}

#[cfg(test)]
mod tests;
