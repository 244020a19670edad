//! What a Debian host has as evidence on a path: the installed database, and the packages in apt's cache that a signed
//! list has.

use super::apt::{self, Lookup};
use super::arrived::{self, Arrived, Stamp};
use super::bound::{self, Kept};
use super::deb::{self, Part, Parts};
use super::index::Index;
use super::kept::{self, Facts, Store, Stored};
use super::keyrings;
use super::known::{Files, Key, SignedDeb, indexed, key, package_of, shipped};
use super::lists::KeptLists;
use super::recorded;
use super::tar::Listing;
use crate::change::Shipped;
use crate::openpgp::Keyring;
use crate::recorded::RecordedPackages;
use crate::settings::Settings;
use agent_core::attributes::Digest;
use agent_core::os::root::Root;
use agent_packages::Package;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where apt puts the packages that it fetched.
pub(crate) const ARCHIVES: &str = "var/cache/apt/archives";

/// Listings of data archives that are in memory at a time, where there is a store that has them: a kernel's has some megabytes.
const LISTINGS: usize = 16;

/// The packages that lie in apt's cache and stand in a signed list.
#[derive(Debug, Default)]
pub(crate) struct Debs {
    known: HashMap<Key, SignedDeb>,
    /// Of the names in their sums, by that state of `known`.
    index: Index<Key>,
    /// The files that lay in the cache the last time.
    seen: HashSet<Stamp>,
    /// Packages of which the listing is in memory, the longest known first.
    loaded: VecDeque<Key>,
    /// Where it is kept beyond this run; `None`: nowhere.
    store: Option<Store>,
    /// Where dpkg's lists are kept as they were recorded; `None`: nowhere.
    lists: Option<PathBuf>,
    /// What lay there and could not be believed, or why nothing could.
    refused: Vec<String>,
    /// What was known once and was given up, and whether that is yet to be told.
    given_up: Option<String>,
    untold: bool,
}

impl Debs {
    /// What an earlier run has kept, and will be kept from now on. `lists`: where dpkg's are kept.
    pub(crate) fn kept(store: Store, lists: &Path) -> Debs {
        let mut known = HashMap::new();
        let given_up = store.each(&mut |stored| {
            let Stored {
                facts,
                bytes,
                since,
            } = stored;
            let deb = SignedDeb {
                path: String::new(),
                file: None,
                sha256: facts.sha256,
                control: facts.control,
                files: match facts.files {
                    Some(_) => Files::Shelved,
                    None => Files::Unread,
                },
                recorded: facts.recorded,
                kept: (bytes, since),
            };
            known.insert(key(&facts.package), deb);
        });
        let mut debs = Debs {
            known,
            store: Some(store),
            lists: Some(lists.to_owned()),
            untold: given_up.is_some(),
            given_up,
            ..Debs::default()
        };
        debs.index();
        debs
    }

    /// All of it anew.
    fn index(&mut self) {
        self.index = Index::default();
        self.index.add(self.known.iter().map(indexed));
    }

    /// Reads what has come into the cache since the last time, and looks it up in the lists as they are now. What was
    /// taken in before stays: apt removes a package at the end of the run that brought it, and later lists may no longer
    /// have it.
    pub(crate) fn refresh(
        &mut self,
        root: &Root,
        recorded: &RecordedPackages,
        settings: &Settings,
    ) {
        self.refused.clear();
        let (came, there) = match arrived::look(root, &self.seen, self.held()) {
            Ok(found) => {
                self.refused.extend(found.refused);
                (found.came, found.there)
            }
            Err(error) => {
                self.refused.push(format!("/{ARCHIVES}: {error}"));
                return;
            }
        };
        if came.is_empty() {
            self.seen = there;
            return;
        }
        let keys = keyrings::load(root, recorded, settings);
        if keys.is_empty() {
            self.refused
                .push("no keyring that apt goes by is as recorded".into());
            return;
        }
        match self.take(root, &keys, came, recorded) {
            Some(new) => {
                let new = new.iter().filter_map(|key| self.known.get_key_value(key));
                self.index.add(new.map(indexed));
            }
            None => self.index(),
        }
        self.seen = there;
    }

    /// How many packages are held open.
    fn held(&self) -> usize {
        let known = self.known.values();
        known.filter(|deb| deb.file.is_some()).count()
    }

    /// Takes in what has come. Returns the packages that were not known before; nothing where one of them has replaced what
    /// was known.
    fn take(
        &mut self,
        root: &Root,
        keys: &Keyring,
        came: Vec<Arrived>,
        recorded: &RecordedPackages,
    ) -> Option<Vec<Key>> {
        let mut new = Some(Vec::new());
        let mut kept = self
            .lists
            .as_deref()
            .map_or_else(KeptLists::default, KeptLists::below);
        let mut read = Vec::new();
        let mut wanted = HashMap::new();
        for Arrived { path, file } in came {
            let contents = match &file {
                Some(file) => deb::read(file, Part::Control),
                None => match root.open_file(path.as_bytes()) {
                    Ok(Some(file)) => deb::read(file, Part::Control),
                    Ok(None) => continue,
                    Err(error) => Err(error),
                },
            };
            match contents {
                Ok(contents) => {
                    if let Ok(Parts::Control(control)) = contents.part {
                        wanted.insert(contents.sha256, contents.size);
                        read.push((path, file, contents.sha256, control));
                    }
                }
                Err(error) => self.refused.push(format!("/{path}: {error}")),
            }
        }
        let Lookup { found, refused } = apt::look_up(root, keys, &wanted);
        self.refused.extend(refused);
        for (path, file, sha256, control) in read {
            if let Some(listed) = found.get(&sha256) {
                let Package { name, arch, .. } = &listed.package;
                let lists = recorded::lists(root, recorded, &mut kept, name, arch);
                let before =
                    lists.and_then(|lists| recorded::before(lists, &listed.package, &control));
                if let (Some(before), Some(new)) = (self.remember(before), &mut new) {
                    new.push(before);
                }
                let deb = SignedDeb {
                    path,
                    file,
                    sha256,
                    control,
                    files: Files::Unread,
                    recorded: false,
                    kept: (0, SystemTime::now()),
                };
                let key = key(&listed.package);
                // What is known of its files is as good; where nothing is, as after a restart, here they are again.
                match self.known.entry(key.clone()) {
                    Entry::Vacant(place) => {
                        place.insert(deb);
                        new.iter_mut().for_each(|new| new.push(key.clone()));
                    }
                    Entry::Occupied(mut known) => {
                        let known = known.get_mut();
                        if known.recorded || matches!(known.files, Files::Unread | Files::Failed(_))
                        {
                            *known = deb;
                            new = None;
                        }
                    }
                }
                self.keep(&key);
            }
        }
        new
    }

    /// Takes in what the version before had, unless more is known of it; returns which it is, if it is new.
    fn remember(&mut self, before: Option<Facts>) -> Option<Key> {
        let facts = before?;
        let key = key(&facts.package);
        let Entry::Vacant(place) = self.known.entry(key.clone()) else {
            return None;
        };
        place.insert(SignedDeb {
            path: String::new(),
            file: None,
            sha256: facts.sha256,
            control: facts.control,
            files: Files::Unread,
            recorded: true,
            kept: (0, SystemTime::now()),
        });
        self.keep(&key);
        Some(key)
    }

    /// Gives up what is kept beyond its bounds; `installed` as [`bound::beyond`] has it.
    pub(crate) fn bound(&mut self, installed: &[Package]) {
        let Some(store) = &self.store else {
            return;
        };
        let bytes = self.known.values().map(|deb| deb.kept.0).sum();
        if bound::is_within(self.known.len(), bytes) {
            return;
        }
        let kept = self.known.iter().map(|(key, deb)| Kept {
            package: package_of(key),
            bytes: deb.kept.0,
            since: deb.kept.1,
        });
        let beyond = bound::beyond(kept.collect(), installed);
        for package in &beyond {
            if let Some(deb) = self.known.remove(&key(package)) {
                store.forget(&deb.sha256);
            }
        }
        if !beyond.is_empty() {
            self.index();
            self.given_up = Some(kept::given_up(beyond.len()));
            self.untold = true;
        }
    }

    /// What was given up, once.
    pub(crate) fn take_given_up(&mut self) -> Option<String> {
        let untold = std::mem::take(&mut self.untold);
        self.given_up.clone().filter(|_| untold)
    }

    /// Keeps what is known of a package. Where that fails it is known for as long as this run lasts.
    fn keep(&mut self, key: &Key) {
        let (Some(store), Some(deb)) = (&self.store, self.known.get_mut(key)) else {
            return;
        };
        let files = match &deb.files {
            Files::Shelved => return,
            Files::Known(files) => Some(files.clone()),
            Files::Unread | Files::Failed(_) => None,
        };
        let facts = Facts {
            package: package_of(key),
            sha256: deb.sha256,
            control: deb.control.clone(),
            files,
            recorded: deb.recorded,
        };
        let bytes = store.keep(&facts).unwrap_or_default();
        deb.kept = (bytes, SystemTime::now());
    }

    /// Names of the packages that a signed list vouches for and that ship a file under one of the names.
    pub(crate) fn shipping<'a>(&'a self, names: &'a [&[u8]]) -> impl Iterator<Item = &'a str> {
        let known = names.iter().flat_map(|name| self.index.shipping(name));
        known.map(|(name, ..)| name.as_str())
    }

    /// Packages that a signed list vouches for and that have a file in the directory.
    pub(crate) fn within(&self, directory: &[u8]) -> impl Iterator<Item = Package> {
        self.index.within(directory).map(package_of)
    }

    /// Packages whose signed script makes the link (relative to the root) with that target.
    pub(crate) fn linking(&self, path: &[u8], target: &[u8]) -> Vec<Package> {
        let makes = |deb: &SignedDeb| {
            let mut all = deb.control.alternatives.iter();
            all.any(|alternative| alternative.makes(path, target))
        };
        let known = self.known.iter().filter(|(_, deb)| makes(deb));
        known.map(|(key, _)| package_of(key)).collect()
    }

    /// Whether a signed list vouches for the package.
    pub(crate) fn has(&self, package: &Package) -> bool {
        let known = self.known.get(&key(package));
        known.is_some_and(|deb| !deb.recorded)
    }

    /// Whether the package had something there, be it a file or not; `None` where only its archive says that.
    pub(crate) fn had(&self, package: &Package, names: &[Vec<u8>]) -> Option<bool> {
        let deb = self.known.get(&key(package)).filter(|deb| deb.recorded)?;
        let sums = &deb.control.sums;
        Some(names.iter().any(|name| sums.contains_key(&name[..])))
    }

    /// What the signed package keeps with dpkg under that name: a maintainer script, its sums and their like.
    pub(crate) fn member(&self, package: &Package, name: &[u8]) -> Option<Shipped> {
        let deb = self.known.get(&key(package)).filter(|deb| !deb.recorded)?;
        deb.control.members.get(name).map(shipped)
    }

    /// Why there is nothing signed of a package.
    pub(crate) fn missing(&self, package: &Package) -> String {
        let Package { name, version, .. } = package;
        match self.refused.first().or(self.given_up.as_ref()) {
            Some(refused) => format!(
                "no signed list vouches for a .deb of {name} {version} in apt's cache ({refused})"
            ),
            None => {
                format!("no .deb of {name} {version} that a signed list has lies in apt's cache")
            }
        }
    }

    /// The digest that the signed package says of a file's contents by its md5sums.
    pub(crate) fn sum(&self, package: &Package, names: &[Vec<u8>]) -> Option<Digest> {
        let deb = self.known.get(&key(package))?;
        let md5 = names
            .iter()
            .find_map(|name| deb.control.sums.get(&name[..]))?;
        Some(Digest::Md5(*md5))
    }

    /// What its data archive ships under one of the names; an error where that cannot be read.
    pub(crate) fn shipped(
        &mut self,
        root: &Root,
        package: &Package,
        names: &[Vec<u8>],
    ) -> Result<Option<Shipped>, String> {
        let files = self.files(root, package)?;
        let found = names.iter().find_map(|name| files?.get(&name[..]));
        Ok(found.map(shipped))
    }

    /// All that its data archive ships; `None` where no signed list vouches for it.
    pub(crate) fn files(
        &mut self,
        root: &Root,
        package: &Package,
    ) -> Result<Option<&Listing>, String> {
        let key = key(package);
        let Some(deb) = self.known.get_mut(&key).filter(|deb| !deb.recorded) else {
            return Ok(None);
        };
        let before = std::mem::replace(&mut deb.files, Files::Unread);
        let (is_new, is_loaded) = match before {
            Files::Unread => (true, true),
            Files::Shelved => (false, true),
            Files::Known(_) | Files::Failed(_) => (false, false),
        };
        let shelved = match (&before, &self.store) {
            (Files::Shelved, Some(store)) => store.read(&deb.sha256),
            _ => None,
        };
        deb.files = match shelved.and_then(|facts| facts.files) {
            Some(files) => Files::Known(files),
            None if !is_loaded => before,
            None => match deb::listing(root, &deb.path, deb.file.as_ref(), deb.sha256) {
                Ok(files) => Files::Known(files),
                Err(why) => Files::Failed(why),
            },
        };
        // Everything it holds is in memory now.
        deb.file = None;
        if is_new {
            self.keep(&key);
        }
        if is_loaded {
            self.shelve(&key);
        }
        match self.known.get(&key).map(|deb| &deb.files) {
            Some(Files::Known(files)) => Ok(Some(files)),
            Some(Files::Failed(why)) => Err(why.clone()),
            Some(Files::Unread | Files::Shelved) | None => Ok(None),
        }
    }

    /// Gives the longest known listings to the store alone, now that one more is known.
    fn shelve(&mut self, loaded: &Key) {
        self.loaded.push_back(loaded.clone());
        while self.loaded.len() > LISTINGS {
            let known = self.loaded.pop_front();
            if let Some(deb) = known.and_then(|key| self.known.get_mut(&key))
                && deb.kept.0 > 0
                && matches!(deb.files, Files::Known(_))
            {
                deb.files = Files::Shelved;
            }
        }
    }
}

#[cfg(test)]
mod tests;
