//! Values of several words.

use super::numbers::{port, time};
use super::{Line, joined};
use crate::settings::sshd::address;
use crate::settings::sshd::build::Build;
use crate::settings::sshd::history::{FRACTIONS, Number};
use crate::settings::sshd::keyword::Kind;

/// The words, all of which must be good.
pub(super) fn some(line: &Line<'_>, good: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
    match line.words.iter().find(|word| !good(word)) {
        Some(bad) => Err(format!("invalid {} value: \"{bad}\"", line.name())),
        None => Ok(line.words.to_vec()),
    }
}

/// Of a variable that stands twice the first counts; before 9.1 both were kept.
pub(super) fn assignments(line: &Line<'_>) -> Result<Vec<String>, String> {
    let mut kept: Vec<String> = Vec::new();
    for word in some(line, |word| word.contains('='))? {
        let variable = word.split('=').next();
        let twice = kept
            .iter()
            .any(|before| before.split('=').next() == variable);
        if line.build.number < (9, 1) || !twice {
            kept.push(word);
        }
    }
    Ok(kept)
}

/// Words on one line, `none` alone.
pub(super) fn none_alone(
    line: &Line<'_>,
    good: impl Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    none_among(line, good).map(|words| joined(&words))
}

/// The same, each word for itself: one in quotes may hold blanks.
fn none_among(line: &Line<'_>, good: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let none = |word: &String| word.eq_ignore_ascii_case("none");
    if line.words.len() > 1 && line.words.iter().any(none) {
        return Err(format!(
            "keyword {} \"none\" argument must appear alone",
            line.name()
        ));
    }
    some(line, |word| word.eq_ignore_ascii_case("none") || good(word))
}

/// AuthorizedKeysFile, and RevokedKeys since it takes several files.
pub(super) fn files(line: &Line<'_>) -> Result<Vec<String>, String> {
    let expanded = |words: Vec<String>| {
        let home = |word: String| match word.strip_prefix("~/") {
            Some(below) => format!("/root/{below}"),
            None => word,
        };
        words.into_iter().map(home).collect()
    };
    let good = |word: &str| !word.is_empty();
    match line.build.number < FRACTIONS {
        true => some(line, good),
        false => none_among(line, good),
    }
    .map(expanded)
}

/// `TYPE=TIME`
pub(super) fn channel_time(word: &str, version: Number) -> bool {
    word.split_once('=')
        .is_some_and(|(kind, value)| !kind.is_empty() && time(value, version).is_some())
}

/// Since then `any` and `none` of PermitOpen may be followed by other words.
const ANY_FIRST: Number = (9, 7);

/// PermitOpen and PermitListen.
pub(super) fn permits(line: &Line<'_>, kind: Kind) -> Result<Vec<String>, String> {
    let name = line.name();
    let special = |word: &str| word == "any" || word == "none";
    match line.words {
        [] => return Err(format!("{name} missing argument")),
        [first, ..] if first.is_empty() => return Err(format!("{name} missing argument")),
        [first, _, ..] if special(first) && line.build.number < ANY_FIRST => {
            return Err(format!("keyword {name} extra arguments at end of line"));
        }
        _ => {}
    }
    let mut shown = Vec::new();
    for (at, word) in line.words.iter().enumerate() {
        if special(word) {
            if at > 0 {
                return Err(format!("{word} must appear alone on a {name} line"));
            }
            shown.push(word.clone());
            continue;
        }
        let full = match kind == Kind::Bind && !word.contains(':') {
            true => format!("*:{word}"),
            false => word.clone(),
        };
        let port_text = match full.strip_prefix('[') {
            Some(inner) => inner.split_once("]:").map(|(_, port)| port),
            None => full.split_once(':').map(|(_, port)| port),
        };
        let good =
            port_text.is_some_and(|text| text == "*" || port(text).is_some_and(|port| port > 0));
        if !good {
            return Err(format!("{name} bad port number"));
        }
        shown.push(full);
    }
    Ok(vec![shown.join(" ")])
}

/// `match_user` on a pattern: what follows `@` must be a good list of hosts, addresses and networks. The last `@`
/// counts since 9.9, the first one before.
pub(super) fn good_user(pattern: &str, version: Number) -> bool {
    let host = match version < (9, 9) {
        true => pattern.split_once('@'),
        false => pattern.rsplit_once('@'),
    };
    !pattern.is_empty() && host.is_none_or(|(_, host)| address::in_list(None, host).is_some())
}

/// `auth2_methods_valid`: names of methods, each with an optional sub-method.
pub(super) fn good_methods(list: &str, build: Build) -> bool {
    const METHODS: [&str; 7] = [
        "none",
        "publickey",
        "password",
        "keyboard-interactive",
        "hostbased",
        "gssapi-with-mic",
        "gssapi-keyex",
    ];
    list == "any"
        || list.split(',').all(|method| {
            let (name, sub) = match method.split_once(':') {
                Some((name, sub)) => (name, Some(sub)),
                None => (method, None),
            };
            METHODS.contains(&name)
                && (build.gssapi || !name.starts_with("gssapi"))
                && sub != Some("")
        })
}
