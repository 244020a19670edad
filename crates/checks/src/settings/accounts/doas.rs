//! doas.conf(5) of OpenDoas, turned into the rules that sudo's evaluation knows: the last rule that fits decides there
//! as well.

use super::sudo::{self, Judged};
use super::sudoers::{
    self, Dialect, Grants, Links, List, Location, Member, Name, Policy, Rule, RunAs,
};
use crate::settings::context::Context;
use crate::settings::users::Users;
use agent_core::bounds;
use agent_core::os::node;
use std::iter::Peekable;
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
            let policy = match parse(&bytes) {
                Ok(policy) => policy,
                Err(line) => {
                    let reason = format!("{CONF} (a syntax error in line {line})");
                    judged.ignored.push(reason);
                    return Some(judged);
                }
            };
            judged.grants = sudoers::without_password(&policy, Dialect::SudoRs, users, None, links);
            if policy.rules.iter().any(|rule| !rule.command.negated) {
                sudo::stack(context, "doas", &mut judged.grants);
            }
        }
    }
    Some(judged)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    /// A word of the language.
    Keyword(&'static str),
    /// Any other, or one with a quote or a line's end in it.
    Word(String),
}

/// What stands in one line, and the number of its last.
type Line = (usize, Vec<Token>);

const KEYWORDS: [&str; 10] = [
    "deny", "permit", "as", "cmd", "args", "nopass", "persist", "keepenv", "nolog", "setenv",
];
/// Bytes that a word may have.
// Own bound: of doas.
const LONGEST: usize = 1023;

/// The tokens of each line (parse.y, `yylex`); an error has the number of the line.
fn lines(text: &[u8]) -> Result<Vec<Line>, usize> {
    let (mut found, mut tokens) = (Vec::new(), Vec::new());
    let mut line: usize = 1;
    let mut rest = text.iter().copied().peekable();
    // What a backslash at the end of a line leaves to the next word, if it stands alone.
    let mut plain = false;
    while let Some(byte) = rest.next() {
        let token = match byte {
            b' ' | b'\t' => continue,
            b'#' => {
                while rest.next_if(|byte| *byte != b'\n').is_some() {}
                continue;
            }
            b'\n' => {
                if !tokens.is_empty() {
                    found.push((line, std::mem::take(&mut tokens)));
                }
                line = line.saturating_add(1);
                plain = false;
                continue;
            }
            b'{' => Token::Open,
            b'}' => Token::Close,
            byte => {
                let (word, is_plain) = word(byte, &mut rest, &mut line).ok_or(line)?;
                plain |= is_plain;
                match word {
                    None => continue,
                    Some(word) => match KEYWORDS.into_iter().find(|known| *known == word) {
                        Some(known) if !plain => Token::Keyword(known),
                        _ => Token::Word(word),
                    },
                }
            }
        };
        plain = false;
        tokens.push(token);
    }
    // A line that does not end is none.
    match tokens.is_empty() {
        true => Ok(found),
        false => Err(line),
    }
}

/// One word, quotes and backslashes taken off, and whether it is none of the language's; no word where there were nothing
/// but ends of lines behind backslashes. `None` where doas complains.
fn word(
    first: u8,
    rest: &mut Peekable<impl Iterator<Item = u8>>,
    line: &mut usize,
) -> Option<(Option<String>, bool)> {
    let (mut word, mut plain, mut was_quoted) = (Vec::new(), false, false);
    let (mut quoted, mut escaped) = (false, false);
    let mut next = Some(first);
    while let Some(byte) = next {
        match byte {
            0 => return None,
            b'\\' if !escaped => escaped = true,
            b'\n' if quoted => return None,
            b'\n' => {
                (plain, escaped) = (true, false);
                *line = line.saturating_add(1);
            }
            b'"' if !escaped => {
                quoted = !quoted;
                (plain, was_quoted) = (true, true);
            }
            byte => {
                word.push(byte);
                escaped = false;
            }
        }
        let ends = |byte: &u8| match byte {
            b'\n' => !escaped && !quoted,
            byte => !escaped && !quoted && matches!(byte, b'{' | b'}' | b'#' | b' ' | b'\t'),
        };
        next = rest.next_if(|byte| !ends(byte));
    }
    if quoted || escaped || word.len() > LONGEST {
        return None;
    }
    let is_word = was_quoted || !word.is_empty();
    let word = String::from_utf8_lossy(&word).into_owned();
    Some((is_word.then_some(word), plain))
}

/// The rules of a file; an error, with which doas does nothing for anybody, has the number of its line.
fn parse(text: &[u8]) -> Result<Policy, usize> {
    let mut policy = Policy::default();
    let file: Rc<str> = CONF.into();
    for (line, tokens) in lines(text)? {
        let place = Location {
            file: Rc::clone(&file),
            line,
        };
        policy.rules.push(rule(&tokens, &place).ok_or(line)?);
    }
    Ok(policy)
}

/// `permit [options]|deny identity [as target] [cmd command [args …]]`
fn rule(tokens: &[Token], place: &Location) -> Option<Rule> {
    let mut tokens = tokens.iter().peekable();
    let permits = match tokens.next()? {
        Token::Keyword("permit") => true,
        Token::Keyword("deny") => false,
        _ => return None,
    };
    let nopass = match permits {
        true => options(&mut tokens)?,
        false => false,
    };
    let who = text(tokens.next()?)?;
    let who = match who.strip_prefix(':') {
        Some(group) => format!("%{}", number(group)),
        None => number(who),
    };
    let (mut target, mut command) = (Name::All, Name::All);
    if tokens.next_if_eq(&&Token::Keyword("as")).is_some() {
        target = Name::Word(number(text(tokens.next()?)?).into());
    }
    if tokens.next_if_eq(&&Token::Keyword("cmd")).is_some() {
        let mut line = escaped(text(tokens.next()?)?);
        if tokens.next_if_eq(&&Token::Keyword("args")).is_some() {
            let list: Option<Vec<String>> = tokens
                .by_ref()
                .map(|token| text(token).map(escaped))
                .collect();
            let list = list?;
            line.push(' ');
            line.push_str(&match list.is_empty() {
                true => "\"\"".to_owned(),
                false => list.join(" "),
            });
        }
        command = Name::Word(line.into());
    }
    if tokens.next().is_some() {
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

/// Whether `nopass` is among the options; it goes with no `persist`, and `setenv` stands once.
fn options<'a>(tokens: &mut Peekable<impl Iterator<Item = &'a Token>>) -> Option<bool> {
    let (mut nopass, mut persist, mut setenv) = (false, false, false);
    loop {
        let is_option = |token: &&Token| {
            let Token::Keyword(name) = token else {
                return false;
            };
            matches!(*name, "nopass" | "persist" | "keepenv" | "nolog" | "setenv")
        };
        let Some(Token::Keyword(name)) = tokens.next_if(is_option) else {
            return Some(nopass);
        };
        nopass |= *name == "nopass";
        persist |= *name == "persist";
        if *name == "setenv" {
            (!setenv).then_some(())?;
            setenv = true;
            (tokens.next()? == &Token::Open).then_some(())?;
            while tokens.next_if(|token| text(token).is_some()).is_some() {}
            (tokens.next()? == &Token::Close).then_some(())?;
        }
        (!(nopass && persist)).then_some(())?;
    }
}

fn text(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) => Some(word),
        _ => None,
    }
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
            b"# no\npermit nopass :wheel\npermit persist setenv { A=b PATH } ann as \\\n root cmd /bin/ls args \"a b\" c\ndeny ann cmd x args\n",
        );
        let policy = policy.expect("no error");
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
                ("ann".into(), Some(false), false, 4),
                ("ann".into(), Some(false), true, 5),
            ]
        );
        assert_eq!(
            policy.rules[1].command.name,
            Name::Word("/bin/ls a b c".into())
        );
    }

    /// As `doas -C` of OpenDoas 6.8.2 takes each.
    #[test]
    fn what_doas_takes_for_an_error() {
        for text in [
            "permit nopass eve",
            "permit nopass persist eve\n",
            "permit persist nopass eve\n",
            "permit \"nopass\" eve\n",
            "permit \\\n nopass eve\n",
            "permit nop\\\nass eve\n",
            "permit\\\n nopass eve\n",
            "permit nopass eve as root cmd ls args a as\n",
            "permit setenv { as } eve\n",
            "permit setenv { A=b } setenv { B=c } eve\n",
            "permit setenv { A=b\nB=c } eve\n",
            "deny nopass eve\n",
            "permit eve # x",
            "permit eve cmd ls args { }\n",
            "permit eve cmd ls a\n",
            "permit eve as root as root\n",
            "permit \"eve\n",
            "permit eve\\",
            "\"permit\" eve\n",
            "permit nopass eve\n\nbogus\n",
            "permit nopass as root\n",
            "permit nopass cmd\n",
            "permit eve \"\" \n",
            "permit eve \\\n as root\n",
            "permit ev\0e\n",
            &format!("permit {}\n", "a".repeat(1024)),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        for text in [
            "",
            "# x",
            "permit nop\\ass eve\n",
            "permit nopass eve as \"root\"\n",
            "permit setenv { } eve\n",
            "permit nopass nopass keepenv nolog eve\n",
            "deny eve\n",
            "permit eve#x\n",
            "permit \"\"\n",
            "permit eve cmd ls args \"\"\n",
            "permit \"nopass eve\"\n",
            "permit setenv{A=b}eve\n",
            "permit eve\r\n",
            " \t\n\tpermit\tnopass\teve\n",
            "permit nopass \\\n \\\n eve\n",
            "permit eve \\\n\n",
            "permit eve\\\n as root\n",
            &format!("permit {}\n", "a".repeat(1023)),
        ] {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
