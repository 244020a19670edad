//! Packages that came, went or changed between two manifests, and how many paths go with each. Pure.

use agent_baseline::manifest::header::Package;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A package that is not as it was. A version is empty where there was, or is, none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) name: String,
    pub(super) arch: String,
    pub(super) old: String,
    pub(super) new: String,
    /// Paths that go with it: added, changed, removed.
    pub(super) paths: [u64; 3],
}

/// What is known of packages.
#[derive(Clone, Debug, Default)]
pub(super) struct Packages {
    /// Those that are not as they were, by name.
    pub(super) changes: Vec<Change>,
    unknown: bool,
}

impl Packages {
    /// Between what an older and a newer manifest list.
    pub(super) fn between(old: &[Package], new: &[Package]) -> Packages {
        // Of one name there may be several, as of kernels.
        let mut versions: BTreeMap<(&str, &str), [Vec<&str>; 2]> = BTreeMap::new();
        for (at, packages) in [old, new].into_iter().enumerate() {
            for package in packages {
                let of = versions.entry((&package.name, &package.arch)).or_default();
                of[at].push(&package.version);
            }
        }
        let change = |((name, arch), [mut old, mut new]): ((&str, &str), [Vec<&str>; 2])| {
            old.sort_unstable();
            new.sort_unstable();
            (old != new).then(|| Change {
                name: name.to_owned(),
                arch: arch.to_owned(),
                old: old.join(", "),
                new: new.join(", "),
                paths: [0; 3],
            })
        };
        Packages {
            changes: versions.into_iter().filter_map(change).collect(),
            // One list alone says nothing of what changed.
            unknown: old.is_empty() || new.is_empty(),
        }
        .or_nothing()
    }

    fn or_nothing(mut self) -> Packages {
        if self.unknown {
            self.changes.clear();
        }
        self
    }

    /// Whether one of the manifests lists none.
    pub(super) fn are_unknown(&self) -> bool {
        self.unknown
    }

    /// The change that explains a path of that package (`NAME` or `NAME:ARCH`), which counts it.
    pub(super) fn explain(&mut self, package: Option<&str>, word: &str) -> Option<usize> {
        let package = package?;
        let (name, arch) = match package.split_once(':') {
            Some((name, arch)) => (name, Some(arch)),
            None => (package, None),
        };
        let is_it = |change: &Change| change.name == name && arch.is_none_or(|a| a == change.arch);
        let at = self.changes.iter().position(is_it)?;
        let of = match word {
            "added" => 0,
            "changed" => 1,
            _ => 2,
        };
        self.changes.get_mut(at)?.paths[of] += 1;
        Some(at)
    }
}

impl Change {
    /// `added`, `removed`, `changed`
    pub(super) fn word(&self) -> &'static str {
        match (self.old.is_empty(), self.new.is_empty()) {
            (true, _) => "added",
            (_, true) => "removed",
            _ => "changed",
        }
    }

    /// As `sed amd64  4.9-1 → 4.9-2: 3 changed`.
    pub(super) fn in_words(&self) -> String {
        let versions = match self.word() {
            "added" => format!("{} is new", self.new),
            "removed" => format!("{} is gone", self.old),
            _ => format!("{} → {}", self.old, self.new),
        };
        format!("{} {}  {versions}: {}", self.name, self.arch, self.counts())
    }

    /// How many paths go with it.
    pub(super) fn counts(&self) -> String {
        let words = ["added", "changed", "removed"].into_iter().zip(self.paths);
        let words = words.filter(|(_, count)| *count > 0);
        let words: Vec<String> = words
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        match words.is_empty() {
            true => "no path that is covered".into(),
            false => words.join(", "),
        }
    }

    /// Which it is.
    pub(super) fn named(&self) -> Value {
        let version = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        json!({
            "name": self.name, "arch": self.arch, "old": version(&self.old), "new": version(&self.new),
        })
    }

    /// The object of `--format json`, `"kind":"package"`.
    pub(super) fn to_json(&self) -> Value {
        let [added, changed, removed] = self.paths;
        let mut object = json!({"kind": "package", "change": self.word()});
        if let (Some(object), Value::Object(named)) = (object.as_object_mut(), self.named()) {
            object.extend(named);
        }
        object["paths"] = json!({"added": added, "changed": changed, "removed": removed});
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Package> {
        let package = |words: &str| {
            let mut words = words.split(' ').map(str::to_owned);
            let mut next = || words.next().expect("NAME VERSION ARCH");
            Package {
                name: next(),
                version: next(),
                arch: next(),
            }
        };
        text.split(';').map(package).collect()
    }

    #[test]
    fn packages_come_go_and_change() {
        let old = list(
            "sed 1 amd64;gone 1 amd64;same 1 amd64;kernel 1 x;kernel 2 x;libc6 1 amd64;libc6 1 i386",
        );
        let new = list(
            "sed 2 amd64;same 1 amd64;kernel 2 x;kernel 3 x;new 1 all;libc6 1 amd64;libc6 2 i386",
        );
        let mut packages = Packages::between(&old, &new);
        let expected: [(Option<&str>, Option<&str>); 8] = [
            (Some("sed"), Some("sed amd64  1 → 2: 1 changed")),
            (Some("gone"), Some("gone amd64  1 is gone: 1 changed")),
            (Some("same"), None),
            (Some("kernel"), Some("kernel x  1, 2 → 2, 3: 1 changed")),
            (Some("new"), Some("new all  1 is new: 1 changed")),
            (Some("libc6:amd64"), None),
            (Some("libc6:i386"), Some("libc6 i386  1 → 2: 1 changed")),
            (None, None),
        ];
        for (package, words) in expected {
            let at = packages.explain(package, "changed");
            let said = at.map(|at| packages.changes[at].in_words());
            assert_eq!(said.as_deref(), words, "{package:?}");
        }
        assert_eq!(packages.changes.len(), 5);
        assert!(
            Packages::between(&[], &new).changes.is_empty(),
            "nothing is known"
        );
    }
}
