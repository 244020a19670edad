//! Profiles of AppArmor that its service loads at boot: whether any of them is enforced (apparmor.d(5)).

use super::mac::Enforced;
use crate::settings::context::Context;
use agent_core::os::node::Hint;
use agent_core::paths;

const DIRECTORY: &str = "etc/apparmor.d";
/// What the parser passes over (is_blacklisted of its library): what package managers and editors leave.
const LEFT_OVER: [&str; 11] = [
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-dist",
    ".dpkg-bak",
    ".dpkg-remove",
    ".pacsave",
    ".pacnew",
    ".rpmnew",
    ".rpmsave",
    ".orig",
    ".rej",
];

/// What is enforced after the next boot.
pub(super) fn at_boot(context: &Context<'_>) -> Enforced {
    let fault = |error: std::io::Error| Enforced::Unknown(format!("/{DIRECTORY}: {error}"));
    let names = match context.root.list(DIRECTORY.as_bytes()) {
        Ok(Some(names)) => names,
        Ok(None) => return Enforced::No(format!("/{DIRECTORY} is not there"), None),
        Err(error) => return fault(error),
    };
    // A link of the profile's name switches it off, or has it complain.
    let linked = |directory: &str, name: &[u8]| {
        let path = paths::join(format!("{DIRECTORY}/{directory}").as_bytes(), name);
        let found = context.root.resolve(&path, false);
        found.is_ok_and(|found| found.handle.is_some())
    };
    let (mut found, mut unread) = (false, None);
    let mut untold = None;
    for (name, hint) in names.iter() {
        let shown = String::from_utf8_lossy(name);
        if hint == Hint::Dir || is_left_over(&shown) {
            continue;
        }
        found = true;
        if linked("disable", name) || linked("force-complain", name) {
            continue;
        }
        match context.read(&format!("{DIRECTORY}/{shown}")) {
            Ok(text) => match Profiles::of(&String::from_utf8_lossy(&text.unwrap_or_default())) {
                Profiles::Enforced => return Enforced::Yes,
                Profiles::None => {}
                Profiles::Included => {
                    let reason = format!("what /{DIRECTORY}/{shown} includes is not judged");
                    untold = Some(Enforced::Unknown(reason));
                }
            },
            Err(error) => unread = Some(fault(error)),
        }
    }
    let why = match found {
        true => format!("no profile in /{DIRECTORY} is enforced"),
        false => format!("/{DIRECTORY} holds no profile"),
    };
    unread.or(untold).unwrap_or(Enforced::No(why, None))
}

fn is_left_over(name: &str) -> bool {
    let ends = |ending: &&str| name.ends_with(*ending);
    name == "README" || name.starts_with('.') || name.ends_with('~') || LEFT_OVER.iter().any(ends)
}

/// What the profiles of a file do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profiles {
    /// One of them forbids something: it has no mode of another kind among its flags.
    Enforced,
    /// There is none, or they let everything pass.
    None,
    /// None of the file's own; it includes another that may have some.
    Included,
}

impl Profiles {
    /// Takes a file apart by its tokens (parser_lex.l): a brace that begins a token begins or ends a profile, one within
    /// belongs to a name.
    fn of(text: &str) -> Profiles {
        let mut rest = text;
        let mut found = Profiles::None;
        loop {
            rest = blanks(rest);
            let Some(first) = rest.chars().next() else {
                return found;
            };
            let include = ["#include", "include"].iter().find_map(|word| {
                let after = rest.strip_prefix(word)?;
                after.starts_with([' ', '\t', '<', '"']).then_some(after)
            });
            if let Some(after) = include {
                let (line, next) = after.split_once('\n').unwrap_or((after, ""));
                let tame = ["<tunables/", "<abstractions/", "<abi/"];
                if !tame.iter().any(|tame| line.contains(tame)) {
                    found = Profiles::Included;
                }
                rest = next;
                continue;
            }
            if first == '#' || is_assignment(rest) {
                rest = rest.split_once('\n').map_or("", |(_, next)| next);
                continue;
            }
            let mut head = String::new();
            loop {
                let (token, next) = token(uncommented(rest));
                rest = next;
                match token {
                    // A rule of a file's own, as `abi <abi/4.0>,`.
                    "" | "}" => break,
                    token if token.ends_with(',') => break,
                    "{" => {
                        if !is_lenient(&head) {
                            return Profiles::Enforced;
                        }
                        rest = behind_body(rest);
                        break;
                    }
                    token => {
                        head.push(' ');
                        head.push_str(token);
                    }
                }
            }
        }
    }
}

/// Whether the flags of a profile name a mode in which nothing is forbidden; `flags=` may be left out.
fn is_lenient(head: &str) -> bool {
    const LENIENT: [&str; 4] = ["complain", "unconfined", "default_allow", "prompt"];
    let groups = head.split('(').skip(1);
    let mut flags = groups.flat_map(|group| {
        let group = group.split(')').next().unwrap_or_default();
        group.split([',', ' ', '\t', '\n'])
    });
    flags.any(|flag| LENIENT.contains(&flag))
}

fn blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

/// Without the blanks and comments that it begins with.
fn uncommented(text: &str) -> &str {
    let mut rest = blanks(text);
    while rest.starts_with('#') {
        rest = blanks(rest.split_once('\n').map_or("", |(_, next)| next));
    }
    rest
}

/// `@{NAME} = …`, `@{NAME} += …`, `$NAME = …`, which take a line.
fn is_assignment(text: &str) -> bool {
    let name = match text.strip_prefix("@{") {
        Some(rest) => rest.split_once('}'),
        None => text.strip_prefix('$').map(|rest| {
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '{' || c == '}'));
            rest.split_at(end.unwrap_or(rest.len()))
        }),
    };
    name.is_some_and(|(_, after)| {
        let after = after.trim_start_matches([' ', '\t']);
        after.starts_with('=') || after.starts_with("+=")
    })
}

/// The next token, and what follows it: a brace, a group in parentheses, or a word, in which quotes hold blanks and
/// braces are even. Empty at the end.
fn token(text: &str) -> (&str, &str) {
    let text = blanks(text);
    let (mut quoted, mut open, mut group) = (false, 0_usize, false);
    for (at, c) in text.char_indices() {
        let next = at.saturating_add(c.len_utf8());
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => group = true,
            ')' if group => return text.split_at(next),
            _ if group => {}
            '{' if at == 0 => return text.split_at(next),
            '{' => open = open.saturating_add(1),
            '}' if open > 0 => open = open.saturating_sub(1),
            '}' if at == 0 => return text.split_at(next),
            '}' => return text.split_at(at),
            ' ' | '\t' | '\r' | '\n' => return text.split_at(at),
            _ => {}
        }
    }
    (text, "")
}

/// What follows the end of a body, with the bodies in it.
fn behind_body(text: &str) -> &str {
    let mut rest = text;
    let mut depth: usize = 1;
    while depth > 0 {
        let (token, next) = token(uncommented(rest));
        rest = next;
        match token {
            "" => break,
            "{" => depth = depth.saturating_add(1),
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_a_lenient_mode_is_enforced() {
        use Profiles::{Enforced, Included, None};
        for (text, expected) in [
            (
                "abi <abi/3.0>,\ninclude <tunables/global>\nprofile x /usr/bin/x {\n}\n",
                Enforced,
            ),
            ("/usr/sbin/{a,b} flags=(attach_disconnected) {", Enforced),
            ("\"/usr/bin/a b\" (enforce) { # c", Enforced),
            ("@{bin}/x {", Enforced),
            (
                "profile x flags=(attach_disconnected, complain) {\n  /usr/bin/y {\n  }\n}",
                None,
            ),
            ("profile x (unconfined) {\n  userns,\n}\n", None),
            (
                "profile x flags=(complain) {\n}\n/usr/bin/y {\n}\n",
                Enforced,
            ),
            // As they may be laid out.
            ("profile x /usr/bin/x flags=(complain)\n{\n}", None),
            ("profile x /usr/bin/x\nflags=(complain) {\n}", None),
            ("profile x /usr/bin/x flags=(complain) { }", None),
            ("profile x /usr/bin/x flags=(complain) {}", None),
            ("profile x /usr/bin/x { }", Enforced),
            ("profile x /usr/bin/x\n# a comment {\n{\n}", Enforced),
            (
                "profile x (complain) {\n  # it's \"}\n  /etc/{a,b}/** r,\n  /a r,}\nprofile y (complain) {}",
                None,
            ),
            (
                "profile x (complain) { /a r,}\nprofile y { /a r,}",
                Enforced,
            ),
            ("profile x xattrs=(a=b) flags=(complain) {}", None),
            ("# /usr/bin/x {\n", None),
            ("# nothing\n", None),
            ("", None),
            ("profile x /usr/bin/x", None),
            (
                "@{multiarch}=*-linux-gnu*\n@{x} += {a,b}\n$y = true\n",
                None,
            ),
            ("alias /a -> /b,\n", None),
            ("#include <tunables/global>\n", None),
            ("include <other>\n", Included),
            ("#include \"/etc/x\"\nprofile x {}\n", Enforced),
        ] {
            assert_eq!(Profiles::of(text), expected, "{text}");
        }
        for (name, left) in [
            ("README", true),
            ("x.dpkg-new", true),
            ("x~", true),
            ("usr.bin.x", false),
        ] {
            assert_eq!(is_left_over(name), left, "{name}");
        }
    }
}
