//! chronyd: its sources, and whether it sets the clock by them (chronyd(8), chrony.conf(5)).

use super::time::{Lack, hosts};
use crate::settings::budget::Budget;
use crate::settings::context::Context;
use crate::settings::sshd::{commands, environments, inherited};
use crate::settings::systemd::UNTOLD;
use agent_packages::{DatabaseKind, detect};
use std::collections::BTreeSet;

const KEYWORDS: [&str; 4] = ["server", "pool", "peer", "refclock"];
const UNITS: [&str; 2] = ["chronyd.service", "chrony.service"];
/// What the Debian family builds in, and what all others do.
const PLACES: [&str; 2] = ["/etc/chrony/chrony.conf", "/etc/chrony.conf"];
/// Patterns of files that are read.
// Own bound: files may name each other in a circle.
const PATTERNS: usize = 100;

/// The sources that it goes by.
pub(super) fn sources(context: &Context<'_>) -> Result<Vec<String>, Lack> {
    let options = options(context)?;
    if options.iter().any(|options| options.keeps_off) {
        let why = "is started with -x (or -Q), and leaves the clock alone";
        return Err(Lack::Known(why.into()));
    }
    if options.iter().any(|options| options.configured) {
        let why = "the configuration stands on its command line, and is not read";
        return Err(Lack::Unknown(why.into()));
    }
    let mut places: Vec<&str> = options
        .iter()
        .filter_map(|found| found.file.as_deref())
        .collect();
    places.dedup();
    let place = match places.as_slice() {
        [] => usual(context)?,
        [one] => one,
        _ => {
            return Err(Lack::Unknown(
                "it is started with one of several files".into(),
            ));
        }
    };
    let mut found = (Vec::new(), false);
    let mut pending = vec![place.to_owned()];
    let mut seen = BTreeSet::new();
    let mut budget = Budget::default();
    while let Some(place) = pending.pop() {
        if !seen.insert(place.clone()) {
            continue;
        }
        if seen.len() > PATTERNS {
            return Err(Lack::Unknown(format!(
                "{place}: files are named without end"
            )));
        }
        for (_, text) in budget.files(context, &[&place])? {
            read(&text, &mut found);
            for line in text.lines() {
                let mut words = line.split_whitespace();
                let keyword = words.next().unwrap_or_default().to_ascii_lowercase();
                let named = words.map(str::to_owned);
                match keyword.as_str() {
                    "include" => pending.extend(named),
                    "confdir" => pending.extend(named.map(|dir| format!("{dir}/*.conf"))),
                    "sourcedir" => pending.extend(named.map(|dir| format!("{dir}/*.sources"))),
                    _ => {}
                }
            }
        }
    }
    let (mut sources, offline) = found;
    if sources.is_empty() && offline {
        let why = "all sources are `offline` until somebody tells chronyd otherwise";
        return Err(Lack::Unknown(why.into()));
    }
    sources.sort();
    sources.dedup();
    Ok(sources)
}

/// Adds the sources of a text, and whether there are some that are not asked until chronyc(1) says so.
fn read(text: &str, (sources, offline): &mut (Vec<String>, bool)) {
    for line in text.lines() {
        let found = hosts(line, &KEYWORDS);
        let waits = line.split_whitespace().skip(2);
        let mut waits = waits.filter(|word| word.eq_ignore_ascii_case("offline"));
        match waits.next() {
            Some(_) => *offline |= !found.is_empty(),
            None => sources.extend(found),
        }
    }
}

/// The file that its package builds in.
fn usual(context: &Context<'_>) -> Result<&'static str, Lack> {
    let [debian, others] = PLACES;
    let there = |path: &str| {
        let found = context.root.resolve(path.as_bytes(), true);
        found.is_ok_and(|found| found.handle.is_some())
    };
    match detect(context.root) {
        DatabaseKind::Dpkg => Ok(debian),
        DatabaseKind::Rpm => Ok(others),
        DatabaseKind::None => match (there(debian), there(others)) {
            (true, true) => Err(Lack::Unknown(format!(
                "whether it reads {debian} or {others} is not known"
            ))),
            (true, false) => Ok(debian),
            _ => Ok(others),
        },
    }
}

/// What a command line of chronyd says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// It does not set the clock.
    keeps_off: bool,
    /// `-f FILE`
    file: Option<String>,
    /// Words that are no options stand for the configuration.
    configured: bool,
}

/// Those of the unit that is started.
fn options(context: &Context<'_>) -> Result<Vec<Options>, Lack> {
    let (root, units) = (context.root, context.units());
    let Some((unit, _)) = units.first_started(root, &UNITS) else {
        return Ok(Vec::new());
    };
    let untold = || Lack::Unknown(format!("the command line of {unit} cannot be told"));
    let all = environments(root, units, unit, &inherited(context));
    let lines = units.values(root, unit, "Service", "ExecStart");
    let mut found = Vec::new();
    for environment in &all {
        for line in &lines {
            let commands = commands(&line.value, unit, environment).ok_or_else(untold)?;
            if commands.iter().flatten().any(|word| word.contains(UNTOLD)) {
                return Err(untold());
            }
            let words = commands.into_iter().filter_map(|command| {
                let at = command.iter().position(|word| word.ends_with("chronyd"))?;
                command.get(at.saturating_add(1)..).map(<[String]>::to_vec)
            });
            found.extend(words.map(|words| of_words(&words)));
        }
    }
    Ok(found)
}

/// As getopt(3) takes them by chronyd's letters.
fn of_words(words: &[String]) -> Options {
    let mut found = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(mut letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            found.configured |= !word.is_empty();
            continue;
        };
        while let Some(letter) = letters.chars().next() {
            let rest = letters.get(letter.len_utf8()..).unwrap_or_default();
            if "fFlLPtu".contains(letter) {
                let value = match rest.is_empty() {
                    true => words.next().cloned(),
                    false => Some(rest.to_owned()),
                };
                if letter == 'f' {
                    found.file = value;
                }
                break;
            }
            found.keeps_off |= matches!(letter, 'x' | 'Q');
            letters = rest;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_chronyd() {
        for (line, keeps_off, file, configured) in [
            ("-F 1", false, None, false),
            ("-F 1 -x", true, None, false),
            ("-dx", true, None, false),
            ("-F -1 -u _chrony", false, None, false),
            ("-f /x -n", false, Some("/x"), false),
            ("-f/x", false, Some("/x"), false),
            ("-n server", false, None, true),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let file = file.map(str::to_owned);
            let expected = Options {
                keeps_off,
                file,
                configured,
            };
            assert_eq!(of_words(&words), expected, "{line}");
        }
    }

    #[test]
    fn sources_that_wait_to_be_told() {
        let mut found = (Vec::new(), false);
        read("server 169.254.169.123 iburst offline\n", &mut found);
        assert_eq!(found, (Vec::new(), true));
        read("server a offline\nserver b iburst\n", &mut found);
        assert_eq!(found, (vec!["b".to_owned()], true));
    }
}
