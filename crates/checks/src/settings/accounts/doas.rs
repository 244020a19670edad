//! doas.conf(5) of OpenDoas, turned into the rules that sudo's evaluation knows: the last rule that fits decides there
//! as well.

use super::sudo::Judged;
use super::sudoers::{
    self, Dialect, Grants, Links, List, Location, Member, Name, Policy, Rule, RunAs, Trouble,
};
use crate::settings::context::Context;
use crate::settings::users::Users;
use agent_core::bounds;
use agent_core::os::node;
use std::rc::Rc;

const CONF: &str = "/etc/doas.conf";

/// What doas gives without a password; `None` where there is no doas.conf.
pub(super) fn judge(context: &Context<'_>, users: &Users, links: &Links) -> Option<Judged> {
    let mut judged = Judged {
        program: "doas",
        grants: Grants::default(),
        ignored: Vec::new(),
    };
    match context.root.read(CONF.as_bytes(), bounds::SETTINGS_FILE) {
        Ok(None) => return None,
        Err(error) => {
            let told = (format!("{CONF}: {error}"), CONF.to_owned());
            judged.grants.unknown.push(told);
        }
        Ok(Some(bytes)) => {
            let found = context.root.resolve(CONF.as_bytes(), true).ok()?;
            let stat = node::stat(&found.handle?).ok()?;
            // doas.c, `parseconfig`: it then does nothing for anybody.
            if stat.uid != 0 || stat.mode & 0o022 != 0 {
                judged
                    .ignored
                    .push(format!("{CONF} (others may write to it)"));
                return Some(judged);
            }
            let policy = parse(&String::from_utf8_lossy(&bytes));
            judged.grants = sudoers::without_password(&policy, Dialect::SudoRs, users, None, links);
        }
    }
    Some(judged)
}

/// The words of one line, quotes and backslashes taken off (parse.y, `yylex`), and lines joined by a backslash.
fn lines(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let (mut line, mut start, mut quoted) = (1_usize, 1, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                if let Some(next) = rest.next() {
                    match next {
                        '\n' => line = line.saturating_add(1),
                        next => word.get_or_insert_default().push(next),
                    }
                }
            }
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\n' => {
                words.extend(word.take());
                if !words.is_empty() {
                    found.push((start, std::mem::take(&mut words)));
                }
                line = line.saturating_add(1);
                (start, quoted) = (line, false);
            }
            '#' if !quoted => while rest.next_if(|c| *c != '\n').is_some() {},
            ' ' | '\t' if !quoted => words.extend(word.take()),
            '{' | '}' if !quoted => {
                words.extend(word.take());
                words.push(c.to_string());
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if !words.is_empty() {
        found.push((start, words));
    }
    found
}

fn parse(text: &str) -> Policy {
    let mut policy = Policy::default();
    let file: Rc<str> = CONF.into();
    for (line, words) in lines(text) {
        let place = Location {
            file: Rc::clone(&file),
            line,
        };
        match rule(&words, &place) {
            Some(rule) => policy.rules.push(rule),
            None => policy.troubles.push(Trouble {
                reason: "syntax error".into(),
                place,
            }),
        }
    }
    policy
}

/// `permit|deny [options] identity [as target] [cmd command [args …]]`
fn rule(words: &[String], place: &Location) -> Option<Rule> {
    let mut words = words.iter().map(String::as_str);
    let permits = match words.next()? {
        "permit" => true,
        "deny" => false,
        _ => return None,
    };
    let (mut nopass, mut word) = (false, words.next()?);
    while let "nopass" | "persist" | "keepenv" | "nolog" | "setenv" = word {
        nopass |= word == "nopass";
        if word == "setenv" {
            words.find(|word| *word == "}")?;
        }
        word = words.next()?;
    }
    let who = match word.strip_prefix(':') {
        Some(group) => format!("%{}", number(group)),
        None => number(word),
    };
    let (mut target, mut command) = (Name::All, Name::All);
    let mut word = words.next();
    if word == Some("as") {
        target = Name::Word(number(words.next()?).into());
        word = words.next();
    }
    if word == Some("cmd") {
        let mut text = escaped(words.next()?);
        if let Some(args) = words.next() {
            let list: Vec<String> = words.by_ref().map(escaped).collect();
            (args == "args").then_some(())?;
            text.push(' ');
            text.push_str(&match list.is_empty() {
                true => "\"\"".to_owned(),
                false => list.join(" "),
            });
        }
        command = Name::Word(text.into());
    } else if word.is_some() {
        return None;
    }
    let list = |name: Name| -> List {
        [Member {
            negated: false,
            name,
        }]
        .into()
    };
    Some(Rule {
        users: list(Name::Word(who.into())),
        hosts: list(Name::All),
        runas: Some(Rc::new(RunAs {
            users: Some(list(target)),
            groups: None,
        })),
        command: Member {
            negated: !permits,
            name: command,
        },
        limited: false,
        nopasswd: Some(nopass),
        place: place.clone(),
    })
}

/// A number stands for an id.
fn number(name: &str) -> String {
    match name.parse::<u32>() {
        Ok(id) => format!("#{id}"),
        Err(_) => name.to_owned(),
    }
}

/// doas knows no wildcards.
fn escaped(word: &str) -> String {
    let mut text = String::new();
    for c in word.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_one_rule() {
        let policy = parse(
            "# no\npermit nopass :wheel\npermit persist setenv { A=b PATH } ann as \\\n root cmd /bin/ls args \"a b\" c\ndeny ann cmd x args\npermit\nallow x\n",
        );
        let told = |rule: &Rule| {
            let Name::Word(who) = &rule.users[0].name else {
                panic!("a name");
            };
            (
                who.to_string(),
                rule.nopasswd,
                rule.command.negated,
                rule.place.line,
            )
        };
        let rules: Vec<_> = policy.rules.iter().map(told).collect();
        assert_eq!(
            rules,
            [
                ("%wheel".into(), Some(true), false, 2),
                ("ann".into(), Some(false), false, 3),
                ("ann".into(), Some(false), true, 5),
            ]
        );
        assert_eq!(
            policy.rules[1].command.name,
            Name::Word("/bin/ls a b c".into())
        );
        let lines: Vec<usize> = policy.troubles.iter().map(|t| t.place.line).collect();
        assert_eq!(lines, [6, 7]);
    }
}
