//! The launch record: what the first boot changed among the paths that the profile lets it change, once.

use super::deviation::{Deviation, DeviationKind};
use super::join::{Expected, Source};
use super::mounted::{self, RecordedMounts};
use super::scope::{PathPolicy, Scope};
use agent_baseline::manifest::header::{Launch, Mounted};
use agent_baseline::manifest::read::Manifest;
use agent_baseline::manifest::{Entry, Role};
use agent_core::attributes::{AttributeSet, Attributes, FileType};
use agent_core::bounds;
use agent_core::error::Error;
use agent_core::error::Result;
use agent_core::escape;
use agent_core::host::Host;
use agent_core::paths;
use agent_core::paths::split;
use agent_core::paths::subject;
use std::cmp::Ordering;

/// Collects the entries of a launch record from the deviations of a scan.
#[derive(Debug, Default)]
pub struct Collector {
    entries: Vec<Entry>,
    /// Deviations on paths that the first boot may not change: they stay deviations.
    pub others: u64,
    /// Paths that it may change and that could not be looked at, relative to the root.
    pub unseen: Vec<Vec<u8>>,
    /// What it mounted at paths that it may change.
    pub mounts: Vec<Mounted>,
}

impl Collector {
    /// Takes in one deviation.
    pub fn take(&mut self, deviation: Deviation) {
        let Deviation { path, policy, kind } = deviation;
        let kind = match kind {
            DeviationKind::Mounted(layers) if policy.demand.launch && !layers.is_empty() => {
                let lines = layers.iter().map(|layer| mounted::line(&path, layer));
                self.mounts.extend(lines);
                return;
            }
            kind => kind,
        };
        let recordable = policy.demand.launch
            && matches!(
                kind,
                DeviationKind::Added(_) | DeviationKind::Changed { .. } | DeviationKind::Removed(_)
            );
        if !recordable {
            match policy.demand.launch {
                true => self.unseen.push(path.clone()),
                false => self.others += 1,
            }
            return;
        }
        let (mut attributes, role) = match kind {
            DeviationKind::Added(observed) | DeviationKind::Changed { observed, .. } => {
                (*observed, Role::Recorded)
            }
            DeviationKind::Removed(expected) => {
                let kind = expected.attributes.map_or(FileType::File, |a| a.kind);
                (Attributes::new(kind), Role::Removed)
            }
            _ => return,
        };
        let mut keep = policy.demand.attributes;
        if attributes.kind == FileType::Dir {
            // What a directory's entries do to it is told by the entries.
            keep = keep.without(AttributeSet::OF_ENTRIES);
        }
        attributes.retain(keep);
        self.entries.push(Entry {
            path,
            attributes,
            role,
            package: None,
        });
    }

    /// The entries in order, each behind its directories.
    pub fn into_entries(self) -> Vec<Entry> {
        with_parents(self.entries)
    }
}

/// The entries in order, each behind its directories, as mtree readers want them.
pub fn with_parents(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut parents: Vec<Vec<u8>> = vec![Vec::new()];
    for entry in &entries {
        let mut path = entry.path.as_slice();
        while !path.is_empty() {
            path = split(path).0;
            parents.push(path.to_vec());
        }
    }
    parents.sort_unstable();
    parents.dedup();
    entries.extend(parents.into_iter().map(|path| Entry {
        path,
        attributes: Attributes::new(FileType::Dir),
        role: Role::Parent,
        package: None,
    }));
    // A directory that is an entry itself comes before the mere parent of the same path.
    entries.sort_by(|a, b| {
        paths::compare(&a.path, &b.path)
            .then((a.role == Role::Parent).cmp(&(b.role == Role::Parent)))
    });
    entries.dedup_by(|later, earlier| later.path == earlier.path);
    entries
}

/// A launch record that may be used.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub(super) entries: Vec<Expected>,
    pub(super) mounts: Vec<Mounted>,
}

impl Record {
    /// Judges a record: the text says why it is ignored.
    ///
    /// `manifest` is the digest of the manifest in use, `sealed` its own rules.
    pub fn judge(
        record: &Manifest,
        manifest: [u8; 32],
        identity: &Host,
        sealed: &Scope,
    ) -> Result<std::result::Result<Record, String>> {
        let Some(Launch {
            instance,
            manifest: of,
            ..
        }) = &record.header().launch
        else {
            return Ok(Err("it is no launch record but a manifest".into()));
        };
        match identity.binding() {
            None => {
                return Ok(Err(
                    "the host has neither an instance id nor a machine id to compare it with"
                        .into(),
                ));
            }
            Some(binding) if binding != *instance => {
                return Ok(Err(format!(
                    "it belongs to instance {instance}, this is {binding}"
                )));
            }
            Some(_) => {}
        }
        if *of != escape::hex(&manifest) {
            return Ok(Err("it was made under another manifest".into()));
        }
        if record.len() > bounds::LAUNCH_ENTRIES {
            return Ok(Err(format!(
                "it has more than {} entries",
                bounds::LAUNCH_ENTRIES
            )));
        }
        let marked = |policy: &PathPolicy| policy.demand.launch && !policy.leads;
        let mounts = &record.header().mounts;
        let unmarked = |mounted: &&Mounted| !sealed.at(&mounted.path).is_some_and(|p| marked(&p));
        if let Some(mounted) = mounts.iter().find(unmarked) {
            return Ok(Err(format!(
                "it holds a mount at {}, which the first boot may not change",
                escape::terminal_bytes(&subject(&mounted.path))
            )));
        }
        let mut entries = Vec::new();
        for entry in record.entries() {
            let entry = entry?;
            if entry.role == Role::Parent {
                continue;
            }
            let shown = || escape::terminal_bytes(&subject(&entry.path));
            let Some(policy) = sealed.at(&entry.path).filter(marked) else {
                return Ok(Err(format!(
                    "it holds {}, which the first boot may not change",
                    shown()
                )));
            };
            let lacks = entry.attributes.lacks(policy.demand.attributes);
            if entry.role == Role::Recorded && !lacks.is_empty() {
                return Ok(Err(format!("it lacks {lacks} of {}", shown())));
            }
            entries.push(Expected {
                path: entry.path,
                attributes: (entry.role == Role::Recorded).then_some(entry.attributes),
                source: Source::Launch,
            });
        }
        Ok(Ok(Record {
            entries,
            mounts: mounts.clone(),
        }))
    }

    /// What was mounted when the tree was recorded, by the manifest and by this record.
    pub fn mounts_over<'a>(&'a self, manifest: &'a Manifest) -> RecordedMounts<'a> {
        RecordedMounts {
            manifest: &manifest.header().mounts,
            launch: &self.mounts,
        }
    }

    /// Number of paths on the record.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is on the record.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is on the record, in order.
    pub fn entries(&self) -> &[Expected] {
        &self.entries
    }

    /// The manifest's entries with those of the record in their place.
    pub fn over<'a>(
        &'a self,
        manifest: impl Iterator<Item = Result<Entry>> + 'a,
    ) -> impl Iterator<Item = Result<Expected>> + 'a {
        let mut manifest = manifest.map(|entry| entry.map(recorded)).peekable();
        let mut record = self.entries.iter().peekable();
        std::iter::from_fn(move || {
            let order = match (manifest.peek(), record.peek()) {
                (Some(Err(_)), _) | (_, None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok(a)), Some(b)) => paths::compare(&a.path, &b.path),
            };
            match order {
                Ordering::Less => manifest.next(),
                Ordering::Equal => {
                    let replaced: Option<Result<Expected>> = manifest.next();
                    debug_assert!(replaced.is_some());
                    record.next().cloned().map(Ok)
                }
                Ordering::Greater => record.next().cloned().map(Ok),
            }
        })
    }
}

/// What a manifest's entry lets expect.
pub(super) fn recorded(entry: Entry) -> Expected {
    Expected {
        path: entry.path,
        attributes: Some(entry.attributes),
        source: match entry.role {
            Role::Mount => Source::Mount,
            _ => Source::Manifest,
        },
    }
}

/// Why a record cannot be written: named so that the caller can word the way out.
pub fn refuse_second(path: &std::path::Path) -> Error {
    Error::in_file(path, "there is a launch record of this instance already")
        .help("a second one would excuse what happened since; if it must be: --again --reason TEXT")
}
