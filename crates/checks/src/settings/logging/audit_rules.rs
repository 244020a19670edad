//! What rules of auditctl(8) come to: how many make records, or what keeps all of them from doing so.

use super::targets::files;
use crate::settings::context::Context;
use agent_core::os::netlink::AuditRule;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// linux/audit.h
const TASK: u32 = 1;
const EXIT: u32 = 4;
const EXCLUDE: u32 = 5;
const FILESYSTEM: u32 = 6;
const IO_URING: u32 = 7;
const NEVER: u32 = 0;
const ALWAYS: u32 = 2;
/// Lists by the names that auditctl has for them.
const LISTS: [(&str, u32); 5] = [
    ("task", TASK),
    ("exit", EXIT),
    ("exclude", EXCLUDE),
    ("filesystem", FILESYSTEM),
    ("io_uring", IO_URING),
];

/// What rules come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// So many make records.
    On(usize),
    /// Nothing is recorded of what processes do, and why.
    Off(&'static str),
}

impl Rules {
    /// In the order in which the kernel asks them: of each list the first that matches decides.
    pub(super) fn of(rules: &[AuditRule]) -> Rules {
        let task = rules.iter().find(|rule| rule.list == TASK);
        if task.is_some_and(|rule| rule.action == NEVER && rule.is_broad) {
            // No process gets a context for its system calls, so that no rule on these finds anything.
            return Rules::Off("-a task,never");
        }
        // Whatever its action is said to be, this list drops.
        if rules
            .iter()
            .any(|rule| rule.list == EXCLUDE && rule.is_broad)
        {
            return Rules::Off("a rule on the list `exclude` drops all records");
        }
        let mut ended = Vec::new();
        let mut count: usize = 0;
        for rule in rules {
            let records = matches!(rule.list, EXIT | FILESYSTEM | IO_URING);
            match rule.action {
                NEVER if rule.is_broad => ended.push(rule.list),
                ALWAYS if records && !ended.contains(&rule.list) => count = count.saturating_add(1),
                _ => {}
            }
        }
        match count == 0 && ended.contains(&EXIT) {
            true => Rules::Off("a rule -a never,exit stands before all others"),
            false => Rules::On(count),
        }
    }

    pub(super) fn count(self) -> usize {
        match self {
            Rules::On(count) => count,
            Rules::Off(_) => 0,
        }
    }
}

/// Rules in the files of auditctl(8). Where there are parts, augenrules(8) makes the one file of them at boot.
pub(super) fn written(context: &Context<'_>) -> Result<Rules, String> {
    let parts = files(context, &["/etc/audit/rules.d/*.rules"])?;
    match parts.is_empty() {
        true => {
            let own = files(context, &["/etc/audit/audit.rules"])?;
            Ok(of_texts(own.iter().map(|(_, text)| text.as_str()), false))
        }
        false => Ok(of_texts(parts.iter().map(|(_, text)| text.as_str()), true)),
    }
}

/// `gathered`: by augenrules.
fn of_texts<'t>(texts: impl Iterator<Item = &'t str>, gathered: bool) -> Rules {
    let lines = texts.flat_map(str::lines);
    match gathered {
        true => loaded(gather(lines)),
        false => loaded(lines),
    }
}

/// The lines in the order of augenrules(8): of those that begin with `-e`, `-f`, `-b` and of a bare `-D` the last one counts.
fn gather<'t>(lines: impl Iterator<Item = &'t str>) -> impl Iterator<Item = &'t str> {
    let (mut clears, mut first, mut rest, mut enables) = (None, [None; 2], Vec::new(), None);
    for line in lines {
        let bare = line.trim();
        match bare.get(..2) {
            Some("-D") if bare == "-D" => clears = Some(line),
            Some("-b") => first[0] = Some(line),
            Some("-f") => first[1] = Some(line),
            Some("-e") => enables = Some(line),
            _ => rest.push(line),
        }
    }
    let head = clears.into_iter().chain(first.into_iter().flatten());
    head.chain(rest).chain(enables)
}

/// What the kernel has after auditctl has gone through the lines: at one that it refuses it ends, unless it was told to go on.
fn loaded<'t>(lines: impl Iterator<Item = &'t str>) -> Rules {
    let mut rules = InOrder::default();
    let (mut off, mut locked, mut goes_on) = (false, false, false);
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first().is_none_or(|word| word.starts_with('#')) {
            continue;
        }
        let options = options(&words);
        for option in options.iter().flatten() {
            match *option {
                ('i' | 'c', _) => goes_on = true,
                ('D', _) if !locked => rules = InOrder::default(),
                ('e', value) if !locked => {
                    off = value == "0";
                    // Until the next boot nothing changes any more.
                    locked = value == "2";
                }
                _ => {}
            }
        }
        match options.as_deref().map(change) {
            _ if locked => {}
            Ok(Change::First(key, rule)) => rules.add(key, rule, -1),
            Ok(Change::Last(key, rule)) => rules.add(key, rule, 1),
            Ok(Change::Gone(key)) => rules.remove(&key),
            Ok(Change::None) => {}
            Ok(Change::Refused) | Err(()) if goes_on => {}
            Ok(Change::Refused) | Err(()) => break,
        }
    }
    let rules: Vec<AuditRule> = rules.rules.into_values().collect();
    match off {
        true => Rules::Off("-e 0"),
        false => Rules::of(&rules),
    }
}

/// Rules as the kernel has them: each once.
#[derive(Default)]
struct InOrder {
    rules: BTreeMap<i64, AuditRule>,
    places: HashMap<String, i64>,
    count: i64,
}

impl InOrder {
    /// Behind all others, or before them where `side` is -1.
    fn add(&mut self, key: String, rule: AuditRule, side: i64) {
        self.count = self.count.saturating_add(1);
        if let Entry::Vacant(entry) = self.places.entry(key) {
            let place = self.count.saturating_mul(side);
            entry.insert(place);
            self.rules.insert(place, rule);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(place) = self.places.remove(key) {
            self.rules.remove(&place);
        }
    }
}

/// Options of auditctl that take a value, and those that take none (its getopt_long).
const VALUED: &str = "CefrbaAdSFmRwWkpq";
const PLAIN: &str = "hicslDvt";

/// The options of a line as getopt(3) takes them, wherever they stand: a value in the same word or the next one.
fn options<'t>(words: &[&'t str]) -> Result<Vec<(char, &'t str)>, ()> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if *word == "--" {
            break;
        }
        // Long ones, as --backlog_wait_time, change no rule; their values are words of their own.
        let Some(mut letters) = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else {
            continue;
        };
        while let Some(letter) = letters.chars().next() {
            let rest = letters.get(letter.len_utf8()..).unwrap_or_default();
            if VALUED.contains(letter) {
                let value = match rest.is_empty() {
                    true => words.next().ok_or(())?,
                    false => rest,
                };
                found.push((letter, value));
                break;
            }
            if !PLAIN.contains(letter) {
                return Err(());
            }
            found.push((letter, ""));
            letters = rest;
        }
    }
    Ok(found)
}

/// What a line does to the rules.
enum Change {
    None,
    /// Rules are told apart by what they say.
    Last(String, AuditRule),
    First(String, AuditRule),
    Gone(String),
    Refused,
}

/// `-a LIST,ACTION` in either order, or a watch; `-d` and `-W` take away what says the same.
fn change(options: &[(char, &str)]) -> Change {
    let refused = |(letter, value): &(char, &str)| match letter {
        'e' => !matches!(*value, "0" | "1" | "2"),
        'a' | 'A' | 'd' => !value.contains(','),
        'w' | 'W' => !value.starts_with('/'),
        _ => false,
    };
    if options.iter().any(refused) {
        return Change::Refused;
    }
    let mut last = options.iter().rev();
    let what = last.find(|(letter, _)| "aAdwW".contains(*letter));
    let Some((letter, target)) = what else {
        return Change::None;
    };
    let is_watch = matches!(letter, 'w' | 'W');
    let (list, action) = match (is_watch, target.split_once(',').unwrap_or_default()) {
        (true, _) => ("exit", "always"),
        (false, (first @ ("always" | "never" | "possible"), list)) => (list, first),
        (false, (list, action)) => (list, action),
    };
    let is_it = |option: &&(char, &str)| !"aAdwW".contains(option.0);
    let mut said: Vec<String> = options
        .iter()
        .filter(is_it)
        .map(|(letter, value)| format!("-{letter} {value}"))
        .collect();
    said.sort();
    let path = if is_watch { target } else { "" };
    let key = format!("{list} {action} {path} {}", said.join(" "));
    let number = LISTS.iter().find(|(name, _)| *name == list);
    let rule = AuditRule {
        list: number.map_or(u32::MAX, |(_, number)| *number),
        action: if action == "never" { NEVER } else { ALWAYS },
        is_broad: !is_watch && !options.iter().any(narrows),
    };
    match letter {
        'A' => Change::First(key, rule),
        'd' | 'W' => Change::Gone(key),
        _ => Change::Last(key, rule),
    }
}

/// Whether an option makes a rule be about less than everything.
fn narrows((letter, value): &(char, &str)) -> bool {
    match letter {
        'S' => *value != "all",
        'F' => {
            let operator = value.find(['=', '!', '<', '>', '&']);
            let (name, rest) = value
                .split_at_checked(operator.unwrap_or(0))
                .unwrap_or_default();
            rest.starts_with('=') && name != "arch"
        }
        'C' | 'p' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // Its table of cases is what is long.
    #[allow(clippy::too_many_lines)]
    fn the_first_rule_of_a_list_that_matches_decides() {
        const WATCH: &str = "-w /etc/passwd -p wa -k id";
        const CALLS: &str = "-a always,exit -F arch=b64 -S execve -k run";
        let never = |rule: &str| format!("{rule}\n{WATCH}\n{CALLS}");
        let first = "a rule -a never,exit stands before all others";
        let exclude = "a rule on the list `exclude` drops all records";
        for (text, rules) in [
            (
                format!("{WATCH}\n# {WATCH}\n{CALLS}\n-e 2\n-D"),
                Rules::On(2),
            ),
            (
                never("-D\n-b 8192\n-a exit,never -F exe=/usr/bin/vmtoolsd"),
                Rules::On(2),
            ),
            (
                never("-a never,exit -S all -F path=/var/log/tallylog"),
                Rules::On(2),
            ),
            (never("-a never,exit -F arch=b64 -S adjtimex"), Rules::On(2)),
            (never("-a never,exit"), Rules::Off(first)),
            (never("-a exit,never -F arch=b64 -S all"), Rules::Off(first)),
            (never("-a never,exit -F auid>=0"), Rules::Off(first)),
            (format!("{WATCH}\n-A never,exit -S all"), Rules::Off(first)),
            (
                format!("{WATCH}\n-a never,exit -S all\n{CALLS}"),
                Rules::On(1),
            ),
            (never("-a never,task"), Rules::Off("-a task,never")),
            (never("-a always,exclude -F msgtype=CWD"), Rules::On(2)),
            (
                never("-a always,exclude -F msgtype>=0"),
                Rules::Off(exclude),
            ),
            (
                never("-a never,exclude -F msgtype!=LOGIN"),
                Rules::Off(exclude),
            ),
            ("-a always,exclude -F msgtype=CWD".into(), Rules::On(0)),
            ("-a always,task".into(), Rules::On(0)),
            (format!("{WATCH}\n-e 0"), Rules::Off("-e 0")),
            (format!("-e 0\n{WATCH}\n-e 1"), Rules::On(1)),
            (format!("{WATCH}\n-D"), Rules::On(0)),
            (format!("{WATCH}\n-e0"), Rules::Off("-e 0")),
            (format!("{WATCH}\n-b 8192 -e 0"), Rules::Off("-e 0")),
            (format!("{WATCH}\n-ie 0"), Rules::Off("-e 0")),
            (never("-anever,task"), Rules::Off("-a task,never")),
            (never("-S all -a never,exit"), Rules::Off(first)),
            (never("-Farch=b64 -Sall -anever,exit"), Rules::Off(first)),
            (never("-k x -a never,exit -S execve"), Rules::On(2)),
            ("-w/etc/passwd -pwa -kid".into(), Rules::On(1)),
            (format!("{WATCH}\n-W /etc/passwd -p wa -k id"), Rules::On(0)),
            (
                format!("{CALLS}\n-d exit,always -k run -S execve -F arch=b64"),
                Rules::On(0),
            ),
            (format!("-e 3\n{WATCH}"), Rules::On(0)),
            (format!("-c\n-e 3\n-a never\n{WATCH}"), Rules::On(1)),
            (format!("--backlog_wait_time 60000\n{WATCH}"), Rules::On(1)),
            (
                format!("{WATCH}\n--loginuid-immutable\n-f 1\n-r 0"),
                Rules::On(1),
            ),
        ] {
            assert_eq!(
                of_texts([text.as_str()].into_iter(), false),
                rules,
                "{text}"
            );
        }
        let gathered = |text: &str| of_texts(text.split('|'), true);
        assert_eq!(gathered(&format!("{WATCH}|-D|-e 2")), Rules::On(1));
        assert_eq!(gathered(&format!("-e2|{WATCH}")), Rules::On(1));
        assert_eq!(
            gathered(&format!("-b 8192 -e 0|{WATCH}")),
            Rules::Off("-e 0")
        );
        assert_eq!(
            gathered(&format!("-b 8192 -e 0|{WATCH}|-b 64")),
            Rules::On(1)
        );
        assert_eq!(gathered(&format!("-e 2|{WATCH}|-e 0")), Rules::Off("-e 0"));
    }
}
