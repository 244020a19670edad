//! Whether a stack of PAM lets somebody in who knows nothing: its lines in their order, as libpam reads and decides them.
//!
//! `modules` says what each module may answer to such a person, [`mod@decide`] what becomes of the answers.

mod decide;
mod modules;

use super::pam::{self, DIRECTORIES};
use agent_core::bounds;
use agent_core::os::root::Root;
use decide::Control;

/// Levels of substacks: PAM_SUBSTACK_MAX_LEVEL and PAM_INCLUDE_MAX_LEVEL of libpam.
// Own bound: of libpam.
const LEVELS: usize = 16;

/// One `auth` line in force.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// In how many substacks it stands.
    level: usize,
    control: Control,
    kind: Kind,
    /// `FILE:LINE`
    place: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A module by its name without directory, and its arguments.
    Module(String, Vec<String>),
    /// What libpam does not understand, and takes for a module that fails.
    Fails,
    /// A substack begins: one step of a jump, together with what is in it.
    Substack,
}

/// What a stack does about somebody who has neither password, key nor token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// They stay out.
    Yes,
    /// They come in; the line that lets them, and its module.
    No { place: String, module: String },
    /// It depends on a module that is not known, or cannot be read.
    Unknown { place: String, reason: String },
}

/// Judges the stack of a service.
pub(super) fn asks(root: &Root, service: &str) -> Asks {
    let mut stack = Stack {
        root,
        lines: Vec::new(),
        files: 0,
    };
    match stack.read(service) {
        Ok(()) => decide::decide(&stack.lines, service),
        Err((place, reason)) => Asks::Unknown { place, reason },
    }
}

/// Whether a service has a stack of its own.
pub(super) fn is_there(root: &Root, service: &str) -> bool {
    find(root, service).is_some()
}

fn find(root: &Root, name: &str) -> Option<String> {
    let directories = DIRECTORIES.iter();
    let mut paths = directories.map(|directory| format!("{directory}/{name}"));
    paths.find(|path| {
        let found = root.resolve(path.as_bytes(), true);
        found.is_ok_and(|found| found.handle.is_some())
    })
}

struct Stack<'a> {
    root: &'a Root,
    lines: Vec<Line>,
    files: usize,
}

type Fault = (String, String);

impl Stack<'_> {
    /// The service's own lines; where it has no `auth` line, those of `other` (_pam_init_handlers of pam_handlers.c).
    fn read(&mut self, service: &str) -> Result<(), Fault> {
        for service in [service, "other"] {
            match (find(self.root, service), pam::has_directory(self.root)) {
                (Some(path), _) => self.file(&path, None, 0, 0)?,
                (None, true) => {}
                (None, false) => self.file("/etc/pam.conf", Some(service), 0, 0)?,
            }
            if !self.lines.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Adds the lines of a file; of pam.conf(5) those of one service.
    fn file(
        &mut self,
        path: &str,
        service: Option<&str>,
        level: usize,
        depth: usize,
    ) -> Result<(), Fault> {
        let fault = |reason: String| (path.to_owned(), reason);
        self.files = self.files.saturating_add(1);
        if self.files > bounds::PAM_FILES {
            return Err(fault("more files than any host has".into()));
        }
        let read = self.root.read(path.as_bytes(), bounds::SETTINGS_FILE);
        let bytes = read.map_err(|error| fault(error.to_string()))?;
        for (number, line) in pam::joined(&String::from_utf8_lossy(&bytes.unwrap_or_default())) {
            let mut words = pam::words(&line);
            if let Some(service) = service
                && !words.is_empty()
                && !words.remove(0).eq_ignore_ascii_case(service)
            {
                continue;
            }
            let place = format!("{path}:{number}");
            self.line(&words, place, level, depth)?;
            if self.lines.len() > bounds::PAM_LINES {
                return Err(fault("more lines than any stack has".into()));
            }
        }
        Ok(())
    }

    fn line(
        &mut self,
        words: &[String],
        place: String,
        level: usize,
        depth: usize,
    ) -> Result<(), Fault> {
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        let (kind, control) = (word(0).to_ascii_lowercase(), word(1).to_ascii_lowercase());
        let kind = match kind.as_str() {
            "" | "account" | "-account" | "password" | "-password" | "session" | "-session" => {
                return Ok(());
            }
            // As Debian patches it.
            "@include" => return self.include(word(1), place, level, depth),
            "auth" | "-auth" => match control.as_str() {
                "include" => return self.include(word(2), place, level, depth),
                "substack" => {
                    self.push(level, Kind::Substack, Control::bad(), place.clone());
                    return self.include(word(2), place, level.saturating_add(1), depth);
                }
                _ if word(2).is_empty() => Kind::Fails,
                _ => {
                    let module = word(2).rsplit('/').next().unwrap_or_default();
                    let module = module.strip_suffix(".so").unwrap_or(module);
                    let arguments = words.get(3..).unwrap_or_default();
                    Kind::Module(module.to_owned(), arguments.to_vec())
                }
            },
            // What is no type of a line counts as one that fails.
            _ => Kind::Fails,
        };
        let control = match kind {
            Kind::Fails => Control::bad(),
            _ => Control::parse(&control),
        };
        self.push(level, kind, control, place);
        Ok(())
    }

    fn push(&mut self, level: usize, kind: Kind, control: Control, place: String) {
        self.lines.push(Line {
            level,
            control,
            kind,
            place,
        });
    }

    /// What is not there, and what is included too deep, fails.
    fn include(
        &mut self,
        name: &str,
        place: String,
        level: usize,
        depth: usize,
    ) -> Result<(), Fault> {
        let path = match name.starts_with('/') {
            true => Some(name.to_owned()).filter(|path| {
                let found = self.root.resolve(path.as_bytes(), true);
                found.is_ok_and(|found| found.handle.is_some())
            }),
            false => find(self.root, name).filter(|_| !name.is_empty()),
        };
        match path {
            Some(path) if depth < LEVELS => self.file(&path, None, level, depth.saturating_add(1)),
            _ => {
                self.push(level, Kind::Fails, Control::bad(), place);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
