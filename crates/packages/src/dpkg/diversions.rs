//! `/var/lib/dpkg/diversions`: files that give way to another's (dpkg-divert(1)).

use super::paths;
use crate::database::Damages;
use std::collections::BTreeMap;

/// Where contested files lie. There are few, and every path is looked up.
#[derive(Default)]
pub(super) struct Diversions<'a>(BTreeMap<&'a [u8], Diversion<'a>>);

struct Diversion<'a> {
    to: &'a [u8],
    /// Whose file stays; `:` if the administrator diverts everybody's.
    by: &'a [u8],
}

impl<'a> Diversions<'a> {
    /// Three lines a diversion: the contested path, where it is diverted to, the package or `:`.
    ///
    /// Nothing after a malformed one is used, as it can't be told where the next begins.
    pub(super) fn parse(text: &'a [u8], file: &str, damages: &mut Damages) -> Diversions<'a> {
        let mut found = BTreeMap::new();
        let mut lines = super::lines(text).map(|line| line.text);
        let mut number: u64 = 1;
        while let Some(contested) = lines.next() {
            let (to, by) = (lines.next(), lines.next());
            let (Some(from), Some(to), Some(by)) =
                (paths::plain(contested), to.and_then(paths::plain), by)
            else {
                damages.line(
                    file,
                    number,
                    "not a diversion: three lines, two of them paths",
                );
                break;
            };
            found.insert(from, Diversion { to, by });
            number = number.saturating_add(3);
        }
        Diversions(found)
    }

    /// The paths that give way.
    pub(super) fn contested(&self) -> impl Iterator<Item = &'a [u8]> {
        self.0.keys().copied()
    }

    /// Where the file lies that `package` (without architecture) ships as `path`.
    ///
    /// Paths are compared as the database writes them, before any link is resolved: so does dpkg.
    pub(super) fn place<'p>(&self, path: &'p [u8], package: &str) -> &'p [u8]
    where
        'a: 'p,
    {
        match self.0.get(path) {
            Some(diversion) if diversion.by != package.as_bytes() => diversion.to,
            _ => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_but_the_diverting_package_gives_way() {
        let text = b"/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/sp ace\n/usr/bin/away\n:\n";
        let mut damages = Damages::default();
        let diversions = Diversions::parse(text, "/d", &mut damages);
        assert_eq!(diversions.place(b"bin/sh", "bash"), b"bin/sh.distrib");
        assert_eq!(diversions.place(b"bin/sh", "dash"), b"bin/sh");
        assert_eq!(diversions.place(b"usr/bin/sp ace", "dash"), b"usr/bin/away");
        assert_eq!(diversions.place(b"bin/other", "bash"), b"bin/other");
        assert!(damages.0.is_empty());
    }

    #[test]
    fn a_torn_or_hostile_entry_is_damage() {
        for (text, line) in [
            ("/a\n/b\n", 1),
            ("/a\n/b\n:\n/c\n", 4),
            ("/a\n/../b\n:\n", 1),
            ("/a\n/b\n:\n\n/c\n:\n", 4),
            ("/a\0\n/b\n:\n", 1),
        ] {
            let mut damages = Damages::default();
            Diversions::parse(text.as_bytes(), "/d", &mut damages);
            assert_eq!(damages.0[0].line, Some(line), "{text:?}");
        }
    }
}
