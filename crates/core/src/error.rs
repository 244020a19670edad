//! The one error type for what a person wrote or handed over: where it is, what is wrong, what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why the agent could not start or go on. What it *found* is never an error (see [`crate::finding`]).
#[derive(Debug)]
pub struct Error {
    /// The file at fault, if one is.
    pub file: Option<PathBuf>,
    /// Its line, counted from 1.
    pub line: Option<u64>,
    /// What was found and what was expected.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether the manifest is not trusted (exit status 4) rather than unusable (2).
    pub untrusted: bool,
}

/// What fallible functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that concerns no file.
    pub fn new(message: impl Into<String>) -> Error {
        Error {
            file: None,
            line: None,
            message: message.into(),
            help: None,
            untrusted: false,
        }
    }

    /// An error in `file`.
    pub fn in_file(file: impl AsRef<Path>, message: impl Into<String>) -> Error {
        Error {
            file: Some(file.as_ref().to_owned()),
            ..Error::new(message)
        }
    }

    /// That results could not be written to `file`, in the words of exit status 2.
    pub fn cannot_write(file: impl AsRef<Path>, error: &std::io::Error) -> Error {
        Error::in_file(file, format!("cannot be written: {error}"))
    }

    /// The same, at a line counted from 1.
    #[must_use]
    pub fn at_line(self, line: u64) -> Error {
        Error {
            line: Some(line),
            ..self
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Error {
        Error {
            help: Some(help.into()),
            ..self
        }
    }

    /// The same, meaning that the manifest is not trusted.
    #[must_use]
    pub fn untrusted(self) -> Error {
        Error {
            untrusted: true,
            ..self
        }
    }
}

/// `FILE:LINE: MESSAGE`, and the help on a line of its own. File names are made safe for a terminal.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", crate::escape::terminal_path(file))?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&crate::escape::terminal_text(&self.message))?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {}", crate::escape::terminal_text(help))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
