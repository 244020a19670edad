//! What a Debian host has as evidence on a path: the installed database, and the packages in apt's cache that a signed
//! list has.

use super::apt::{self, Lookup};
use super::deb::{self, Part, Parts, Sums};
use super::kept::{Facts, Store};
use super::keyrings;
use super::tar::{self, Listing};
use crate::change::Shipped;
use crate::openpgp::Keyring;
use crate::recorded::Recorded;
use crate::settings::Settings;
use agent_core::attributes::{Digest, FileType};
use agent_core::bounds;
use agent_core::os::node::{self, Id};
use agent_core::os::root::Root;
use agent_packages::Package;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Seek};

/// Where apt puts the packages that it fetched.
pub(crate) const ARCHIVES: &str = "var/cache/apt/archives";

/// The packages that lie in apt's cache and stand in a signed list.
#[derive(Debug, Default)]
pub(crate) struct Debs {
    known: HashMap<(String, String, String), SignedDeb>,
    /// The files that lay in the cache the last time.
    seen: HashSet<(Id, u64, [i64; 2], [u32; 2])>,
    /// Where it is kept beyond this run; `None`: nowhere.
    store: Option<Store>,
    /// What lay there and could not be believed, or why nothing could.
    refused: Vec<String>,
}

/// One of them.
#[derive(Debug)]
struct SignedDeb {
    /// Relative to the root.
    path: String,
    /// Held, so that its data archive can still be read when apt has removed it.
    file: Option<File>,
    sha256: [u8; 32],
    sums: Sums,
    /// Of its data archive; why it cannot be read.
    files: Option<Result<Listing, String>>,
}

impl Debs {
    /// What an earlier run has kept, and will be kept from now on.
    pub(crate) fn kept(store: Store) -> Debs {
        let facts = store.load().into_iter();
        let known = facts.map(|facts| {
            let deb = SignedDeb {
                path: String::new(),
                file: None,
                sha256: facts.sha256,
                sums: facts.sums,
                files: facts.files.map(Ok),
            };
            (key(&facts.package), deb)
        });
        Debs {
            known: known.collect(),
            store: Some(store),
            ..Debs::default()
        }
    }

    /// Reads what has come into the cache since the last time, and looks it up in the lists as they are now. What was
    /// taken in before stays: apt removes a package at the end of the run that brought it, and later lists may no longer
    /// have it.
    pub(crate) fn refresh(&mut self, root: &Root, recorded: &Recorded, settings: &Settings) {
        self.refused.clear();
        let names = match root.list(ARCHIVES.as_bytes()) {
            Ok(names) => names.unwrap_or_default(),
            Err(error) => {
                self.refused.push(format!("/{ARCHIVES}: {error}"));
                return;
            }
        };
        let packages = names.iter().filter(|(name, _)| name.ends_with(b".deb"));
        let mut came = Vec::new();
        let mut there = HashSet::new();
        for (name, _) in packages.take(bounds::DEBS) {
            let path = format!("{ARCHIVES}/{}", String::from_utf8_lossy(name));
            let Some(file) = root.open_file(path.as_bytes()).ok().flatten() else {
                continue;
            };
            let Ok(stat) = node::stat(&file) else {
                continue;
            };
            let seconds = [stat.mtime.seconds, stat.ctime.seconds];
            let nanoseconds = [stat.mtime.nanoseconds, stat.ctime.nanoseconds];
            let stamp = (stat.id, stat.size, seconds, nanoseconds);
            if !self.seen.contains(&stamp) {
                came.push((path, file));
            }
            there.insert(stamp);
        }
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
        self.take(root, &keys, came);
        self.seen = there;
    }

    fn take(&mut self, root: &Root, keys: &Keyring, came: Vec<(String, File)>) {
        let mut read = Vec::new();
        let mut wanted = HashMap::new();
        for (path, file) in came {
            let Ok(contents) = deb::read(&file, Part::Sums) else {
                continue;
            };
            if let Ok(Parts::Sums(sums)) = contents.part {
                wanted.insert(contents.sha256, contents.size);
                read.push((path, file, contents.sha256, sums));
            }
        }
        let Lookup { found, refused } = apt::look_up(root, keys, &wanted);
        self.refused = refused;
        for (path, file, sha256, sums) in read {
            if let Some(listed) = found.get(&sha256) {
                let held = self.known.len() < bounds::DEBS_HELD;
                let deb = SignedDeb {
                    path,
                    file: held.then_some(file),
                    sha256,
                    sums,
                    files: None,
                };
                let key = key(&listed.package);
                // What was known of it, its files with it, is as good.
                self.known.entry(key.clone()).or_insert(deb);
                self.keep(&key);
            }
        }
    }

    /// Keeps what is known of a package. Where that fails it is known for as long as this run lasts.
    fn keep(&self, key: &(String, String, String)) {
        let (Some(store), Some(deb)) = (&self.store, self.known.get(key)) else {
            return;
        };
        let (name, version, arch) = key.clone();
        let facts = Facts {
            package: Package {
                name,
                version,
                arch,
            },
            sha256: deb.sha256,
            sums: deb.sums.clone(),
            files: deb
                .files
                .as_ref()
                .and_then(|files| files.as_ref().ok())
                .cloned(),
        };
        store.keep(&facts).unwrap_or_default();
    }

    /// Whether a signed list vouches for the package.
    pub(crate) fn has(&self, package: &Package) -> bool {
        self.known.contains_key(&key(package))
    }

    /// Why there is nothing signed of a package.
    pub(crate) fn missing(&self, package: &Package) -> String {
        let Package { name, version, .. } = package;
        match self.refused.first() {
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
        let md5 = names.iter().find_map(|name| deb.sums.get(&name[..]))?;
        Some(Digest::Md5(*md5))
    }

    /// What its data archive ships under one of the names; an error where that cannot be read.
    pub(crate) fn shipped(
        &mut self,
        root: &Root,
        package: &Package,
        names: &[Vec<u8>],
    ) -> Result<Option<Shipped>, String> {
        let key = key(package);
        let Some(deb) = self.known.get_mut(&key) else {
            return Ok(None);
        };
        if deb.files.is_none() {
            deb.files = Some(listing(root, &deb.path, deb.file.as_ref(), deb.sha256));
            // Everything it holds is in memory now.
            deb.file = None;
            self.keep(&key);
        }
        let files = self.known.get(&key).and_then(|deb| deb.files.as_ref());
        let files = match files {
            Some(Ok(files)) => files,
            Some(Err(why)) => return Err(why.clone()),
            None => return Ok(None),
        };
        let found = names.iter().find_map(|name| files.get(&name[..]));
        Ok(found.map(shipped))
    }
}

fn key(package: &Package) -> (String, String, String) {
    let Package {
        name,
        version,
        arch,
    } = package.clone();
    (name, version, arch)
}

/// The data archive of the file, if its digest still is the one that was looked up.
fn listing(
    root: &Root,
    path: &str,
    held: Option<&File>,
    sha256: [u8; 32],
) -> Result<Listing, String> {
    let fault = |error: io::Error| format!("/{path}: {error}");
    let contents = match held {
        Some(mut file) => {
            file.rewind().map_err(fault)?;
            deb::read(file, Part::Files)
        }
        None => {
            let file = root.open_file(path.as_bytes()).map_err(fault)?;
            deb::read(file.ok_or_else(|| format!("/{path} is gone"))?, Part::Files)
        }
    };
    let contents = contents.map_err(fault)?;
    match contents.part {
        _ if contents.sha256 != sha256 => Err(format!("/{path} is another file than a moment ago")),
        Ok(Parts::Files(files)) => Ok(files),
        Ok(Parts::Sums(_)) => Err(format!("/{path} has no data archive")),
        Err(why) => Err(format!("/{path}: {why}")),
    }
}

fn shipped(entry: &tar::Shipped) -> Shipped {
    Shipped {
        kind: entry.kind,
        mode: entry.mode,
        uid: Some(entry.uid),
        gid: Some(entry.gid),
        link: entry.link.clone(),
        digest: entry.sha256.map(Digest::Sha256),
        // dpkg sets none: what a file has is a maintainer script's.
        capability: Some(None),
        names: (entry.kind == FileType::File).then_some(entry.names),
    }
}
