//! One sudoers file to its entries (gram.y). A line that is not understood is told, and the next one read: so
//! does sudo since 1.9.3.

use super::lexer::Lexer;
use super::rs;
use super::{
    Dialect, Kind, List, Location, Member, Name, Policy, Rule, RunAs, Scope, Setting, Trouble,
};
use agent_core::bounds;
use agent_core::bytes;
use std::net::Ipv6Addr;
use std::rc::Rc;

const TAGS: [&str; 16] = [
    "NOPASSWD",
    "PASSWD",
    "NOEXEC",
    "EXEC",
    "INTERCEPT",
    "NOINTERCEPT",
    "SETENV",
    "NOSETENV",
    "LOG_OUTPUT",
    "NOLOG_OUTPUT",
    "LOG_INPUT",
    "NOLOG_INPUT",
    "MAIL",
    "NOMAIL",
    "FOLLOW",
    "NOFOLLOW",
];
const OPTIONS: [&str; 10] = [
    "CWD",
    "CHROOT",
    "NOTBEFORE",
    "NOTAFTER",
    "TIMEOUT",
    "ROLE",
    "TYPE",
    "APPARMOR_PROFILE",
    "PRIVS",
    "LIMITPRIVS",
];

/// What to read in place of an `include` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Include {
    File(String),
    Directory(String),
}

/// Reads `text`, handing each include to `include` at its place among the lines.
pub(super) fn read(
    text: &[u8],
    file: &Rc<str>,
    dialect: Dialect,
    policy: &mut Policy,
    include: &mut dyn FnMut(&mut Policy, Include, Location),
) {
    let mut lexer = Lexer::new(text);
    while !lexer.rest().is_empty() {
        let place = Location {
            file: Rc::clone(file),
            line: lexer.line,
        };
        if lexer.at_line_start()
            && let Some(found) = lexer.attempt(included)
        {
            lexer.skip_line();
            include(policy, found, place);
            continue;
        }
        if lexer.end_of_line() {
            continue;
        }
        let before = (policy.rules.len(), policy.settings.len());
        let mut entry = LineParser {
            place,
            policy,
            refused: false,
            aliases: Vec::new(),
        };
        lexer.odd_escape = false;
        let read = entry.read(&mut lexer);
        entry.refused |= lexer.odd_escape;
        if dialect == Dialect::SudoRs && (entry.refused || read.is_none()) {
            entry.take_back(before);
        }
        let most = bounds::SUDOERS_RULES;
        // A line is left in its middle where the bound is reached: that is no error of syntax.
        if policy.rules.len() <= most && (read.is_none() || !lexer.end_of_line()) {
            let place = Location {
                file: Rc::clone(file),
                line: lexer.line,
            };
            lexer.skip_line();
            policy.troubles.push(Trouble {
                reason: "syntax error".into(),
                place,
            });
        }
        if policy.rules.len() > most || policy.troubles.len() > most {
            policy.troubles.push(Trouble {
                reason: format!("more than {most} rules"),
                place: Location {
                    file: Rc::clone(file),
                    line: lexer.line,
                },
            });
            return;
        }
    }
}

/// `#include`, `#includedir` at the very start of a line, or with `@` after blanks.
fn included(lexer: &mut Lexer<'_>) -> Option<Include> {
    let sign = if lexer.blanks() { &b"@"[..] } else { b"#@" };
    if !lexer.peek().is_some_and(|byte| sign.contains(&byte))
        || !bytes::behind(lexer.rest(), 1).starts_with(b"include")
    {
        return None;
    }
    lexer.advance("#include".len());
    let directory = lexer.rest().starts_with(b"dir");
    lexer.advance(if directory { 3 } else { 0 });
    if !lexer.blanks() {
        return None;
    }
    let name = lexer.file_name()?;
    Some(match directory {
        true => Include::Directory(name),
        false => Include::File(name),
    })
}

/// One entry, at its place.
struct LineParser<'a> {
    place: Location,
    policy: &'a mut Policy,
    /// Whether sudo-rs drops the line: it knows nothing of what stands there.
    refused: bool,
    /// The aliases that the line defines.
    aliases: Vec<(Kind, Rc<str>)>,
}

impl LineParser<'_> {
    /// Undoes the line; `before` is how many rules and settings stood before it.
    fn take_back(&mut self, before: (usize, usize)) {
        self.policy.rules.truncate(before.0);
        self.policy.settings.truncate(before.1);
        for key in self.aliases.drain(..) {
            self.policy.aliases.remove(&key);
        }
    }

    fn read(&mut self, lexer: &mut Lexer<'_>) -> Option<()> {
        lexer.blanks();
        if let Some(scope) = lexer.attempt(defaults) {
            return self.settings(lexer, scope);
        }
        if let Some(kind) = lexer.attempt(alias) {
            return self.aliases(lexer, kind);
        }
        let users = self.list(lexer, Kind::User)?;
        loop {
            let hosts = self.list(lexer, Kind::Host)?;
            if !lexer.take(b'=') {
                return None;
            }
            self.commands(lexer, &users, &hosts)?;
            if !lexer.take(b':') {
                return Some(());
            }
        }
    }

    /// `(runas) options tags digests command, …`: what is left out is as before in the list.
    fn commands(&mut self, lexer: &mut Lexer<'_>, users: &List, hosts: &List) -> Option<()> {
        let (mut runas, mut nopasswd, mut dated) = (None, None, false);
        loop {
            if lexer.take(b'(') {
                runas = Some(Rc::new(self.run_as(lexer)?));
            }
            while let Some(option) = lexer.attempt(option) {
                dated |= option.starts_with("NOT");
                self.refused |= !rs::knows_option(&option);
            }
            while let Some(tag) = lexer.attempt(tag) {
                match tag.as_str() {
                    "NOPASSWD" => nopasswd = Some(true),
                    "PASSWD" => nopasswd = Some(false),
                    tag => self.refused |= !rs::knows_tag(tag),
                }
            }
            let mut limited = dated;
            while lexer.attempt(digest).is_some() {
                limited = true;
                self.refused = true;
                lexer.take(b',');
            }
            let command = member(lexer, Kind::Command)?;
            self.refused |= !rs::knows(Kind::Command, &command.name);
            self.policy.rules.push(Rule {
                users: Rc::clone(users),
                hosts: Rc::clone(hosts),
                runas: runas.clone(),
                command,
                limited,
                nopasswd,
                place: self.place.clone(),
            });
            if self.policy.rules.len() > bounds::SUDOERS_RULES {
                return None;
            }
            if !lexer.take(b',') {
                return Some(());
            }
        }
    }

    /// `NAME = list : NAME = list`
    fn aliases(&mut self, lexer: &mut Lexer<'_>, kind: Kind) -> Option<()> {
        loop {
            let name = lexer.capitals().filter(|name| name != "ALL")?;
            if !lexer.take(b'=') {
                return None;
            }
            let members = self.list(lexer, kind)?;
            // A second alias of the name is an error, and the first one stands.
            let key = (kind, Rc::from(name));
            if self.policy.aliases.contains_key(&key) {
                return None;
            }
            self.aliases.push(key.clone());
            self.policy.aliases.insert(key, members);
            if !lexer.take(b':') {
                return Some(());
            }
        }
    }

    /// What stands in parentheses: users, then `:` and groups.
    fn run_as(&mut self, lexer: &mut Lexer<'_>) -> Option<RunAs> {
        lexer.blanks();
        let users = match lexer.peek()? {
            b')' | b':' => None,
            _ => Some(self.list(lexer, Kind::Runas)?),
        };
        let mut groups = None;
        if lexer.take(b':') {
            lexer.blanks();
            if lexer.peek() != Some(b')') {
                groups = Some(self.list(lexer, Kind::Runas)?);
            }
        }
        lexer.take(b')').then_some(RunAs { users, groups })
    }

    fn list(&mut self, lexer: &mut Lexer<'_>, kind: Kind) -> Option<List> {
        let mut members = vec![member(lexer, kind)?];
        while lexer.take(b',') {
            members.push(member(lexer, kind)?);
        }
        self.refused |= !members.iter().all(|member| rs::knows(kind, &member.name));
        Some(members.into())
    }

    fn settings(&mut self, lexer: &mut Lexer<'_>, scope: Scope) -> Option<()> {
        let kind = match scope {
            Scope::Everything => None,
            Scope::Users => Some(Kind::User),
            Scope::Runas => Some(Kind::Runas),
            Scope::Hosts => Some(Kind::Host),
            Scope::Commands => Some(Kind::Command),
        };
        let members = match kind {
            None => List::from([]),
            // Commands have no arguments here: a blank ends the list.
            Some(Kind::Command) => bare_commands(lexer)?.into(),
            Some(kind) => self.list(lexer, kind)?,
        };
        loop {
            let negated = lexer.negated();
            let name = lexer.variable()?;
            let mut value = None;
            for sign in [&b"+="[..], b"-=", b"="] {
                lexer.blanks();
                if lexer.rest().starts_with(sign) {
                    lexer.advance(sign.len());
                    value = Some(lexer.value()?);
                    break;
                }
            }
            self.policy.settings.push(Setting {
                scope,
                members: Rc::clone(&members),
                name,
                negated,
                value,
                place: self.place.clone(),
            });
            if !lexer.take(b',') {
                return Some(());
            }
        }
    }
}

/// `Defaults`, `Defaults:`, `Defaults>`, `Defaults@`, `Defaults!`
fn defaults(lexer: &mut Lexer<'_>) -> Option<Scope> {
    let rest = lexer.rest().strip_prefix(b"Defaults")?;
    let scope = match rest.first()? {
        b':' => Scope::Users,
        b'>' => Scope::Runas,
        b'@' => Scope::Hosts,
        b'!' => Scope::Commands,
        b' ' | b'\t' | b'\\' => Scope::Everything,
        _ => return None,
    };
    lexer.advance("Defaults".len());
    lexer.advance(usize::from(scope != Scope::Everything));
    Some(scope)
}

fn alias(lexer: &mut Lexer<'_>) -> Option<Kind> {
    let kinds = [
        (&b"User_Alias"[..], Kind::User),
        (b"Host_Alias", Kind::Host),
        (b"Runas_Alias", Kind::Runas),
        (b"Cmnd_Alias", Kind::Command),
        (b"Cmd_Alias", Kind::Command),
    ];
    let (word, kind) = kinds
        .into_iter()
        .find(|(word, _)| lexer.rest().starts_with(word))?;
    lexer.advance(word.len());
    lexer.blanks().then_some(kind)
}

fn tag(lexer: &mut Lexer<'_>) -> Option<String> {
    let name = lexer.capitals()?;
    (TAGS.contains(&name.as_str()) && lexer.take(b':')).then_some(name)
}

fn option(lexer: &mut Lexer<'_>) -> Option<String> {
    let name = lexer.capitals()?;
    (OPTIONS.contains(&name.as_str()) && lexer.take(b'=')).then_some(())?;
    lexer.value().map(|_| name)
}

fn digest(lexer: &mut Lexer<'_>) -> Option<()> {
    lexer.blanks();
    let names = [&b"sha224"[..], b"sha256", b"sha384", b"sha512"];
    let name = names
        .into_iter()
        .find(|name| lexer.rest().starts_with(name))?;
    lexer.advance(name.len());
    lexer.take(b':').then_some(())?;
    lexer.digest().map(|_| ())
}

fn member(lexer: &mut Lexer<'_>, kind: Kind) -> Option<Member> {
    let negated = lexer.negated();
    let name = match kind {
        Kind::Command => command(lexer)?,
        Kind::Host => match lexer.attempt(address) {
            Some(address) => Name::Word(address.into()),
            None => name(lexer)?,
        },
        Kind::User | Kind::Runas => name(lexer)?,
    };
    Some(Member { negated, name })
}

fn name(lexer: &mut Lexer<'_>) -> Option<Name> {
    let word = lexer.word()?;
    let text = word.text;
    // A group or netgroup without a name is an error.
    if matches!(text.as_str(), "%" | "%:" | "+") && !word.literal {
        return None;
    }
    if word.plain
        && let Some(name) = in_capitals(&text)
    {
        return Some(name);
    }
    // Behind a backslash a sign is a letter of the name like any other, which no account has.
    let is_sign = word.literal && text.starts_with(['%', '+']);
    Some(Name::Word(match is_sign {
        true => format!("\\{text}").into(),
        false => text.into(),
    }))
}

fn in_capitals(word: &str) -> Option<Name> {
    let alias = word.starts_with(|c: char| c.is_ascii_uppercase())
        && word
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    alias.then(|| match word {
        "ALL" => Name::All,
        word => Name::Alias(word.into()),
    })
}

fn command(lexer: &mut Lexer<'_>) -> Option<Name> {
    lexer.blanks();
    match lexer.peek()? {
        byte if byte.is_ascii_uppercase() => in_capitals(&lexer.capitals()?),
        _ => lexer.command().map(|command| Name::Word(command.into())),
    }
}

/// An IPv6 address or network: a bare word would end at its colons.
fn address(lexer: &mut Lexer<'_>) -> Option<String> {
    lexer.blanks();
    let length = lexer
        .rest()
        .iter()
        .take_while(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'/'))
        .count();
    let text = String::from_utf8_lossy(bytes::first(lexer.rest(), length)).into_owned();
    let address = text.split('/').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().ok()?;
    lexer.advance(length);
    Some(text)
}

fn bare_commands(lexer: &mut Lexer<'_>) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    loop {
        let negated = lexer.negated();
        let word = lexer.file_name_in_list()?;
        let name = in_capitals(&word).unwrap_or(Name::Word(word.into()));
        members.push(Member { negated, name });
        if !lexer.take(b',') {
            return Some(members);
        }
    }
}
