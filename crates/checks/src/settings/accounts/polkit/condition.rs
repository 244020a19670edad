//! The condition of a rule of the plain form, and for whom it holds.

use crate::settings::users::{Row, Users};
use agent_core::bounds;
use std::collections::BTreeMap;

/// Combinations of a rule's groups that somebody is in.
// Own bound: a rule asks for a few groups, and each combination runs it once for each action.
pub(super) const COMBINATIONS: usize = 256;

/// Words, texts with their quotes (made `"`), and signs, each with where it begins; `None` where a quote is left open, and
/// for texts with escapes, templates and regular expressions, which are not taken apart here.
pub(super) fn words(text: &str) -> Option<Vec<(usize, String)>> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len().saturating_sub(rest.len());
        let Some(first) = rest.chars().next() else {
            return Some(found);
        };
        let length = match first {
            '"' | '\'' => {
                let (inner, behind) = rest.get(1..)?.split_once(first)?;
                if inner.contains(['\\', '\n', '\r']) {
                    return None;
                }
                found.push((at, format!("\"{inner}\"")));
                rest = behind;
                continue;
            }
            '`' | '/' | '\\' => return None,
            c if c.is_alphanumeric() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                end.unwrap_or(rest.len())
            }
            _ => {
                let signs = ["===", "!==", "==", "!=", "&&", "||"];
                let sign = signs.iter().find(|sign| rest.starts_with(**sign));
                sign.map_or(first.len_utf8(), |sign| sign.len())
            }
        };
        let (word, behind) = rest.split_at_checked(length)?;
        found.push((at, word.to_owned()));
        rest = behind;
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    No,
    Maybe,
    Yes,
}

impl Truth {
    fn of(holds: bool) -> Truth {
        if holds { Truth::Yes } else { Truth::No }
    }
}

/// What must hold, in the order of the text: names and signs of a Boolean expression, in Polish notation.
#[derive(Debug, Default)]
pub(super) struct Condition {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Or,
    And,
    Not,
    True,
    False,
    /// Something else, which changes nothing.
    Opaque,
    Group(String),
    User(String),
    Actions(Vec<String>),
    ActionPrefix(String),
}

impl Condition {
    pub(super) fn either<'t>(&mut self, rest: &'t [String], depth: usize) -> Option<&'t [String]> {
        self.chain(rest, depth, "||")
    }

    /// A chain of one sign; `&&` binds closer than `||`.
    fn chain<'t>(&mut self, rest: &'t [String], depth: usize, sign: &str) -> Option<&'t [String]> {
        let start = self.parts.len();
        let operand = |this: &mut Self, rest| match sign {
            "||" => this.chain(rest, depth, "&&"),
            _ => this.operand(rest, depth),
        };
        let mut rest = operand(self, rest)?;
        while let Some((_, behind)) = rest.split_first().filter(|(word, _)| *word == sign) {
            let part = if sign == "||" { Part::Or } else { Part::And };
            self.parts.insert(start, part);
            rest = operand(self, behind)?;
        }
        Some(rest)
    }

    fn operand<'t>(&mut self, rest: &'t [String], depth: usize) -> Option<&'t [String]> {
        if depth > bounds::POLKIT_NESTING {
            return None;
        }
        let words: Vec<&str> = rest.iter().take(8).map(String::as_str).collect();
        let text = |word: &str| {
            let inner = word.strip_prefix('"')?.strip_suffix('"')?;
            (!inner.contains('\\')).then(|| inner.to_owned())
        };
        let (part, used) = match words.as_slice() {
            ["!", ..] => {
                self.parts.push(Part::Not);
                return self.operand(rest.get(1..)?, depth.saturating_add(1));
            }
            ["(", ..] => {
                let inner = self.either(rest.get(1..)?, depth.saturating_add(1))?;
                let (closing, rest) = inner.split_first()?;
                return (closing == ")").then_some(rest);
            }
            ["subject", ".", "isInGroup", "(", group, ")", ..] => (Part::Group(text(group)?), 6),
            [
                "subject",
                ".",
                "user",
                sign @ ("==" | "===" | "!=" | "!=="),
                user,
                ..,
            ] => {
                if sign.starts_with('!') {
                    self.parts.push(Part::Not);
                }
                (Part::User(text(user)?), 5)
            }
            [
                "action",
                ".",
                "id",
                sign @ ("==" | "===" | "!=" | "!=="),
                id,
                ..,
            ] => {
                if sign.starts_with('!') {
                    self.parts.push(Part::Not);
                }
                (Part::Actions(vec![text(id)?]), 5)
            }
            ["action", ".", "id", ".", "startsWith", "(", id, ")"] => {
                (Part::ActionPrefix(text(id)?), 8)
            }
            ["[", ..] => listed(rest)?,
            ["action", ".", "id", ".", "indexOf", "(", id, ")"]
                if rest
                    .get(8)
                    .is_some_and(|word| word == "==" || word == "===")
                    && rest.get(9).is_some_and(|word| word == "0") =>
            {
                (Part::ActionPrefix(text(id)?), 10)
            }
            ["subject", ".", "active" | "local", "==" | "===", "true", ..] => (Part::True, 5),
            ["subject", ".", "active" | "local", ..] => (Part::True, 3),
            ["true", ..] => (Part::True, 1),
            ["false", ..] => (Part::False, 1),
            _ => (Part::Opaque, 0),
        };
        // What is compared or called with it is beyond what the forms above say.
        let ends = |word: &String| matches!(word.as_str(), "&&" | "||" | ")");
        let known = used > 0 && rest.get(used).is_some_and(ends);
        if known {
            self.parts.push(part);
            return rest.get(used..);
        }
        // A sign that was pushed before it changes nothing: either may be so.
        self.parts.push(Part::Opaque);
        rest.get(opaque(rest, &[])?..)
    }

    /// Users and groups that it names.
    pub(super) fn names(&self, users: &mut Vec<String>, groups: &mut Vec<String>) {
        for part in &self.parts {
            match part {
                Part::Group(group) => groups.push(group.clone()),
                Part::User(user) => users.push(user.clone()),
                _ => {}
            }
        }
    }

    /// Whether it holds for somebody of that name, in those groups and in no other that is named, for the action.
    pub(super) fn holds(&self, user: Option<&str>, groups: &[&str], action: &str) -> Truth {
        // Polish notation is read from its end.
        let mut stack: Vec<Truth> = Vec::new();
        for part in self.parts.iter().rev() {
            let mut pop = || stack.pop().unwrap_or(Truth::Maybe);
            let value = match part {
                Part::Or => match (pop(), pop()) {
                    (Truth::Yes, _) | (_, Truth::Yes) => Truth::Yes,
                    (Truth::No, Truth::No) => Truth::No,
                    _ => Truth::Maybe,
                },
                Part::And => match (pop(), pop()) {
                    (Truth::No, _) | (_, Truth::No) => Truth::No,
                    (Truth::Yes, Truth::Yes) => Truth::Yes,
                    _ => Truth::Maybe,
                },
                Part::Not => match pop() {
                    Truth::Yes => Truth::No,
                    Truth::Maybe => Truth::Maybe,
                    Truth::No => Truth::Yes,
                },
                Part::True => Truth::Yes,
                Part::False => Truth::No,
                Part::Opaque => Truth::Maybe,
                Part::Group(name) => Truth::of(groups.contains(&name.as_str())),
                Part::User(name) => Truth::of(user == Some(name)),
                Part::Actions(ids) => Truth::of(ids.iter().any(|id| id == action)),
                Part::ActionPrefix(prefix) => Truth::of(action.starts_with(prefix.as_str())),
            };
            stack.push(value);
        }
        stack.pop().unwrap_or(Truth::Maybe)
    }
}

/// `["ID", …].includes(action.id)`, or `.indexOf(action.id)` compared with what it is not for others.
fn listed(rest: &[String]) -> Option<(Part, usize)> {
    let close = rest.iter().position(|word| word == "]")?;
    let mut ids = Vec::new();
    for word in rest.get(1..close)?.iter().filter(|word| *word != ",") {
        ids.push(word.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    }
    let behind: Vec<&str> = rest
        .get(close..)?
        .iter()
        .take(13)
        .map(String::as_str)
        .collect();
    let used = match behind.as_slice() {
        ["]", ".", "includes", "(", "action", ".", "id", ")", ..] => 8,
        [
            "]",
            ".",
            "indexOf",
            "(",
            "action",
            ".",
            "id",
            ")",
            "!=" | "!==",
            "-",
            "1",
            ..,
        ] => 11,
        _ => return Some((Part::Opaque, 0)),
    };
    Some((Part::Actions(ids), close.saturating_add(used)))
}

/// How many words belong to an operand, or to what a call is given, that is not understood; `None` where it may be more than
/// a question to action and subject, or bind otherwise.
pub(super) fn opaque(rest: &[String], more: &[&str]) -> Option<usize> {
    const ASKS: [&str; 18] = [
        "action",
        "subject",
        "id",
        "lookup",
        "user",
        "groups",
        "pid",
        "seat",
        "session",
        "local",
        "active",
        "isInGroup",
        "indexOf",
        "startsWith",
        "endsWith",
        "includes",
        "true",
        "false",
    ];
    const SIGNS: [&str; 8] = [".", "==", "===", "!=", "!==", "!", "<", ">"];
    let mut depth: usize = 0;
    for (at, word) in rest.iter().enumerate() {
        match word.as_str() {
            "&&" | "||" if depth == 0 => return (at > 0).then_some(at),
            ")" if depth == 0 => return (at > 0).then_some(at),
            "(" => depth = depth.saturating_add(1),
            ")" => depth = depth.saturating_sub(1),
            "&&" | "||" => {}
            "," if depth > 0 => {}
            word if ASKS.contains(&word) || SIGNS.contains(&word) || more.contains(&word) => {}
            word if word.starts_with('"') || word.chars().all(|c| c.is_ascii_digit()) => {}
            _ => return None,
        }
    }
    None
}

/// Whether somebody is in the group: systemd brings a rule for a group that is empty until somebody asks for it.
pub(super) fn has_members(users: &Users, group: &str) -> bool {
    let rows = users.group.iter().flatten();
    let mut rows = rows.filter(|row| row.name() == group.as_bytes());
    rows.any(|row| {
        let mut members = row.field(3).split(|byte| *byte == b',');
        let mut accounts = users.passwd.iter().flatten();
        members.any(|name| !name.trim_ascii().is_empty())
            || accounts.any(|account| account.field(3) == row.field(2))
    })
}

/// For everybody who is in two of the groups or more, which of them those are: each combination once, with the first who
/// has it. `None` where there are more combinations than are looked at.
pub(super) fn together<'g>(
    users: &Users,
    groups: &'g [String],
) -> Option<Vec<(String, Vec<&'g str>)>> {
    let mut of: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
    for group in groups {
        let rows = users.group.iter().flatten();
        for row in rows.filter(|row| row.name() == group.as_bytes()) {
            let accounts = users.passwd.iter().flatten();
            let primary = accounts.filter(|account| account.field(3) == row.field(2));
            let listed = row
                .field(3)
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii);
            for name in listed.chain(primary.map(Row::name)) {
                let known = of.entry(name).or_default();
                if !name.is_empty() && known.last() != Some(&group.as_str()) {
                    known.push(group);
                }
            }
        }
    }
    let mut found: BTreeMap<Vec<&str>, &[u8]> = BTreeMap::new();
    for (name, groups) in of {
        if groups.len() > 1 && name != b"root" {
            found.entry(groups).or_insert(name);
        }
        if found.len() > COMBINATIONS {
            return None;
        }
    }
    let named = |(groups, name): (_, &[u8])| (String::from_utf8_lossy(name).into_owned(), groups);
    Some(found.into_iter().map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::super::rule::rules;
    use super::*;
    use agent_core::bounds;

    #[test]
    fn more_combinations_of_groups_than_are_looked_at_are_told() {
        let groups: Vec<String> = (0..10).map(|bit| format!("g{bit}")).collect();
        let users = |count: u32| Users {
            group: Some(
                (0..10)
                    .map(|bit| {
                        let members = (0..count).filter(|n| n >> bit & 1 == 1);
                        let members: Vec<String> = members.map(|n| format!("u{n}")).collect();
                        Row::of(&[&format!("g{bit}"), "x", "1", &members.join(",")])
                    })
                    .collect(),
            ),
            ..Users::default()
        };
        let found = |count| together(&users(count), &groups).map(|found| found.len());
        assert_eq!(found(4), Some(1));
        assert!(found(200).is_some_and(|found| found <= COMBINATIONS));
        assert_eq!(found(1000), None);
    }

    #[test]
    fn a_condition_that_nests_deeper_than_any_is_not_understood() {
        let rule = |depth: usize| {
            let (open, close) = ("(".repeat(depth), ")".repeat(depth));
            let text = format!(
                "polkit.addRule(function(action, subject) {{ if ({open}action.id == \"a\"{close}) {{ return polkit.Result.YES; }} }});"
            );
            let words: Vec<String> = words(&text)
                .expect("words")
                .into_iter()
                .map(|(_, word)| word)
                .collect();
            rules(&words)
        };
        assert!(rule(1).is_some());
        assert!(rule(bounds::POLKIT_NESTING).is_some());
        assert!(rule(bounds::POLKIT_NESTING + 1).is_none());
    }
}
