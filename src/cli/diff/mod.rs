//! `agent baseline diff`: two manifests side by side, for a review: what packages explain, and what is left.

mod html;
mod packages;

use super::args::{Diff, DiffFormat};
use super::baseline::{open, put_path};
use super::print;
use agent_baseline::manifest::Entry;
use agent_baseline::manifest::diff::{Difference, differences};
use agent_baseline::manifest::read::Manifest;
use agent_core::attributes::{Attribute, AttributeSet, FileType};
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::finding;
use agent_core::paths::split;
use agent_core::words::{counted, thousands};
use agent_scan::files::wording;
use packages::Packages;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

/// Differences that are listed path by path; of more, each directory is a line.
const LISTED: usize = 500;

pub(super) fn run(arguments: &Diff) -> Result<u8> {
    let old = open(&arguments.old)?;
    let new = open(&arguments.new)?;
    let packages = Packages::between(&old.header().packages, &new.header().packages);
    let mut review = Review {
        old: &old,
        new: &new,
        profile: old.header().path_rules != new.header().path_rules,
        packages,
        changes: Vec::new(),
        count: 0,
    };
    // Where nothing is known of packages there is nothing to group, and nothing is held in memory.
    let stream = arguments.format != DiffFormat::Html
        && (arguments.format == DiffFormat::Json || review.packages.are_unknown());
    let mut failed = None;
    print(|out| {
        if stream {
            failed = review.stream(out, arguments.format)?;
            return Ok(());
        }
        failed = review.collect(arguments.format == DiffFormat::Html);
        match (&failed, arguments.format) {
            (Some(_), _) => Ok(()),
            (None, DiffFormat::Html) => html::write(out, &review),
            (None, _) => review.text(out),
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(u8::from(review.differs())),
    }
}

/// A path that differs.
struct Change {
    /// `added`, `removed`, `changed`
    word: &'static str,
    /// From the root.
    path: Vec<u8>,
    /// In what it differs.
    changed: AttributeSet,
    /// Whether both are directories.
    directory: bool,
    /// What became of each attribute, in words: for the page alone, which holds no more than it lists.
    said: Box<str>,
    /// The package that owns it.
    package: Option<Box<str>>,
    /// Which change of a package explains it.
    explained: Option<usize>,
}

/// Two manifests, and how they differ.
struct Review<'a> {
    old: &'a Manifest,
    new: &'a Manifest,
    /// Whether they do not cover the same.
    profile: bool,
    packages: Packages,
    /// Where they are held: what no package explains.
    changes: Vec<Change>,
    /// Differences, that of the profiles among them.
    count: u64,
}

impl Review<'_> {
    fn differs(&self) -> bool {
        self.count > 0 || !self.packages.changes.is_empty()
    }

    fn change(&mut self, difference: &Difference) -> Change {
        let (word, entry, changed, directory) = match difference {
            Difference::Added(entry) => ("added", entry, AttributeSet::NONE, false),
            Difference::Removed(entry) => ("removed", entry, AttributeSet::NONE, false),
            Difference::Changed { old, new, changed } => {
                let is = |entry: &Entry| entry.attributes.kind == FileType::Dir;
                ("changed", &**new, *changed, is(old) && is(new))
            }
        };
        let explained = self.packages.explain(entry.package.as_deref(), word);
        Change {
            word,
            path: entry.subject(),
            changed,
            directory,
            said: Box::default(),
            package: entry.package.clone(),
            explained,
        }
    }

    /// Tells each difference as it is met; returns the error that ended it, if one did.
    fn stream(&mut self, out: &mut dyn Write, format: DiffFormat) -> io::Result<Option<Error>> {
        if self.profile {
            self.count += 1;
            match format {
                DiffFormat::Json => writeln!(out, "{}", self.profiles_as_json())?,
                _ => writeln!(out, "{}", self.profiles())?,
            }
        }
        for difference in differences(self.old.entries(), self.new.entries()) {
            let difference = match difference {
                Ok(difference) => difference,
                Err(error) => return Ok(Some(error)),
            };
            self.count += 1;
            let change = self.change(&difference);
            match format {
                DiffFormat::Json => writeln!(out, "{}", self.as_json(&difference, &change))?,
                _ => writeln!(out, "{}", line(&change))?,
            }
        }
        match format {
            DiffFormat::Json => {
                for package in &self.packages.changes {
                    writeln!(out, "{}", package.to_json())?;
                }
                let summary = json!({"kind": "summary", "differences": self.count});
                writeln!(out, "{summary}")?;
            }
            _ if self.count == 0 => writeln!(out, "equal: {}", counted(self.new.len(), "path"))?,
            _ => {}
        }
        Ok(None)
    }

    /// Counts what packages explain and holds what is left; returns the error that ended it, if one did.
    fn collect(&mut self, words: bool) -> Option<Error> {
        self.count += u64::from(self.profile);
        let mut left = Vec::new();
        let mut moved: HashSet<Vec<u8>> = HashSet::new();
        for difference in differences(self.old.entries(), self.new.entries()) {
            let difference = match difference {
                Ok(difference) => difference,
                Err(error) => return Some(error),
            };
            self.count += 1;
            let mut change = self.change(&difference);
            if let (true, Difference::Changed { old, new, changed }) = (words, &difference)
                && left.len() < html::KEPT
            {
                let said = wording::differences(&old.attributes, &new.attributes, *changed);
                change.said = said.join(", ").into();
            }
            match change.explained {
                Some(_) => drop(moved.insert(directory(&change.path).to_vec())),
                None => left.push(change),
            }
        }
        // The directory of what a package brought, or took away, has other times and links.
        left.retain(|change| {
            let times =
                change.directory && change.changed.without(AttributeSet::OF_ENTRIES).is_empty();
            !(times && moved.contains(&change.path))
        });
        self.changes = left;
        None
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.differs() {
            return writeln!(out, "equal: {}", counted(self.new.len(), "path"));
        }
        if self.profile {
            writeln!(out, "{}", self.profiles())?;
        }
        for package in &self.packages.changes {
            writeln!(
                out,
                "package  {}",
                escape::terminal_text(&package.in_words())
            )?;
        }
        match self.changes.len() > LISTED {
            false => {
                for change in &self.changes {
                    writeln!(out, "{}{}", line(change), unmoved(change))?;
                }
            }
            true => {
                for (directory, counts) in by_directory(&self.changes) {
                    let directory = escape::terminal_bytes(directory);
                    writeln!(out, "below    {directory}  {counts}")?;
                }
                writeln!(out, "--format json lists each path")?;
            }
        }
        writeln!(out, "{}", self.outcome())
    }

    /// How much of it packages explain.
    fn outcome(&self) -> String {
        let left = self.changes.len() as u64 + u64::from(self.profile);
        let all = counted(self.count, "difference");
        match self.packages.changes.len() as u64 {
            0 => format!("{all}, and no package's"),
            packages => format!(
                "{all}: {} by {} that changed, {} by none",
                thousands(self.count - left.min(self.count)),
                counted(packages, "package"),
                thousands(left),
            ),
        }
    }

    fn profiles(&self) -> String {
        let (a, b) = (self.old.header(), self.new.header());
        format!(
            "profile  {} {} is now {} {}: they do not cover the same",
            a.profile, a.profile_digest, b.profile, b.profile_digest
        )
    }

    fn profiles_as_json(&self) -> Value {
        let (a, b) = (self.old.header(), self.new.header());
        json!({"kind": "difference", "change": "profile", "path": null, "changed": null,
            "old": {"profile": a.profile, "sha256": a.profile_digest},
            "new": {"profile": b.profile, "sha256": b.profile_digest}})
    }

    fn as_json(&self, difference: &Difference, change: &Change) -> Value {
        let all = AttributeSet::ALL;
        let (entry, old, new) = match difference {
            Difference::Added(entry) => {
                (entry, None, Some(finding::evidence(&entry.attributes, all)))
            }
            Difference::Removed(entry) => {
                (entry, Some(finding::evidence(&entry.attributes, all)), None)
            }
            Difference::Changed { old, new, changed } => (
                &**new,
                Some(finding::evidence(&old.attributes, *changed)),
                Some(finding::evidence(&new.attributes, *changed)),
            ),
        };
        let names: Vec<&str> = change.changed.iter().map(Attribute::name).collect();
        let mut object = json!({"kind": "difference", "change": change.word});
        put_path(&mut object, entry);
        object["changed"] = json!((!names.is_empty()).then_some(names));
        object["old"] = json!(old);
        object["new"] = json!(new);
        if !self.packages.are_unknown() {
            object["package"] = json!(change.package);
            let explained = change
                .explained
                .and_then(|at| self.packages.changes.get(at));
            object["explained_by"] = json!(explained.map(packages::Change::named));
        }
        object
    }
}

/// A difference in one line.
fn line(change: &Change) -> String {
    let names: Vec<&str> = change.changed.iter().map(Attribute::name).collect();
    let path = escape::terminal_bytes(&change.path);
    let line = format!("{:8} {path}  {}", change.word, names.join(", "));
    line.trim_end().to_owned()
}

/// That a path belongs to a package that is as it was: nothing of it had reason to change.
fn unmoved(change: &Change) -> String {
    match &change.package {
        Some(package) => format!(
            "  (of package {}, which is as it was)",
            escape::terminal_text(package)
        ),
        None => String::new(),
    }
}

fn directory(path: &[u8]) -> &[u8] {
    match split(path).0 {
        b"" => b"/",
        directory => directory,
    }
}

/// `3 added, 1 changed` for each directory, in the order of paths.
fn by_directory(changes: &[Change]) -> BTreeMap<&[u8], String> {
    let mut counts: BTreeMap<&[u8], BTreeMap<&str, u64>> = BTreeMap::new();
    for change in changes {
        let of = counts.entry(directory(&change.path)).or_default();
        *of.entry(change.word).or_default() += 1;
    }
    let in_words = |counts: BTreeMap<&str, u64>| {
        let words = counts.iter().map(|(word, count)| format!("{count} {word}"));
        words.collect::<Vec<_>>().join(", ")
    };
    counts.into_iter().map(|(d, c)| (d, in_words(c))).collect()
}
