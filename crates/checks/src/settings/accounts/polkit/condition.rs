//! The condition of a rule of the plain form, and for whom it holds.

use super::ROOT;
use crate::settings::users::Users;
use agent_core::bounds;

/// The condition of a rule of the plain form.
pub(super) fn condition(body: &str) -> Option<Condition> {
    let rest = Tokens::new(body).all()?;
    let mut rest = rest.as_slice();
    let mut take = |wanted: &[&str]| -> Option<()> {
        for word in wanted {
            let (first, behind) = rest.split_first()?;
            (first == word).then_some(())?;
            rest = behind;
        }
        Some(())
    };
    take(&[
        "polkit", ".", "addRule", "(", "function", "(", "action", ",", "subject", ")", "{", "if",
        "(",
    ])?;
    let mut condition = Condition::default();
    rest = condition.either(rest, 0)?;
    let text: String = rest.concat();
    let tail = text.trim_end_matches(';');
    let plain = [
        "){returnpolkit.Result.YES;}})",
        "){returnpolkit.Result.YES}})",
        ")returnpolkit.Result.YES;})",
        ")returnpolkit.Result.YES})",
    ];
    plain.contains(&tail).then_some(condition)
}

struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Tokens<'a> {
        Tokens(text)
    }

    /// Words, texts with their quotes (made `"`), and signs; `None` where a quote is left open.
    fn all(mut self) -> Option<Vec<String>> {
        let mut found = Vec::new();
        loop {
            self.0 = self.0.trim_start();
            let Some(first) = self.0.chars().next() else {
                return Some(found);
            };
            let length = match first {
                '"' | '\'' => {
                    let (text, behind) = self.0[1..].split_once(first)?;
                    found.push(format!("\"{text}\""));
                    self.0 = behind;
                    continue;
                }
                c if c.is_alphanumeric() || c == '_' => {
                    let end = self.0.find(|c: char| !c.is_alphanumeric() && c != '_');
                    end.unwrap_or(self.0.len())
                }
                _ => {
                    let signs = ["===", "!==", "==", "!=", "&&", "||"];
                    let sign = signs.iter().find(|sign| self.0.starts_with(**sign));
                    sign.map_or(first.len_utf8(), |sign| sign.len())
                }
            };
            found.push(self.0[..length].to_owned());
            self.0 = &self.0[length..];
        }
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
    Group(String),
    User(String),
    Action(String),
    ActionPrefix(String),
}

impl Condition {
    fn either<'t>(&mut self, rest: &'t [String], depth: usize) -> Option<&'t [String]> {
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
            ["action", ".", "id", "==" | "===", id, ..] => (Part::Action(text(id)?), 5),
            ["action", ".", "id", "startsWith", ..] => return None,
            ["action", ".", "id", ".", "startsWith", "(", id, ")"] => {
                (Part::ActionPrefix(text(id)?), 8)
            }
            ["action", ".", "id", ".", "indexOf", "(", id, ")"]
                if rest
                    .get(8)
                    .is_some_and(|word| word == "==" || word == "===")
                    && rest.get(9).is_some_and(|word| word == "0") =>
            {
                (Part::ActionPrefix(text(id)?), 10)
            }
            ["subject", ".", "active" | "local", ..] => (Part::True, 3),
            _ => return None,
        };
        self.parts.push(part);
        rest.get(used..)
    }

    /// Users and groups for whom the condition holds for an action that makes root; `ALL` where it holds for anybody.
    pub(super) fn principals(&self, users: &Users) -> Vec<String> {
        let mut found = Vec::new();
        if self.holds(None, None) {
            return vec!["ALL".into()];
        }
        for part in &self.parts {
            match part {
                Part::Group(group)
                    if self.holds(None, Some(group)) && has_members(users, group) =>
                {
                    found.push(format!("%{group}"));
                }
                Part::User(user) if user != "root" => {
                    let theirs = self.parts.iter().filter_map(|part| match part {
                        Part::Group(group) => Some(group.as_str()),
                        _ => None,
                    });
                    let mut groups = theirs.map(Some).chain([None]);
                    if groups.any(|group| self.holds(Some(user), group)) {
                        found.push(user.clone());
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Whether it holds for somebody of that name, in that group, for any of the actions.
    fn holds(&self, user: Option<&str>, group: Option<&str>) -> bool {
        ROOT.iter().any(|action| {
            // Polish notation is read from its end.
            let mut stack: Vec<bool> = Vec::new();
            for part in self.parts.iter().rev() {
                let mut pop = || stack.pop().unwrap_or(false);
                let value = match part {
                    Part::Or => pop() | pop(),
                    Part::And => pop() & pop(),
                    Part::Not => !pop(),
                    Part::True => true,
                    Part::Group(name) => group == Some(name),
                    Part::User(name) => user == Some(name),
                    Part::Action(id) => id == action,
                    Part::ActionPrefix(prefix) => action.starts_with(prefix.as_str()),
                };
                stack.push(value);
            }
            stack.pop().unwrap_or(false)
        })
    }
}

/// Whether somebody is in the group: systemd brings a rule for a group that is empty until somebody asks for it.
fn has_members(users: &Users, group: &str) -> bool {
    let rows = users.group.iter().flatten();
    let mut rows = rows.filter(|row| row.name() == group.as_bytes());
    rows.any(|row| {
        let mut members = row.field(3).split(|byte| *byte == b',');
        let mut accounts = users.passwd.iter().flatten();
        members.any(|name| !name.trim_ascii().is_empty())
            || accounts.any(|account| account.field(3) == row.field(2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::bounds;

    #[test]
    fn a_condition_that_nests_deeper_than_any_is_not_understood() {
        let rule = |depth: usize| {
            let (open, close) = ("(".repeat(depth), ")".repeat(depth));
            condition(&format!(
                "polkit.addRule(function(action, subject) {{ if ({open}action.id == \"a\"{close}) {{ return polkit.Result.YES; }} }});"
            ))
        };
        assert!(rule(1).is_some());
        assert!(rule(bounds::POLKIT_NESTING).is_some());
        assert!(rule(bounds::POLKIT_NESTING + 1).is_none());
    }
}
