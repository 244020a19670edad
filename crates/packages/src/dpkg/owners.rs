//! Which package has a path in its list, links and directories as well as files; and as what it shipped it.
//!
//! [`crate::Database`] holds what has a digest. Here is what explains a change: the owner, its version, and the names
//! under which its archive may have the path, before diversions and before `bin` and its like were merged into `usr`.

use super::info::Info;
use super::status::{State, Status};
use super::unpacking::{MERGED, is_merged, real};
use super::{DIVERSIONS, Diversions, md5sums, paths, read_status};
use crate::database::Damages;
use crate::installed::Package;
use agent_core::bounds;
use agent_core::error::Result;
use agent_core::os::root::Root;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// The lists of all packages, as keyed hashes: of two paths that nobody can make collide. 12 bytes a path.
#[derive(Debug, Default)]
pub struct Owners {
    packages: Vec<Package>,
    /// Numbers of the packages, in the order of their names.
    names: Vec<u32>,
    paths: Vec<(u64, u32)>,
    keys: RandomState,
    /// Number of the package, path and what it shipped it with.
    conffiles: Vec<(u32, Box<[u8]>, [u8; 16])>,
    diversions: Vec<u8>,
    merged: Vec<&'static [u8]>,
}

impl Owners {
    /// Reads the lists of the packages whose files are in place. Lists that cannot be read leave their paths without
    /// an owner, and so unexplained.
    pub fn load(root: &Root) -> Result<Owners> {
        let texts = read_status(root)?;
        let mut status = Status::default();
        for (file, text) in &texts {
            status.add(text, file, &mut Damages::default())?;
        }
        let diversions = root.read(DIVERSIONS.as_bytes(), bounds::DPKG_LIST);
        let mut owners = Owners {
            diversions: diversions.ok().flatten().unwrap_or_default(),
            merged: MERGED
                .into_iter()
                .filter(|name| is_merged(root, name))
                .collect(),
            ..Owners::default()
        };
        let mut info = Info::open(root)?;
        let diversions = std::mem::take(&mut owners.diversions);
        let table = Diversions::parse(&diversions, DIVERSIONS, &mut Damages::default());
        let mut list = Vec::new();
        for package in &status.packages {
            if matches!(package.state, State::NotInstalled | State::ConfigFiles) {
                continue;
            }
            let number = u32::try_from(owners.packages.len()).unwrap_or(u32::MAX);
            let (name, arch) = (package.name, package.arch);
            let qualified = info.read(root, &format!("{name}:{arch}.list"), &mut list);
            if !matches!(qualified, Ok(true)) {
                info.read(root, &format!("{name}.list"), &mut list)
                    .unwrap_or(false);
            }
            for path in list.split(|byte| *byte == b'\n').filter_map(paths::plain) {
                let place = real(table.place(path, name), &owners.merged);
                owners
                    .paths
                    .push((owners.keys.hash_one(&place[..]), number));
            }
            if owners.paths.len() > bounds::CLAIMS || info.read > bounds::DPKG_LISTS {
                break;
            }
            for conffile in &package.conffiles {
                if let Some(md5) = conffile.md5 {
                    owners.conffiles.push((number, conffile.path.into(), md5));
                }
            }
            owners.packages.push(Package {
                name: name.to_owned(),
                version: package.version.to_owned(),
                arch: arch.to_owned(),
            });
        }
        owners.diversions = diversions;
        owners.names = (0..u32::try_from(owners.packages.len()).unwrap_or(u32::MAX)).collect();
        let packages = &owners.packages;
        let name = |number: &u32| packages.get(*number as usize).map(|package| &package.name);
        owners.names.sort_by(|a, b| name(a).cmp(&name(b)));
        owners.paths.sort_unstable();
        owners.paths.shrink_to_fit();
        Ok(owners)
    }

    /// What is diverted counts for nothing, unless the text of it is as somebody vouches for.
    pub fn believe_diversions(&mut self, vouches: impl FnOnce(&[u8]) -> bool) {
        if !vouches(&self.diversions) {
            self.diversions.clear();
        }
    }

    /// All packages whose files are in place.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The same, of lists that nobody asks any more.
    pub fn into_packages(self) -> Vec<Package> {
        self.packages
    }

    /// Those of them that have the name, one for each architecture.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Package> {
        let package = |number: &u32| self.packages.get(*number as usize);
        let before = |number: &u32| package(number).is_some_and(|known| known.name.as_str() < name);
        let first = self.names.partition_point(before);
        let from = self.names.iter().skip(first).filter_map(package);
        from.take_while(move |known| known.name == name)
    }

    /// The packages that have the path (relative to the root, links in its directory resolved) in their lists.
    pub fn of(&self, path: &[u8]) -> impl Iterator<Item = &Package> {
        let hash = self.keys.hash_one(path);
        let first = self.paths.partition_point(|(other, _)| *other < hash);
        self.paths
            .iter()
            .skip(first)
            .take_while(move |(other, _)| *other == hash)
            .filter_map(|(_, number)| self.packages.get(*number as usize))
    }

    /// What the installed database says of the contents of the package's files: its md5sums and conffiles, by the path
    /// in its archive. Root can write both. Empty where they cannot be read.
    pub fn sums(&self, root: &Root, package: &Package) -> HashMap<Box<[u8]>, [u8; 16]> {
        let mut found = HashMap::new();
        let Ok(mut info) = Info::open(root) else {
            return found;
        };
        let (name, arch) = (&package.name, &package.arch);
        let mut text = Vec::new();
        let qualified = info.read(root, &format!("{name}:{arch}.md5sums"), &mut text);
        if !matches!(qualified, Ok(true)) {
            info.read(root, &format!("{name}.md5sums"), &mut text)
                .unwrap_or(false);
        }
        for line in text.split(|byte| *byte == b'\n') {
            if let Some((md5, path)) = md5sums::parse_line(line) {
                found.insert(path.into_owned().into_boxed_slice(), md5);
            }
        }
        let number = self.packages.iter().position(|known| known == package);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let own = self.conffiles.iter().filter(|(of, ..)| Some(*of) == number);
        found.extend(own.map(|(_, path, md5)| (path.clone(), *md5)));
        found
    }

    /// The names under which the package's archive may have what lies at the path.
    pub fn shipped_as(&self, path: &[u8], package: &Package) -> Vec<Vec<u8>> {
        let table = Diversions::parse(&self.diversions, DIVERSIONS, &mut Damages::default());
        let mut names = vec![path.to_vec()];
        names.extend(path.strip_prefix(b"usr/").map(<[u8]>::to_vec));
        names.extend(table.contested().map(<[u8]>::to_vec));
        let place = |name: &[u8]| real(table.place(name, &package.name), &self.merged);
        names.retain(|name| place(name) == path);
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Tree;
    use super::*;

    #[test]
    fn owners_and_the_names_in_their_archives() {
        let tree = Tree::new();
        tree.dir("usr/bin");
        tree.link("bin", "usr/bin");
        tree.write(
            "var/lib/dpkg/status",
            "Package: dash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
             Package: mksh\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n\n\
             Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 3\n",
        );
        tree.write(
            "var/lib/dpkg/diversions",
            "/bin/sh\n/bin/sh.distrib\nmksh\n",
        );
        tree.write(
            "var/lib/dpkg/info/dash.list",
            "/.\n/bin\n/bin/sh\n/bin/dash\n",
        );
        tree.write("var/lib/dpkg/info/mksh.list", "/.\n/bin/sh\n");
        tree.write("var/lib/dpkg/info/gone.list", "/usr/bin/gone\n");
        let owners = Owners::load(&tree.root()).expect("sound");
        let of = |path: &str| -> Vec<(String, Vec<String>)> {
            owners
                .of(path.as_bytes())
                .map(|package| {
                    let names = owners.shipped_as(path.as_bytes(), package);
                    let names = names
                        .iter()
                        .map(|name| String::from_utf8_lossy(name).into_owned());
                    (package.name.clone(), names.collect())
                })
                .collect()
        };
        let one = |name: &str, names: &[&str]| {
            vec![(
                name.to_owned(),
                names.iter().map(|n| (*n).to_owned()).collect(),
            )]
        };
        assert_eq!(
            of("usr/bin/dash"),
            one("dash", &["usr/bin/dash", "bin/dash"])
        );
        assert_eq!(
            of("usr/bin/sh.distrib"),
            one("dash", &["usr/bin/sh.distrib", "bin/sh.distrib", "bin/sh"])
        );
        assert_eq!(of("usr/bin/sh"), one("mksh", &["usr/bin/sh", "bin/sh"]));
        assert_eq!(of("usr/bin/gone"), []);
        assert_eq!(owners.packages().len(), 2);
        let named = |name: &str| {
            owners
                .named(name)
                .map(|p| &p.version[..])
                .collect::<Vec<_>>()
        };
        assert_eq!((named("mksh"), named("dash")), (vec!["2"], vec!["1"]));
        assert_eq!((named("a"), named("zsh")), (vec![], vec![]));
    }
}
