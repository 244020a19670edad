//! Which signed packages have a path, or something in a directory: asked of every path that deviates, whatever their number.

use agent_core::paths::split;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// By keyed hashes, of two paths that nobody can make collide: 16 bytes a path. Directories that were merged into `usr` are
/// one with it.
#[derive(Debug)]
pub(crate) struct Index<T> {
    keys: RandomState,
    packages: Vec<T>,
    files: Vec<(u64, u32)>,
    directories: Vec<(u64, u32)>,
}

impl<T> Default for Index<T> {
    fn default() -> Index<T> {
        Index {
            keys: RandomState::new(),
            packages: Vec::new(),
            files: Vec::new(),
            directories: Vec::new(),
        }
    }
}

impl<T> Index<T> {
    /// Adds packages with the names of their files, relative to the root.
    pub(crate) fn add<'a, N>(&mut self, packages: impl Iterator<Item = (T, N)>)
    where
        N: Iterator<Item = &'a [u8]>,
    {
        let mut within = HashSet::new();
        for (package, names) in packages {
            let number = u32::try_from(self.packages.len()).unwrap_or(u32::MAX);
            within.clear();
            for name in names {
                self.files.push((self.keys.hash_one(name), number));
                within.insert(self.keys.hash_one(merged(split(name).0)));
            }
            let within = within.iter().map(|directory| (*directory, number));
            self.directories.extend(within);
            self.packages.push(package);
        }
        for table in [&mut self.files, &mut self.directories] {
            // What was there is in order: a stable sort makes use of that.
            table.sort();
        }
    }

    /// Those that have a file of that name.
    pub(crate) fn shipping(&self, name: &[u8]) -> impl Iterator<Item = &T> {
        self.of(&self.files, self.keys.hash_one(name))
    }

    /// Those that have a file in the directory.
    pub(crate) fn within(&self, directory: &[u8]) -> impl Iterator<Item = &T> {
        self.of(&self.directories, self.keys.hash_one(merged(directory)))
    }

    fn of<'a>(&'a self, table: &'a [(u64, u32)], hash: u64) -> impl Iterator<Item = &'a T> {
        let first = table.partition_point(|(other, _)| *other < hash);
        table
            .iter()
            .skip(first)
            .take_while(move |(other, _)| *other == hash)
            .filter_map(|(_, number)| self.packages.get(*number as usize))
    }
}

/// The directory without the `usr` into which `bin` and its like were merged.
fn merged(directory: &[u8]) -> &[u8] {
    directory.strip_prefix(b"usr/").unwrap_or(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_by_files_and_by_directories_merged_or_not() {
        let packages = [
            ("a", vec![&b"usr/bin/a"[..], b"usr/bin/b", b"etc/a"]),
            ("b", vec![b"bin/b", b"usr/bin/a"]),
        ];
        let packages = packages.map(|(name, files)| (name, files.into_iter()));
        let mut index = Index::default();
        // One after the other, as they come.
        for package in packages {
            index.add([package].into_iter());
        }
        let shipping = |name: &[u8]| index.shipping(name).copied().collect::<Vec<_>>();
        assert_eq!(shipping(b"usr/bin/a"), ["a", "b"]);
        assert_eq!(shipping(b"usr/bin/b"), ["a"]);
        assert_eq!(shipping(b"bin/b"), ["b"]);
        assert_eq!(shipping(b"bin/a"), [""; 0]);
        let within = |directory: &[u8]| index.within(directory).copied().collect::<Vec<_>>();
        assert_eq!(within(b"usr/bin"), ["a", "b"], "each once");
        assert_eq!(within(b"bin"), ["a", "b"]);
        assert_eq!(within(b"etc"), ["a"]);
        assert_eq!(within(b""), [""; 0]);
    }
}
