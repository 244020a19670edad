//! Recorded files with several names: what is done through one of them shows under all.

use super::plan::Region;
use crate::attributes::{Attributes, FileType};
use crate::error::Result;
use crate::manifest::read::Manifest;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

/// Which recorded paths are, or were, names of one file. A host has some hundred of them.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Each with the number of its group.
    paths: BTreeMap<Box<[u8]>, usize>,
    groups: Vec<Vec<Box<[u8]>>>,
}

impl Links {
    /// Reads the manifest once. No inode is recorded; what has several names and the same contents, size, owner, mode
    /// and times is taken for one file: at worst a path is judged that need not be.
    pub fn recorded(manifest: &Manifest) -> Result<Links> {
        let mut links = Links::default();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        for entry in manifest.entries() {
            let entry = entry?;
            let Some(key) = key(&entry.attributes) else {
                continue;
            };
            let number = *numbers.entry(key).or_insert_with(|| {
                links.groups.push(Vec::new());
                links.groups.len() - 1
            });
            let path = entry.path.into_boxed_slice();
            links.groups[number].push(path.clone());
            links.paths.insert(path, number);
        }
        Ok(links)
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

/// What names of one file have in common.
fn key(attributes: &Attributes) -> Option<String> {
    let several = attributes.kind == FileType::File && attributes.nlink.is_some_and(|n| n > 1);
    several.then(|| format!("{attributes:?}"))
}
