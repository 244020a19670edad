//! Recorded files with several names: what is done through one of them shows under all.

use super::linked::{Choice, Linked};
use super::scope::Scope;
use agent_baseline::manifest::read::Manifest;
use agent_core::attributes::{Attributes, Digest, FileType};
use agent_core::error::Result;
use agent_core::finding::Severity;
use agent_core::region::Region;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// Which recorded paths are, or were, names of one file. A host has some hundred of them.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Each with the number of its group.
    paths: BTreeMap<Box<[u8]>, usize>,
    groups: Vec<Vec<Box<[u8]>>>,
    linked: Arc<Linked>,
}

impl Links {
    /// Reads the manifest once. No inode is recorded, and under one rule of the profile more may be recorded than under
    /// another: what may have several names and has the same contents is taken for one file. At worst a path is
    /// judged that need not be.
    ///
    /// Of those that are recorded to have several names, wherever the others are, `most` paths at most are to be watched
    /// themselves: [`Links::linked`].
    pub fn recorded(manifest: &Manifest, scope: &Scope, most: usize) -> Result<Links> {
        let mut found: HashMap<Key, Group> = HashMap::new();
        let mut choice = Choice::new(most);
        for entry in manifest.entries() {
            let entry = entry?;
            let attributes = &entry.attributes;
            let several = attributes.nlink.is_some_and(|names| names > 1);
            if attributes.kind == FileType::File
                && several
                && let Some(policy) = scope.at(&entry.path)
            {
                choice.take(&entry.path, policy.demand.severity == Severity::Critical);
            }
            if let Some(key) = key(&entry.attributes) {
                let group = found.entry(key).or_default();
                group.known |= entry.attributes.nlink.is_some();
                group.paths.push(entry.path.into_boxed_slice());
            }
        }
        let mut links = Links {
            linked: Arc::new(choice.end()),
            ..Links::default()
        };
        // Without one of which the number of names is recorded they are files of the same contents and no more.
        for group in found.into_values().filter(|group| group.known) {
            if group.paths.len() > 1 {
                let number = links.groups.len();
                let paths = group.paths.iter().cloned();
                links.paths.extend(paths.map(|path| (path, number)));
                links.groups.push(group.paths);
            }
        }
        Ok(links)
    }

    /// Which files are to be watched themselves.
    pub fn linked(&self) -> &Arc<Linked> {
        &self.linked
    }

    /// The other names of the files in a region, as regions.
    pub fn beside(&self, region: &Region) -> Vec<Region> {
        let from = Bound::Included(region.path.as_slice());
        let mut numbers: Vec<usize> = self
            .paths
            .range::<[u8], _>((from, Bound::Unbounded))
            // What lies below a path has it as its beginning, though not all that has lies below.
            .take_while(|(path, _)| path.starts_with(&region.path))
            .filter(|(path, _)| region.covers(path))
            .map(|(_, number)| *number)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let names = numbers.into_iter().flat_map(|number| &self.groups[number]);
        names
            .filter(|path| !region.covers(path))
            .map(|path| Region {
                path: path.to_vec(),
                below: true,
            })
            .collect()
    }
}

/// Paths that may be names of one file.
#[derive(Debug, Default)]
struct Group {
    paths: Vec<Box<[u8]>>,
    /// Whether one of them is recorded to be a name among several.
    known: bool,
}

/// What names of one file have in common, whatever else is recorded of each.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Contents(Digest),
    /// Where contents are not recorded.
    Else(String),
}

fn key(attributes: &Attributes) -> Option<Key> {
    // One whose number of names is not recorded may have several.
    let several = attributes.kind == FileType::File && attributes.nlink.is_none_or(|n| n > 1);
    match &attributes.digest {
        _ if !several => None,
        Some(digest) => Some(Key::Contents(*digest)),
        None => (attributes.nlink.is_some()).then(|| Key::Else(format!("{attributes:?}"))),
    }
}
