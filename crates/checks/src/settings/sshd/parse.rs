//! A configuration with everything that it includes: lines with their places, under their Match blocks.

use super::criteria::{self, Connection, Criterion};
use super::history::{self, Number};
use super::include;
use super::keyword::{self, KEYWORDS, Meaning};
use super::value;
use super::words;
use crate::settings::users::Users;
use agent_core::bounds;
use agent_core::glob::Syntax;
use agent_core::os::root::Root;
use std::collections::BTreeSet;

/// `SERVCONF_MAX_DEPTH` of servconf.c.
const MAX_DEPTH: usize = 16;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// As sshd names the file, from the root of the tree.
    pub file: String,
    /// From 1; 0 for the command line.
    pub line: usize,
}

impl Place {
    /// `FILE:LINE`
    pub fn text(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        }
    }
}

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Index in [`KEYWORDS`].
    pub(super) keyword: usize,
    /// As `sshd -T` prints it; several where words add up.
    pub(super) values: Vec<String>,
    pub(super) place: Place,
    /// Index of the innermost Match block around it.
    pub(super) block: Option<usize>,
}

/// One Match block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) criteria: Vec<Criterion>,
    pub(super) place: Place,
    /// The block that the file with this one was included from.
    pub(super) parent: Option<usize>,
}

/// What the files say, before anything is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub(super) entries: Vec<Entry>,
    pub(super) blocks: Vec<Block>,
    /// The version of OpenSSH that reads it.
    pub(super) version: Number,
    /// Every file that was read, in order.
    pub files: Vec<String>,
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such main file.
    Missing,
    /// sshd would not start.
    Refused {
        /// In sshd's words where it has some.
        reason: String,
        /// Where.
        place: Place,
    },
    /// What sshd would do cannot be told.
    Unknown(String),
}

impl Config {
    /// Reads the file at `path` below the root, with what it includes, as that version of OpenSSH does;
    /// `options` are those of the command line (`-o`), which come first.
    pub fn read(
        root: &Root,
        path: &str,
        options: &[String],
        version: Number,
    ) -> Result<Config, Trouble> {
        let mut reader = Reader {
            root,
            config: Config {
                version,
                ..Config::default()
            },
            total: 0,
            subsystems: BTreeSet::new(),
            methods: false,
        };
        for option in options {
            let place = Place {
                file: format!("command line: -o {option}"),
                line: 0,
            };
            reader.line(option, place, &mut None, None, 0)?;
        }
        reader.file(path, None, 0)?;
        reader.config.consistent()?;
        Ok(reader.config)
    }

    /// Whether the block, and every block around it, applies to the connection.
    pub(super) fn applies(
        &self,
        mut block: Option<usize>,
        connection: Option<&Connection>,
        users: Option<&Users>,
    ) -> bool {
        while let Some(index) = block {
            let found = &self.blocks[index];
            if !found
                .criteria
                .iter()
                .all(|criterion| criterion.holds(connection, users))
            {
                return false;
            }
            block = found.parent;
        }
        true
    }

    /// A criterion that `sshd -T` cannot judge without being told of the connection, where there is one.
    pub fn wants_local_port(&self, connection: Option<&Connection>) -> bool {
        let given = connection.is_some_and(|connection| connection.local_port.is_some());
        !given
            && self.blocks.iter().any(|block| {
                let asked = |criterion: &Criterion| matches!(criterion, Criterion::LocalPort(_));
                block.criteria.iter().any(asked) && self.applies(block.parent, connection, None)
            })
    }

    /// The criteria of the block and of those around it, outermost first, as a person reads them.
    pub(super) fn whom(&self, block: usize) -> String {
        let mut parts = Vec::new();
        let mut next = Some(block);
        while let Some(index) = next {
            let found = &self.blocks[index];
            parts.push(
                found
                    .criteria
                    .iter()
                    .map(Criterion::text)
                    .collect::<Vec<_>>()
                    .join(" "),
            );
            next = found.parent;
        }
        parts.reverse();
        parts.join(" ")
    }

    /// Whether a connection of `user` can come under the block.
    pub(super) fn can_apply_to(&self, block: usize, user: &str, users: Option<&Users>) -> bool {
        let mut next = Some(block);
        while let Some(index) = next {
            let found = &self.blocks[index];
            if !found.criteria.iter().all(|c| c.can_hold_for(user, users)) {
                return false;
            }
            next = found.parent;
        }
        true
    }

    /// Whether a line right in the block is for the keyword.
    pub(super) fn sets(&self, block: usize, keyword: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.block == Some(block) && KEYWORDS[entry.keyword].name == keyword)
    }

    /// What sshd checks once everything is read.
    fn consistent(&self) -> Result<(), Trouble> {
        let global = super::effective::Effective::global(self);
        let refuse = |reason: String, name: &str| {
            let place = global.place(name).cloned().unwrap_or(Place {
                file: self.files.first().cloned().unwrap_or_default(),
                line: 1,
            });
            Err(Trouble::Refused { reason, place })
        };
        for kind in ["authorizedkeyscommand", "authorizedprincipalscommand"] {
            let user = format!("{kind}user");
            if global.value(kind) != "none" && global.value(&user) == "none" {
                return refuse(format!("{kind} set without {user}"), kind);
            }
        }
        let methods = global.value("authenticationmethods");
        if methods != "any" {
            let enabled = |method: &str| {
                let name = method.split(':').next().unwrap_or_default();
                let keyword = match name {
                    "publickey" => "pubkeyauthentication",
                    "password" => "passwordauthentication",
                    "keyboard-interactive" => "kbdinteractiveauthentication",
                    "hostbased" => "hostbasedauthentication",
                    "gssapi-with-mic" => "gssapiauthentication",
                    _ => "gssapikeyexchange",
                };
                global.value(keyword) == "yes"
            };
            let satisfiable = methods.split(' ').any(|list| list.split(',').all(enabled));
            if !satisfiable {
                let reason =
                    "AuthenticationMethods cannot be satisfied by enabled authentication methods";
                return refuse(reason.into(), "authenticationmethods");
            }
        }
        Ok(())
    }
}

struct Reader<'a> {
    root: &'a Root,
    config: Config,
    total: usize,
    subsystems: BTreeSet<String>,
    /// Whether AuthenticationMethods has been said for everyone.
    methods: bool,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, block: Option<usize>, depth: usize) -> Result<(), Trouble> {
        let bytes = match self.root.read(path.as_bytes(), bounds::SSHD_FILE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) if depth == 0 => return Err(Trouble::Missing),
            Ok(None) => {
                let reason = "No such file or directory".to_owned();
                let place = Place {
                    file: path.into(),
                    line: 1,
                };
                return Err(Trouble::Refused { reason, place });
            }
            // Reading a directory yields nothing.
            Err(_)
                if self
                    .root
                    .list(path.as_bytes())
                    .is_ok_and(|names| names.is_some()) =>
            {
                return Ok(());
            }
            Err(error) => return Err(Trouble::Unknown(format!("{path}: {error}"))),
        };
        self.total += bytes.len();
        if self.total > bounds::SSHD_ALL {
            return Err(Trouble::Unknown(format!(
                "{path}: the configuration with everything it includes is larger than {} bytes",
                bounds::SSHD_ALL
            )));
        }
        self.config.files.push(path.to_owned());
        let mut inside = block;
        for (number, line) in lines(&bytes).into_iter().enumerate() {
            let place = Place {
                file: path.to_owned(),
                line: number + 1,
            };
            self.line(&line, place, &mut inside, block, depth)?;
        }
        Ok(())
    }

    /// One line; `inside` is the block it stands in, `outer` the one that its file was included from.
    fn line(
        &mut self,
        line: &str,
        place: Place,
        inside: &mut Option<usize>,
        outer: Option<usize>,
        depth: usize,
    ) -> Result<(), Trouble> {
        let refuse = |reason: String| {
            Err(Trouble::Refused {
                reason,
                place: place.clone(),
            })
        };
        // Before words were split as a shell would, a comment began at any `#` of a file.
        let line = match self.config.version < history::SHELL_WORDS && place.line > 0 {
            true => line.split('#').next().unwrap_or_default(),
            false => line,
        };
        let line = line.trim_end_matches([' ', '\t', '\r', '\n', '\x0c']);
        let mut rest = Some(line.to_owned());
        let mut word = words::delimited(&mut rest);
        if word.as_deref() == Some("") {
            word = words::delimited(&mut rest);
        }
        let Some(word) = word.filter(|word| !word.is_empty() && !word.starts_with('#')) else {
            return Ok(());
        };
        let Some(text) = rest.filter(|text| !text.is_empty()) else {
            return refuse(format!("no argument after keyword \"{word}\""));
        };
        let version = self.config.version;
        let Some(meaning) = keyword::meaning(&word, version) else {
            // What is newer than what is known here may know more words.
            if version > history::NEWEST {
                let (major, minor) = history::NEWEST;
                return Err(Trouble::Unknown(format!(
                    "{}: {word} is no keyword of OpenSSH {major}.{minor}, the newest that is known here",
                    place.text()
                )));
            }
            return refuse(format!("Bad configuration option: {word}"));
        };
        let split = match version < history::SHELL_WORDS {
            true => words::split_plainly(&text, !word.eq_ignore_ascii_case("setenv")),
            false => words::split(&text),
        };
        let Some(words) = split else {
            return refuse("invalid quotes".into());
        };
        let in_match = match meaning {
            Meaning::Keyword(_, in_match) | Meaning::Ignored(in_match) => in_match,
            Meaning::Include | Meaning::Match => true,
        };
        if !in_match && !self.config.applies(*inside, None, None) {
            return refuse(format!(
                "Directive '{word}' is not allowed within a Match block"
            ));
        }
        match meaning {
            Meaning::Ignored(_) => Ok(()),
            Meaning::Match => match criteria::parse(&text, version) {
                Ok(criteria) => {
                    self.config.blocks.push(Block {
                        criteria,
                        place,
                        parent: outer,
                    });
                    *inside = Some(self.config.blocks.len() - 1);
                    Ok(())
                }
                Err(reason) => refuse(format!("Bad Match condition: {reason}")),
            },
            Meaning::Include => {
                if words.is_empty() || words.iter().any(String::is_empty) {
                    return refuse(format!("{word} missing filename argument"));
                }
                if depth >= MAX_DEPTH {
                    return refuse("Too many recursive configuration includes".into());
                }
                for pattern in &words {
                    let found = include::matches(self.root, pattern, Syntax::OpenBsd)
                        .map_err(|error| Trouble::Unknown(format!("{}: {error}", place.text())))?;
                    for path in found {
                        self.file(&path, *inside, depth + 1)?;
                    }
                }
                Ok(())
            }
            Meaning::Keyword(keyword, _) => {
                let values = match value::read(&KEYWORDS[keyword], &words, &text, version) {
                    Ok(values) => values,
                    Err(reason) => return refuse(reason),
                };
                if KEYWORDS[keyword].name == "subsystem" {
                    let name = words.first().cloned().unwrap_or_default();
                    let twice = !self.subsystems.insert(name.clone());
                    // Since 9.5 the first one stands.
                    if twice && version >= (9, 5) {
                        return Ok(());
                    }
                    if twice {
                        return refuse(format!("Subsystem '{name}' already defined"));
                    }
                }
                if KEYWORDS[keyword].name == "authenticationmethods" {
                    let for_all = self.config.applies(*inside, None, None);
                    let good = match version >= (9, 8) {
                        // Of one line alone.
                        true => words.len() == 1 || !words.iter().any(|word| word == "any"),
                        false => self.any_alone(&words, for_all),
                    };
                    if !good {
                        return refuse(format!("\"any\" must appear alone in {word}"));
                    }
                    self.methods |= for_all;
                }
                if !values.is_empty() {
                    self.config.entries.push(Entry {
                        keyword,
                        values,
                        place,
                        block: *inside,
                    });
                }
                Ok(())
            }
        }
    }
}

impl Reader<'_> {
    /// `any` may follow nothing that counts already, and nothing may follow it. A line in a Match block
    /// counts nothing yet, so that `publickey any` passes there.
    fn any_alone(&self, words: &[String], for_all: bool) -> bool {
        let Some(at) = words.iter().position(|word| word == "any") else {
            return true;
        };
        let earlier = self.methods || (for_all && at > 0);
        !earlier && words[at + 1..].iter().all(|word| word == "any" && !for_all)
    }
}

/// Lines as `getline` and `strlen` make them: what follows a NUL is lost, with the end of its line.
fn lines(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let start = line
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))
            .unwrap_or(line.len());
        let line = &line[start..];
        match line.iter().position(|byte| *byte == 0) {
            Some(end) => open.extend_from_slice(&line[..end]),
            None => {
                open.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
                found.push(String::from_utf8_lossy(&std::mem::take(&mut open)).into_owned());
            }
        }
    }
    if !open.is_empty() {
        found.push(String::from_utf8_lossy(&open).into_owned());
    }
    found
}
