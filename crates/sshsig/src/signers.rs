//! The allowed signers file (ssh-keygen(1), ALLOWED SIGNERS): who may seal.
//!
//! One signer a line: principals, options, key type, base64 key, comment.
//! ssh-keygen reports a line that it cannot read and goes on with the next;
//! here such a line is an error, since a typo must not silently change who is
//! trusted. Lines may end in LF or CRLF, as ssh-keygen takes both.

use std::fmt;

use agent_core::bounds;

use super::key::{self, Key, KeyProblem};
use super::options::{self, Options};
use super::{pattern, shown};

/// Why a signers file was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignersError {
    /// Larger than any such file.
    TooLarge,
    /// A line that cannot be read.
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
}

/// What is wrong with a line of a signers file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineProblem {
    /// Not UTF-8, or with control characters.
    NotText,
    /// The principals begin with a quote that is not closed, or go on after it.
    PrincipalQuotes,
    /// The principals name nobody.
    NoPrincipal,
    /// No key after the principals and options.
    NoKey,
    /// Neither a known option nor a known key type.
    Option(String),
    /// An option that needs a value in double quotes.
    Quotes(&'static str),
    /// An option that is given twice.
    Twice(&'static str),
    /// Not a timestamp.
    Time {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// A timestamp in local time, and the local time zone is unknown.
    LocalZone {
        /// The option.
        option: &'static str,
    },
    /// `valid-before` is not after `valid-after`.
    NeverValid,
    /// The key cannot be used.
    Key(KeyProblem),
}

impl fmt::Display for SignersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignersError::TooLarge => write!(
                f,
                "the file is larger than {} MiB, which no list of signers is; check that the right file was given",
                bounds::SIGNERS / 1024 / 1024
            ),
            SignersError::Line { number, problem } => write!(f, "line {number}: {problem}"),
        }
    }
}

impl std::error::Error for SignersError {}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineProblem::NotText => write!(
                f,
                "expected text in UTF-8 without control characters or a byte order mark; save the file as plain text"
            ),
            LineProblem::PrincipalQuotes => write!(
                f,
                "expected a closing double quote and then a space after the principals; write them as \"NAME\", or without quotes"
            ),
            LineProblem::NoPrincipal => write!(
                f,
                "expected at least one principal that is not an exception (!); write a name, such as admin@example.org, first"
            ),
            LineProblem::NoKey => write!(
                f,
                "expected a key after the principals and options; append the key type and the base64 key from the signer's .pub file"
            ),
            LineProblem::Option(word) => write!(
                f,
                "expected a key type, or one of the options cert-authority, namespaces, valid-after and valid-before with commas between them, and found {}; correct it",
                shown(word)
            ),
            LineProblem::Quotes(option) => write!(
                f,
                "expected a value in double quotes for the option {option}; write {option}=\"VALUE\""
            ),
            LineProblem::Twice(option) => write!(
                f,
                "expected the option {option} once and found it twice; keep one of them"
            ),
            LineProblem::Time { option, value } => write!(
                f,
                "expected a time after 1970 for {option} and found {}; write it as YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with a Z behind for UTC",
                shown(value)
            ),
            LineProblem::LocalZone { option } => write!(
                f,
                "the time of {option} is given in local time, and this host's time zone cannot be read; put a Z behind the time to give it in UTC"
            ),
            LineProblem::NeverValid => write!(
                f,
                "expected valid-before to be later than valid-after; correct one of them"
            ),
            LineProblem::Key(problem) => problem.fmt(f),
        }
    }
}

/// One line: a key, and what it is trusted for.
#[derive(Clone, Debug)]
pub(super) struct AllowedSigner {
    pub(super) line: usize,
    pub(super) principals: String,
    pub(super) options: Options,
    pub(super) key: Key,
}

/// The keys that may vouch, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    pub(super) entries: Vec<AllowedSigner>,
}

impl Signers {
    /// Reads an allowed signers file. A file without a signer is accepted here,
    /// and no seal is accepted by it.
    pub fn parse(text: &[u8]) -> Result<Signers, SignersError> {
        if text.len() as u64 > bounds::SIGNERS {
            return Err(SignersError::TooLarge);
        }
        let mut entries = Vec::new();
        for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
            let read = |bytes| -> Result<Option<AllowedSigner>, LineProblem> {
                let text = std::str::from_utf8(bytes).map_err(|_| LineProblem::NotText)?;
                entry(text, number)
            };
            match read(line) {
                Ok(entry) => entries.extend(entry),
                Err(problem) => return Err(SignersError::Line { number, problem }),
            }
        }
        Ok(Signers { entries })
    }

    /// Whether nobody may seal.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many lines name a key.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// `None` for a blank line or a comment.
fn entry(text: &str, line: usize) -> Result<Option<AllowedSigner>, LineProblem> {
    let text = text.strip_suffix('\r').unwrap_or(text);
    let unwanted =
        |character: char| character == '\u{feff}' || (character.is_control() && character != '\t');
    if text.contains(unwanted) {
        return Err(LineProblem::NotText);
    }
    let text = text.trim_matches(BLANK);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }

    let (principals, rest) = principals(text)?;
    if !pattern::list_names_something(principals) {
        return Err(LineProblem::NoPrincipal);
    }
    let rest = rest.trim_start_matches(BLANK);
    let (options, rest) = if key::is_type(word(rest).0) {
        (Options::default(), rest)
    } else {
        let (options, rest) = options::split(rest);
        if options.is_empty() {
            return Err(LineProblem::NoKey);
        }
        (options::parse(options)?, rest.trim_start_matches(BLANK))
    };

    let (key_type, rest) = word(rest);
    let (base64, _comment) = word(rest.trim_start_matches(BLANK));
    if key_type.is_empty() || base64.is_empty() {
        return Err(LineProblem::NoKey);
    }
    let key = Key::from_text(key_type, base64).map_err(LineProblem::Key)?;
    Ok(Some(AllowedSigner {
        line,
        principals: principals.to_owned(),
        options,
        key,
    }))
}

const BLANK: [char; 2] = [' ', '\t'];

/// The first word and the rest.
fn word(text: &str) -> (&str, &str) {
    text.find(BLANK)
        .and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""))
}

/// The principals, which may stand in double quotes, and the rest.
fn principals(text: &str) -> Result<(&str, &str), LineProblem> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (principals, rest) = word(text);
        if principals.contains('"') {
            return Err(LineProblem::PrincipalQuotes);
        }
        return Ok((principals, rest));
    };
    let (principals, rest) = quoted.split_once('"').ok_or(LineProblem::PrincipalQuotes)?;
    if rest.is_empty() || rest.starts_with(BLANK) {
        Ok((principals, rest))
    } else {
        Err(LineProblem::PrincipalQuotes)
    }
}
