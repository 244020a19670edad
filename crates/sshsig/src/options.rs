//! The options of an allowed signers line (ssh-keygen(1), ALLOWED SIGNERS).

use super::signers::LineProblem;
use super::time::{self, Unreadable};

/// Under which conditions a key vouches.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) cert_authority: bool,
    /// A pattern list.
    pub(super) namespaces: Option<String>,
    /// Seconds since 1970.
    pub(super) valid_after: Option<u64>,
    /// Seconds since 1970; the key is still valid in this very second.
    pub(super) valid_before: Option<u64>,
}

const CERT_AUTHORITY: &str = "cert-authority";
const NAMESPACES: &str = "namespaces";
const VALID_AFTER: &str = "valid-after";
const VALID_BEFORE: &str = "valid-before";

/// Splits a line after its options: at the first space or tab outside quotes.
pub(super) fn split(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut escaped = false;
    let end = text.char_indices().find(|(_, character)| {
        let was_escaped = std::mem::replace(&mut escaped, *character == '\\');
        match character {
            '"' if !was_escaped => quoted = !quoted,
            ' ' | '\t' => return !quoted,
            _ => {}
        }
        false
    });
    end.and_then(|(index, _)| text.split_at_checked(index))
        .unwrap_or((text, ""))
}

/// Reads options separated by commas. What ssh-keygen skips or lets pass here
/// (an empty option) is an error as well.
pub(super) fn parse(text: &str) -> Result<Options, LineProblem> {
    let mut options = Options::default();
    let mut rest = text;
    loop {
        rest = one(rest, &mut options)?;
        if rest.is_empty() {
            break;
        }
        rest = rest
            .strip_prefix(',')
            .ok_or_else(|| LineProblem::Option(rest.to_owned()))?;
    }
    match (options.valid_after, options.valid_before) {
        (Some(after), Some(before)) if before <= after => Err(LineProblem::NeverValid),
        _ => Ok(options),
    }
}

/// Takes one option off the front.
fn one<'a>(text: &'a str, options: &mut Options) -> Result<&'a str, LineProblem> {
    let end = text.find(['=', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let keyword = [CERT_AUTHORITY, NAMESPACES, VALID_AFTER, VALID_BEFORE]
        .into_iter()
        .find(|keyword| keyword.eq_ignore_ascii_case(name))
        .ok_or_else(|| LineProblem::Option(name.to_owned()))?;
    if keyword == CERT_AUTHORITY {
        options.cert_authority = true;
        return Ok(rest);
    }

    let quoted = rest
        .strip_prefix("=\"")
        .ok_or(LineProblem::Quotes(keyword))?;
    let (value, rest) = unquote(quoted).ok_or(LineProblem::Quotes(keyword))?;
    let first = match keyword {
        NAMESPACES => options.namespaces.replace(value).is_none(),
        VALID_AFTER => {
            let moment = moment(keyword, &value)?;
            options.valid_after.replace(moment).is_none()
        }
        _ => {
            let moment = moment(keyword, &value)?;
            options.valid_before.replace(moment).is_none()
        }
    };
    if first {
        Ok(rest)
    } else {
        Err(LineProblem::Twice(keyword))
    }
}

fn moment(option: &'static str, value: &str) -> Result<u64, LineProblem> {
    time::parse(value).map_err(|error| match error {
        Unreadable::Form => LineProblem::Time {
            option,
            value: value.to_owned(),
        },
        Unreadable::LocalZone => LineProblem::LocalZone { option },
    })
}

/// The value up to the closing quote, and what follows it. A backslash takes
/// away the meaning of a quote, and has none anywhere else.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' if characters.as_str().starts_with('"') => {
                value.push('"');
                characters.next();
            }
            character => value.push(character),
        }
    }
}
