//! Files to lines, lines to directives: what sshd does while it reads.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::build::Build;
use super::config::{Block, Config, Directive, Location, NotUnderstood, Rejection};
use super::criteria::{self, Criterion};
use super::history;
use super::include;
use super::keyword::KEYWORDS;
use super::meaning::{Meaning, meaning};
use super::value::{self, Earlier, Line};
use super::words;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::glob::Syntax;
use agent_core::os::root::Root;
use std::collections::BTreeSet;

/// `SERVCONF_MAX_DEPTH` of servconf.c.
// Own bound: sshd's.
const MAX_DEPTH: usize = 16;

/// Reads a main file and what it includes, in the order in which sshd does.
pub(super) struct ConfigReader<'a> {
    root: &'a Root,
    config: Config,
    total: usize,
    words: usize,
    subsystems: BTreeSet<String>,
    /// Whether AuthenticationMethods has been said for everyone.
    methods: bool,
    earlier: Earlier,
}

/// Where a line stands.
#[derive(Clone)]
struct LineContext {
    location: Location,
    /// The block that it stands in.
    inside: Option<usize>,
    /// The block that its file was included from.
    outer: Option<usize>,
    /// How many files include this one.
    depth: usize,
}

impl LineContext {
    fn refused(&self, reason: impl Into<String>) -> Rejection {
        Rejection::Refused {
            reason: reason.into(),
            location: self.location.clone(),
        }
    }
}

/// A line cut into its keyword, its words, and the text these were split from.
struct Parts {
    keyword: String,
    words: Vec<String>,
    text: String,
}

impl<'a> ConfigReader<'a> {
    /// Has read nothing yet.
    pub(super) fn new(root: &'a Root, build: Build) -> ConfigReader<'a> {
        ConfigReader {
            root,
            config: Config {
                build,
                ..Config::default()
            },
            total: 0,
            words: 0,
            subsystems: BTreeSet::new(),
            methods: false,
            earlier: Earlier::default(),
        }
    }

    /// Reads options of the command line, then the file.
    pub(super) fn read(mut self, path: &str, options: &[String]) -> Result<Config, Rejection> {
        for option in options {
            let location = Location {
                file: format!("command line: -o {option}"),
                line: 0,
            };
            let mut context = LineContext {
                location,
                inside: None,
                outer: None,
                depth: 0,
            };
            self.line(option, &mut context)?;
        }
        self.file(path, None, 0)?;
        Ok(self.config)
    }

    fn file(&mut self, path: &str, block: Option<usize>, depth: usize) -> Result<(), Rejection> {
        let bytes = match self.root.read(path.as_bytes(), bounds::SSHD_FILE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) if depth == 0 => return Err(Rejection::Missing),
            Ok(None) => {
                let location = Location {
                    file: path.into(),
                    line: 1,
                };
                let reason = "No such file or directory".to_owned();
                return Err(Rejection::Refused { reason, location });
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
            Err(error) => return Err(Rejection::Unknown(format!("{path}: {error}"))),
        };
        self.total = self.total.saturating_add(bytes.len());
        if self.total > bounds::SSHD_ALL {
            return Err(Rejection::Unknown(format!(
                "{path}: the configuration with everything it includes has more than {} bytes",
                bounds::SSHD_ALL
            )));
        }
        self.config.files.push(path.to_owned());
        let mut context = LineContext {
            location: Location {
                file: path.to_owned(),
                line: 0,
            },
            inside: block,
            outer: block,
            depth,
        };
        for line in lines(&bytes) {
            context.location.line = context.location.line.saturating_add(1);
            self.line(&line, &mut context)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str, context: &mut LineContext) -> Result<(), Rejection> {
        let build = self.config.build;
        // Each word is held with its line: little text may be very many words.
        let words = line.split_ascii_whitespace();
        let words = words.take(bounds::SSHD_WORDS + 1).count();
        self.words = self.words.saturating_add(words);
        if self.words > bounds::SSHD_WORDS {
            return Err(Rejection::Unknown(format!(
                "{}: the configuration with everything it includes has more than {} words",
                context.location.file,
                bounds::SSHD_WORDS
            )));
        }
        let Some(parts) = parts(line, build, context)? else {
            return Ok(());
        };
        let word = &parts.keyword;
        let Some(found) = meaning(word, build) else {
            let reason = format!("Bad configuration option: {word}");
            return self.perhaps_newer(None, reason, context);
        };
        let in_match = match found {
            Meaning::Keyword(_, in_match) | Meaning::Ignored(in_match) => in_match,
            Meaning::Include | Meaning::Match => true,
        };
        if !in_match && !self.config.for_everyone(context.inside) {
            let reason = format!("Directive '{word}' is not allowed within a Match block");
            let keyword = match found {
                Meaning::Keyword(keyword, _) => Some(keyword),
                _ => None,
            };
            return self.perhaps_newer(keyword, reason, context);
        }
        match found {
            Meaning::Ignored(_) => Ok(()),
            Meaning::Match => self.match_line(&parts, context),
            Meaning::Include => self.include(&parts, context),
            Meaning::Keyword(keyword, _) => self.directive(keyword, &parts, context),
        }
    }

    /// Refuses the line, unless the program is newer than what is known here: then it may well take it.
    fn perhaps_newer(
        &mut self,
        keyword: Option<usize>,
        reason: String,
        context: &LineContext,
    ) -> Result<(), Rejection> {
        if !self.config.build.newer {
            return Err(context.refused(reason));
        }
        self.config.not_understood.push(NotUnderstood {
            keyword,
            reason,
            location: context.location.clone(),
        });
        Ok(())
    }

    fn match_line(&mut self, parts: &Parts, context: &mut LineContext) -> Result<(), Rejection> {
        let criteria = match criteria::parse(&parts.text, self.config.build.number) {
            Ok(criteria) => criteria,
            Err(reason) => {
                let reason = format!("Bad Match condition: {reason}");
                self.perhaps_newer(None, reason, context)?;
                vec![Criterion::NotUnderstood(parts.text.clone())]
            }
        };
        context.inside = Some(self.config.blocks.len());
        self.config.blocks.push(Block {
            criteria,
            location: context.location.clone(),
            parent: context.outer,
        });
        self.config.of_block.push(Vec::new());
        Ok(())
    }

    fn include(&mut self, parts: &Parts, context: &LineContext) -> Result<(), Rejection> {
        if parts.words.is_empty() || parts.words.iter().any(String::is_empty) {
            let word = &parts.keyword;
            return Err(context.refused(format!("{word} missing filename argument")));
        }
        if context.depth >= MAX_DEPTH {
            return Err(context.refused("Too many recursive configuration includes"));
        }
        for pattern in &parts.words {
            self.config.directories.insert(include::directory(pattern));
            let found = include::matches(self.root, pattern, Syntax::OpenBsd).map_err(|error| {
                Rejection::Unknown(format!("{}: {error}", context.location.text()))
            })?;
            for path in found {
                self.file(&path, context.inside, context.depth.saturating_add(1))?;
            }
        }
        Ok(())
    }

    fn directive(
        &mut self,
        keyword: usize,
        parts: &Parts,
        context: &LineContext,
    ) -> Result<(), Rejection> {
        let line = Line {
            keyword: &KEYWORDS[keyword],
            words: &parts.words,
            rest: &parts.text,
            build: self.config.build,
        };
        let values = match value::read(&line, &mut self.earlier) {
            Ok(values) => values,
            Err(reason) => return self.perhaps_newer(Some(keyword), reason, context),
        };
        match KEYWORDS[keyword].name {
            "subsystem" if !self.takes_subsystem(parts, context)? => return Ok(()),
            "authenticationmethods" => self.takes_methods(parts, context)?,
            _ => {}
        }
        if values.is_empty() {
            return Ok(());
        }
        if let Some(block) = context.inside {
            self.config.of_block[block].push(self.config.directives.len());
        }
        self.config.directives.push(Directive {
            keyword,
            values,
            location: context.location.clone(),
            block: context.inside,
        });
        Ok(())
    }

    /// Whether the subsystem is a new one: since 9.5 the first of a name stands, before a second one is refused.
    fn takes_subsystem(&mut self, parts: &Parts, context: &LineContext) -> Result<bool, Rejection> {
        let name = parts.words.first().cloned().unwrap_or_default();
        if self.subsystems.insert(name.clone()) {
            return Ok(true);
        }
        match self.config.build.number >= (9, 5) {
            true => Ok(false),
            false => Err(context.refused(format!("Subsystem '{name}' already defined"))),
        }
    }

    fn takes_methods(&mut self, parts: &Parts, context: &LineContext) -> Result<(), Rejection> {
        let words = &parts.words;
        let for_all = self.config.for_everyone(context.inside);
        let good = match self.config.build.number >= (9, 8) {
            // Of one line alone.
            true => words.len() == 1 || !words.iter().any(|word| word == "any"),
            false => self.any_alone(words, for_all),
        };
        if !good {
            let word = &parts.keyword;
            return Err(context.refused(format!("\"any\" must appear alone in {word}")));
        }
        self.methods |= for_all;
        Ok(())
    }

    /// `any` may follow nothing that counts already, and nothing may follow it. A line in a Match block
    /// counts nothing yet, so that `publickey any` passes there.
    fn any_alone(&self, words: &[String], for_all: bool) -> bool {
        let Some(at) = words.iter().position(|word| word == "any") else {
            return true;
        };
        let earlier = self.methods || (for_all && at > 0);
        let mut later = words.iter().skip(at).skip(1);
        !earlier && later.all(|word| word == "any" && !for_all)
    }
}

/// Cuts a line; `None` for one that says nothing.
fn parts(line: &str, build: Build, context: &LineContext) -> Result<Option<Parts>, Rejection> {
    let version = build.number;
    // Before words were split as a shell would, a comment began at any `#` of a file.
    let line = match version < history::SHELL_WORDS && context.location.line > 0 {
        true => line.split('#').next().unwrap_or_default(),
        false => line,
    };
    let line = line.trim_end_matches([' ', '\t', '\r', '\n', '\x0c']);
    let mut rest = Some(line.to_owned());
    let mut word = words::delimited(&mut rest);
    if word.as_deref() == Some("") {
        word = words::delimited(&mut rest);
    }
    let Some(keyword) = word.filter(|word| !word.is_empty() && !word.starts_with('#')) else {
        return Ok(None);
    };
    let Some(text) = rest.filter(|text| !text.is_empty()) else {
        return Err(context.refused(format!("no argument after keyword \"{keyword}\"")));
    };
    let words = match version < history::SHELL_WORDS {
        true => words::split_plainly(&text, !keyword.eq_ignore_ascii_case("setenv")),
        false => words::split(&text),
    };
    // A keyword that is not known is refused for that.
    let known = meaning(&keyword, build).is_some();
    let words = match words {
        None if known => return Err(context.refused("invalid quotes")),
        words => words.unwrap_or_default(),
    };
    Ok(Some(Parts {
        keyword,
        words,
        text,
    }))
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
        let line = bytes::behind(line, start);
        match bytes::split_once(line, 0) {
            Some((before, _)) => open.extend_from_slice(before),
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
