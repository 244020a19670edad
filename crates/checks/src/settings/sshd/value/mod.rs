//! The words after a keyword, read as sshd reads them, and put as `sshd -T` prints them (servconf.c, misc.c).

mod lists;
mod network;
mod numbers;
mod penalties;

pub(super) use numbers::{number, port};
pub(super) use penalties::Penalties;

use super::address;
use super::algorithms::assemble;
use super::build::Build;
use super::history::{FRACTIONS, Number, SHELL_WORDS};
use super::keyword::{Keyword, Kind};
use lists::{none_alone, some};
use network::class;
use numbers::{blocks, mask, rekey, startups, time};

/// A line without its keyword.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// The keyword that it is for.
    pub(super) keyword: &'a Keyword,
    /// The words that follow it.
    pub(super) words: &'a [String],
    /// The text that they were split from.
    pub(super) rest: &'a str,
    /// What reads it.
    pub(super) build: Build,
}

/// What lines before have left that a later line builds on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Earlier {
    /// The rate of the last MaxStartups.
    rate: Option<i64>,
    penalties: Penalties,
}

impl Line<'_> {
    fn name(&self) -> &'static str {
        self.keyword.name
    }

    /// The only word.
    fn one(&self) -> Result<&str, String> {
        let name = self.name();
        match self.words {
            [] => Err(format!("{name} missing argument")),
            [word] if word.is_empty() => Err(format!("{name} missing argument")),
            [word] => Ok(word),
            _ => Err(format!("keyword {name} extra arguments at end of line")),
        }
    }

    /// The only word as `read` puts it.
    fn with<T: ToString>(&self, read: impl Fn(&str) -> Option<T>) -> Result<String, String> {
        let word = self.one()?;
        let value = read(word).ok_or_else(|| self.invalid(word))?;
        Ok(value.to_string())
    }

    fn invalid(&self, value: &str) -> String {
        format!("{}: invalid value \"{value}\"", self.name())
    }

    /// The text after the keyword, as it stands.
    fn text(&self) -> Result<&str, String> {
        match self.rest.trim_start_matches([' ', '\t', '\r', '\n']) {
            "" => Err(format!("{} missing argument", self.name())),
            text => Ok(text),
        }
    }
}

/// The value in words; a reason where sshd refuses it.
pub(super) fn read(line: &Line<'_>, earlier: &mut Earlier) -> Result<Vec<String>, String> {
    let version = line.build.number;
    match line.keyword.kind {
        // Before words were split as a shell would, the loop over them ended at an empty one.
        Kind::Users | Kind::Groups | Kind::Variables
            if version < SHELL_WORDS && line.words.first().is_some_and(String::is_empty) =>
        {
            Ok(Vec::new())
        }
        Kind::Users => some(line, |word| lists::good_user(word, version)),
        Kind::Groups => some(line, |word| !word.is_empty()),
        Kind::Variables => some(line, |word| !word.is_empty() && !word.contains('=')),
        Kind::Assignments => lists::assignments(line),
        Kind::FileList if line.name() == "revokedkeys" && version < FRACTIONS => {
            Ok(vec![absolute(line.one()?)])
        }
        Kind::FileList => lists::files(line),
        Kind::Verbose => none_alone(line, |word| !word.is_empty()),
        Kind::ChannelTimes => none_alone(line, |word| lists::channel_time(word, version)),
        Kind::Methods if line.words.is_empty() => Err(format!("no {} specified", line.name())),
        Kind::Methods => some(line, |word| lists::good_methods(word, line.build)),
        Kind::Rekey => {
            rekey(line.words, version).ok_or_else(|| line.invalid(&line.words.join(" ")))
        }
        Kind::Open | Kind::Bind => lists::permits(line, line.keyword.kind),
        Kind::Penalties => {
            let default = line.keyword.default(version);
            earlier
                .penalties
                .add(line.words, default, version)
                .map_err(|reason| format!("{}: {reason}", line.name()))?;
            Ok(vec![earlier.penalties.shown(default)])
        }
        Kind::Startups => {
            let invalid = || format!("Invalid {} spec", line.name());
            let [begin, rate, full] =
                startups(line.one()?, version, earlier.rate).ok_or_else(invalid)?;
            earlier.rate = Some(rate);
            Ok(vec![format!("{begin}:{rate}:{full}")])
        }
        _ => single(line).map(|value| vec![value]),
    }
}

/// Of keywords with a value that is printed as one.
fn single(line: &Line<'_>) -> Result<String, String> {
    let version = line.build.number;
    let name = line.name();
    match line.keyword.kind {
        Kind::State(states) => state(line, states),
        Kind::KeepAlive => state(line, keep_alive(version)),
        Kind::Number => line.with(number),
        Kind::Time | Kind::IdleTime => match line.one()? {
            none if line.keyword.kind == Kind::IdleTime && none.eq_ignore_ascii_case("none") => {
                Ok("none".into())
            }
            _ => line.with(|word| time(word, version)),
        },
        Kind::Mask => line.with(mask),
        Kind::File => Ok(file(name, line.one()?)),
        Kind::Word => Ok(none_folded(line.one()?)),
        Kind::Rest => line.text().map(none_folded),
        Kind::Command => match line.text()? {
            text if text.starts_with('/') || text.eq_ignore_ascii_case("none") => {
                Ok(none_folded(text))
            }
            _ => Err(format!("{name} must be an absolute path")),
        },
        Kind::Algorithms(family) => {
            line.with(|word| assemble(family, word, line.keyword.default(version), version))
        }
        Kind::Port => line
            .with(|word| port(word).filter(|port| *port > 0))
            .map_err(|_| "Badly formatted port number".into()),
        Kind::Listen => network::listen(line.words),
        Kind::Files => Ok(absolute(line.one()?)),
        Kind::Subsystem => match line.words {
            [subsystem, command, ..] if !subsystem.is_empty() && !command.is_empty() => {
                Ok(line.words.join(" "))
            }
            _ => Err(format!("{name} missing argument")),
        },
        Kind::PerSource => match line.one()? {
            "none" => Ok("none".into()),
            _ => line.with(number),
        },
        Kind::Blocks => line.with(|word| blocks(word, version)),
        Kind::Tunnel => line.with(|word| {
            ["point-to-point", "ethernet", "yes", "no"]
                .contains(&word)
                .then_some(word.to_owned())
        }),
        Kind::Qos => qos(line),
        Kind::Environment => line.one().map(str::to_owned),
        Kind::KeyOptions => key_options(line),
        Kind::AgentSocket => line.with(agent_socket),
        Kind::Addresses => line.with(|word| {
            address::in_list(None, word)?;
            Some(none_folded(word))
        }),
        Kind::Facility => line.with(|word| listed(word, &FACILITIES)),
        Kind::Level => line.with(level),
        Kind::Hash => {
            line.with(|word| listed(word, &["MD5", "SHA1", "SHA256", "SHA384", "SHA512"]))
        }
        _ => Err("setting RDomain not supported on this platform".into()),
    }
}

const FACILITIES: [&str; 12] = [
    "DAEMON", "USER", "AUTH", "AUTHPRIV", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4",
    "LOCAL5", "LOCAL6", "LOCAL7",
];
const LEVELS: [&str; 8] = [
    "SILENT", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3",
];

/// LogLevel: of two names of one level the first in log.c is printed.
fn level(word: &str) -> Option<String> {
    match word.to_ascii_uppercase().as_str() {
        "QUIET" => Some("SILENT".into()),
        "DEBUG1" => Some("DEBUG".into()),
        upper => listed(upper, &LEVELS),
    }
}

/// Words as written, and how each is printed.
type States = &'static [(&'static str, &'static str)];

fn state(line: &Line<'_>, states: States) -> Result<String, String> {
    let word = line.one()?;
    states
        .iter()
        .find(|(written, _)| written.eq_ignore_ascii_case(word))
        .map(|(_, printed)| (*printed).to_owned())
        .ok_or_else(|| format!("{}: unsupported option \"{word}\"", line.name()))
}

/// TCPKeepAlive, which names layers since 10.6.
fn keep_alive(version: Number) -> States {
    match version < (10, 6) {
        true => &[("yes", "yes"), ("no", "no")],
        false => &[
            ("yes", "true"),
            ("true", "true"),
            ("transport", "true"),
            ("no", "false"),
            ("false", "false"),
            ("all", "all"),
        ],
    }
}

fn qos(line: &Line<'_>) -> Result<String, String> {
    let read = |word: &str| class(word, line.build).ok_or_else(|| line.invalid(word));
    match line.words {
        [one] | [one, _] if one.is_empty() => Err(format!("{} missing argument", line.name())),
        [one] => read(one).map(|class| format!("{class} {class}")),
        [interactive, bulk] => Ok(format!("{} {}", read(interactive)?, read(bulk)?)),
        _ => line.one().map(str::to_owned),
    }
}

/// PubkeyAuthOptions; `max-pk-ok:N` since 10.6, of which the last counts.
fn key_options(line: &Line<'_>) -> Result<String, String> {
    let name = line.name();
    let counted = line.build.number >= (10, 6);
    let mut keys = None;
    let mut set = [("touch-required", false), ("verify-required", false)];
    for word in line.words {
        if let Some(count) = word.strip_prefix("max-pk-ok:").filter(|_| counted) {
            let count = number(count).filter(|keys| *keys <= 255);
            keys = Some(count.ok_or_else(|| format!("bad {name} value: {word}"))?);
            continue;
        }
        let option = set
            .iter_mut()
            .find(|(option, _)| option.eq_ignore_ascii_case(word));
        match option {
            Some((_, on)) => *on = true,
            None if word.eq_ignore_ascii_case("none") => {}
            None => return Err(format!("unsupported {name} option {word}")),
        }
    }
    let on = set.iter().filter(|(_, on)| *on).map(|(option, _)| *option);
    let mut shown: Vec<String> = on.map(str::to_owned).collect();
    if shown.is_empty() {
        shown.push("none".into());
    }
    shown.extend(keys.map(|keys| format!("max-pk-ok:{keys}")));
    Ok(shown.join(" "))
}

fn agent_socket(word: &str) -> Option<String> {
    let below_home = word
        .strip_prefix("user:")
        .is_some_and(|path| !path.is_empty());
    (below_home || word == "none").then(|| word.to_owned())
}

fn listed(word: &str, known: &[&str]) -> Option<String> {
    known
        .iter()
        .find(|known| known.eq_ignore_ascii_case(word))
        .map(|known| (*known).to_owned())
}

fn joined(words: &[String]) -> Vec<String> {
    match words.is_empty() {
        true => Vec::new(),
        false => vec![words.join(" ")],
    }
}

/// `none`, in whatever case, is printed in lower case.
fn none_folded(text: &str) -> String {
    match text.eq_ignore_ascii_case("none") {
        true => "none".into(),
        false => text.to_owned(),
    }
}

fn file(name: &str, word: &str) -> String {
    match (name, word) {
        ("hostkeyagent", "SSH_AUTH_SOCK") => word.to_owned(),
        ("securitykeyprovider", word) if word.eq_ignore_ascii_case("internal") => word.to_owned(),
        _ => absolute(word),
    }
}

/// Names are taken below `/`, where the daemon runs.
fn absolute(word: &str) -> String {
    match word.starts_with(['/', '%', '~']) || word.eq_ignore_ascii_case("none") {
        true => none_folded(word),
        false => format!("/{word}"),
    }
}
