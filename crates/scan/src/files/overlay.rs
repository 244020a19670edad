//! What amendments say, over what the launch record says: the last one that has a path decides.

use super::join::{Expected, Source};
use super::launch::Record;
use agent_baseline::amendment::Amendment;
use agent_baseline::manifest::Role;
use agent_baseline::manifest::header::Mounted;
use agent_core::paths;

impl Record {
    /// The same with what these amendments say, the later before the earlier, and all of them before the record.
    #[must_use]
    pub fn amended<'a>(&self, amendments: impl Iterator<Item = &'a Amendment>) -> Record {
        let mut entries = self.entries.clone();
        let mut mounts = self.mounts.clone();
        for amendment in amendments {
            let lines = amendment.header.mounts.iter();
            mounts.extend(lines.filter_map(|line| Mounted::parse(line)));
            let said = amendment.entries.iter();
            entries.extend(
                said.filter(|entry| entry.role != Role::Parent)
                    .map(|entry| Expected {
                        path: entry.path.clone(),
                        attributes: (entry.role != Role::Removed).then(|| entry.attributes.clone()),
                        source: match entry.role {
                            Role::Mount => Source::Mount,
                            _ => Source::Amendment,
                        },
                    }),
            );
        }
        // Sorting keeps the order of those that speak of one path; the last of them stays.
        entries.sort_by(|a, b| paths::compare(&a.path, &b.path));
        entries.reverse();
        entries.dedup_by(|earlier, later| earlier.path == later.path);
        entries.reverse();
        Record { entries, mounts }
    }

    /// What it expects of a path.
    pub fn at(&self, path: &[u8]) -> Option<&Expected> {
        let found = self
            .entries
            .binary_search_by(|entry| paths::compare(&entry.path, path));
        self.entries.get(found.ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_baseline::amendment::header::Header;
    use agent_baseline::manifest::Entry;
    use agent_core::attributes::{Attributes, FileType};

    fn amendment(entries: &[(&str, u16)]) -> Amendment {
        let entry = |(path, mode): &(&str, u16)| Entry {
            path: path.as_bytes().to_vec(),
            attributes: Attributes {
                mode: Some(*mode),
                ..Attributes::new(FileType::File)
            },
            role: match mode {
                0 => Role::Removed,
                1 => Role::Parent,
                _ => Role::Recorded,
            },
            package: None,
        };
        Amendment {
            path: "a".into(),
            sha256: [0; 32],
            header: Header::default(),
            entries: entries.iter().map(entry).collect(),
            signer: None,
        }
    }

    #[test]
    fn the_last_that_has_a_path_decides() {
        let all = [
            amendment(&[("a", 2), ("b", 2), ("b/x", 2)]),
            amendment(&[("b", 0), ("b-", 3)]),
            amendment(&[("a", 1), ("b-", 4), ("c", 4)]),
        ];
        let record = Record::default().amended(all.iter());
        let said: Vec<(String, Option<u16>)> = record
            .entries()
            .iter()
            .map(|e| {
                let path = String::from_utf8_lossy(&e.path).into_owned();
                (path, e.attributes.as_ref().and_then(|a| a.mode))
            })
            .collect();
        let expected = [
            ("a", Some(2)),
            ("b", None),
            ("b/x", Some(2)),
            ("b-", Some(4)),
            ("c", Some(4)),
        ];
        assert_eq!(said, expected.map(|(path, mode)| (path.to_owned(), mode)));
        assert!(record.at(b"b").is_some_and(Expected::may_be_missing));
        assert!(record.at(b"d").is_none());
    }
}
