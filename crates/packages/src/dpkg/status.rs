//! `/var/lib/dpkg/status` and its journal `updates/`: which packages are there, and their conffiles (deb822(5)).

use super::{md5sums, paths};
use crate::database::Damages;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::error::{Error, Result};
use std::collections::HashMap;

/// The third word of a package's `Status` (dpkg(1), "Package states").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    NotInstalled,
    /// Removed; its conffiles are left.
    ConfigFiles,
    HalfInstalled,
    /// Its files are in place; its conffiles may still be the ones of the version before.
    Unpacked,
    HalfConfigured,
    /// Installed, or that and waiting for triggers, which run programs but place no files of the package.
    Installed,
}

impl State {
    pub(super) fn from_name(name: &[u8]) -> Option<State> {
        Some(match name {
            b"not-installed" => State::NotInstalled,
            b"config-files" => State::ConfigFiles,
            b"half-installed" | b"removal-failed" => State::HalfInstalled,
            b"unpacked" => State::Unpacked,
            b"half-configured" | b"postinst-failed" => State::HalfConfigured,
            b"triggers-awaited" | b"triggers-pending" | b"installed" => State::Installed,
            _ => return None,
        })
    }
}

/// One package, of one architecture.
#[derive(Debug)]
pub(super) struct Package<'a> {
    pub(super) name: &'a str,
    pub(super) arch: &'a str,
    /// As it is written, epoch included; empty where there is none.
    pub(super) version: &'a str,
    pub(super) state: State,
    pub(super) conffiles: Vec<Conffile<'a>>,
}

/// One line of a package's `Conffiles`.
#[derive(Debug)]
pub(super) struct Conffile<'a> {
    /// Relative to the root.
    pub(super) path: &'a [u8],
    /// What the package shipped; `None` before it is configured.
    pub(super) md5: Option<[u8; 16]>,
    /// The package no longer ships it, or shipped it last to have it removed: it may be there or not.
    pub(super) obsolete: bool,
}

/// All packages of a status file, changed by its journal.
#[derive(Default)]
pub(super) struct Status<'a> {
    pub(super) packages: Vec<Package<'a>>,
    index: HashMap<(&'a str, &'a str), usize>,
    conffiles: usize,
}

impl<'a> Status<'a> {
    /// Takes in the packages of `text`, which is called `file`. What is known of a package is replaced.
    pub(super) fn add(&mut self, text: &'a [u8], file: &str, damages: &mut Damages) -> Result<()> {
        let mut stanza = Stanza::default();
        for (line, number) in super::lines(text).zip(1..) {
            let line = line.text;
            if line.is_empty() {
                self.finish(std::mem::take(&mut stanza), file, damages)?;
                continue;
            }
            if line.starts_with(b"#") {
                continue;
            }
            if stanza.line == 0 {
                stanza.line = number;
            }
            if let Err(reason) = stanza.line(line) {
                stanza.broken |= stanza.field != Field::Conffiles;
                damages.line(file, number, reason);
            }
            if self.conffiles.saturating_add(stanza.conffiles.len()) > bounds::CONFFILES {
                return Err(too_many(file, bounds::CONFFILES, "conffiles"));
            }
        }
        self.finish(stanza, file, damages)
    }

    fn finish(&mut self, stanza: Stanza<'a>, file: &str, damages: &mut Damages) -> Result<()> {
        if stanza.line == 0 {
            return Ok(());
        }
        if stanza.name.is_empty() || stanza.broken {
            if !stanza.broken {
                damages.line(file, stanza.line, "a package without a name");
            }
            return Ok(());
        }
        let package = Package {
            name: stanza.name,
            arch: stanza.arch,
            version: stanza.version,
            state: stanza.state.unwrap_or(State::NotInstalled),
            conffiles: stanza.conffiles,
        };
        self.conffiles = self.conffiles.saturating_add(package.conffiles.len());
        let key = (package.name, package.arch);
        let known = self.index.get(&key);
        match known.and_then(|known| self.packages.get_mut(*known)) {
            Some(known) => *known = package,
            None => {
                self.index.insert(key, self.packages.len());
                self.packages.push(package);
            }
        }
        if self.packages.len() > bounds::PACKAGES {
            return Err(too_many(file, bounds::PACKAGES, "packages"));
        }
        Ok(())
    }
}

fn too_many(file: &str, limit: usize, what: &str) -> Error {
    Error::in_file(file, format!("more than {limit} {what}"))
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Field {
    Conffiles,
    #[default]
    Other,
}

/// The fields of one package as far as they have been read.
#[derive(Default)]
struct Stanza<'a> {
    /// Where it starts; 0 before that.
    line: u64,
    name: &'a str,
    arch: &'a str,
    version: &'a str,
    state: Option<State>,
    conffiles: Vec<Conffile<'a>>,
    field: Field,
    /// A line without which the package cannot be understood.
    broken: bool,
}

impl<'a> Stanza<'a> {
    fn line(&mut self, line: &'a [u8]) -> std::result::Result<(), &'static str> {
        if matches!(line, [b' ' | b'\t', ..]) {
            if self.field == Field::Conffiles {
                let conffile = Conffile::parse(line).ok_or("not a conffile: path and digest")?;
                self.conffiles.push(conffile);
            }
            return Ok(());
        }
        self.field = Field::Other;
        let (name, rest) =
            bytes::split_once(line, b':').ok_or("neither a field nor the rest of one")?;
        let value = rest.trim_ascii();
        if name.eq_ignore_ascii_case(b"Package") {
            self.name = word(value).ok_or("not the name of a package")?;
        } else if name.eq_ignore_ascii_case(b"Architecture") {
            self.arch = word(value).ok_or("not the name of an architecture")?;
        } else if name.eq_ignore_ascii_case(b"Version") {
            // What is no version at all is left out: files can be judged without.
            self.version = std::str::from_utf8(value).unwrap_or_default();
        } else if name.eq_ignore_ascii_case(b"Status") {
            let mut words = value
                .split(u8::is_ascii_whitespace)
                .filter(|w| !w.is_empty());
            let state = words.nth(2).and_then(State::from_name);
            self.state = Some(state.ok_or("not the status of a package")?);
        } else if name.eq_ignore_ascii_case(b"Conffiles") {
            self.field = Field::Conffiles;
            if !value.is_empty() {
                let conffile = Conffile::parse(rest);
                self.conffiles
                    .push(conffile.ok_or("not a conffile: path and digest")?);
            }
        }
        Ok(())
    }
}

/// A name as packages and architectures have: it becomes part of a file's name, and of reports.
pub(super) fn word(value: &[u8]) -> Option<&str> {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"+-._~".contains(b);
    let sound = value.first().is_some_and(u8::is_ascii_alphanumeric) && value.iter().all(fits);
    sound.then(|| std::str::from_utf8(value).ok()).flatten()
}

impl<'a> Conffile<'a> {
    /// ` PATH MD5`, then perhaps ` obsolete`, then perhaps ` remove-on-upgrade`. Paths may hold spaces.
    fn parse(line: &'a [u8]) -> Option<Conffile<'a>> {
        let (mut rest, mut word) = last_word(line.strip_prefix(b" ")?)?;
        let mut obsolete = false;
        for flag in [&b"remove-on-upgrade"[..], b"obsolete"] {
            if word == flag {
                obsolete = true;
                (rest, word) = last_word(rest)?;
            }
        }
        let md5 = match word {
            // Not yet configured; a conffile that could not be read; one that was not there.
            b"newconffile" | b"-" | b"nonexistent" => None,
            hex => Some(md5sums::digest(hex)?),
        };
        Some(Conffile {
            path: paths::plain(rest)?,
            md5,
            obsolete,
        })
    }
}

fn last_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes::rsplit_once(text, b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "d41d8cd98f00b204e9800998ecf8427e";

    /// The error of a status file, if it is one.
    fn refused(text: &str) -> Option<String> {
        let mut damages = Damages::default();
        let added = Status::default().add(text.as_bytes(), "/status", &mut damages);
        added.err().map(|error| error.message)
    }

    #[test]
    fn more_packages_than_any_distribution_has_are_an_error() {
        let of = |count: usize| {
            let text: String = (0..count)
                .map(|n| format!("Package: p{n}\nStatus: install ok installed\nVersion: 1\n\n"))
                .collect();
            refused(&text)
        };
        assert_eq!(of(bounds::PACKAGES), None);
        assert_eq!(
            of(bounds::PACKAGES + 1),
            Some(format!("more than {} packages", bounds::PACKAGES))
        );
    }

    #[test]
    fn more_conffiles_than_any_distribution_has_are_an_error() {
        let of = |count: usize| {
            let lines = format!(" /a {HEX}\n").repeat(count);
            refused(&format!(
                "Package: p\nStatus: install ok installed\nVersion: 1\nConffiles:\n{lines}\n"
            ))
        };
        assert_eq!(of(bounds::CONFFILES), None);
        assert_eq!(
            of(bounds::CONFFILES + 1),
            Some(format!("more than {} conffiles", bounds::CONFFILES))
        );
    }

    fn parse(text: &str) -> (Vec<String>, Damages) {
        let mut damages = Damages::default();
        let mut status = Status::default();
        status
            .add(text.as_bytes(), "/status", &mut damages)
            .expect("few packages");
        let seen = status.packages.iter().map(|package| {
            let Package {
                name,
                arch,
                state,
                conffiles,
                ..
            } = package;
            format!("{name}:{arch} {state:?} {}", conffiles.len())
        });
        (seen.collect(), damages)
    }

    #[test]
    fn stanzas_become_packages() {
        let (packages, damages) = parse(&format!(
            "Package: a\nStatus: install ok installed\nArchitecture: amd64\nConffiles:\n /etc/a {HEX}\n \
             /etc/b {HEX} obsolete\nDescription: text\n Conffiles: none\n .\n /etc/no {HEX}\n\n\n\n\
             package: b\nSTATUS: deinstall ok config-files\narchitecture:all\n\
             \nPackage: c\nArchitecture: i386\nStatus: hold reinstreq half-installed"
        ));
        assert_eq!(
            packages,
            [
                "a:amd64 Installed 2",
                "b:all ConfigFiles 0",
                "c:i386 HalfInstalled 0"
            ]
        );
        assert!(damages.0.is_empty());
    }

    #[test]
    fn a_package_without_status_is_not_installed_and_a_later_word_replaces() {
        let (packages, _) = parse(
            "Package: a\nArchitecture: amd64\n\nPackage: a\nArchitecture: i386\n\n\
             Package: a\nArchitecture: amd64\nStatus: install ok triggers-pending\n",
        );
        assert_eq!(packages, ["a:amd64 Installed 0", "a:i386 NotInstalled 0"]);
    }

    #[test]
    fn conffiles_in_every_state() {
        let md5 = |line: &str| {
            let line = line.replace("HEX", HEX);
            Conffile::parse(line.as_bytes()).map(|conffile| {
                let path = String::from_utf8_lossy(conffile.path).into_owned();
                (path, conffile.md5.is_some(), conffile.obsolete)
            })
        };
        for (line, path, digest, obsolete) in [
            (" /etc/x HEX", "etc/x", true, false),
            (" /etc/x y HEX obsolete", "etc/x y", true, true),
            (" /etc/x HEX remove-on-upgrade", "etc/x", true, true),
            (
                " /etc/x HEX obsolete remove-on-upgrade",
                "etc/x",
                true,
                true,
            ),
            (" /etc/x newconffile", "etc/x", false, false),
            (
                " /etc/x newconffile remove-on-upgrade",
                "etc/x",
                false,
                true,
            ),
            (" /etc/x -", "etc/x", false, false),
            (" /etc/obsolete HEX", "etc/obsolete", true, false),
        ] {
            assert_eq!(
                md5(line),
                Some((path.to_owned(), digest, obsolete)),
                "{line}"
            );
        }
        for line in [
            "/etc/x HEX",
            "\t/etc/x HEX",
            " /etc/x",
            " HEX",
            " / HEX",
            " /../x HEX",
            " /x 0",
            " ",
            " a\0 HEX",
        ] {
            assert_eq!(md5(line), None, "{line:?}");
        }
    }

    #[test]
    fn damage_is_named_by_line_and_costs_what_it_touches() {
        let (packages, damages) = parse(&format!(
            "Package: a\nStatus: install ok installed\nConffiles:\n /etc/a {HEX}\n /etc/b zz\n\n\
             Package: ../b\nStatus: install ok installed\n\n\
             Package: c\nStatus: install ok unheard-of\n\n\
             nonsense\n\nVersion: 1\n\nPackage: z\nStatus: install ok installed\n"
        ));
        assert_eq!(packages, ["a: Installed 1", "z: Installed 0"]);
        let [damaged] = &damages.0[..] else {
            panic!("{:?}", damages.0)
        };
        assert_eq!((damaged.line, damaged.lines), (Some(5), 5));
    }
}
