//! What rules of auditctl(8) come to: how many make records, or what keeps all of them from doing so.

use super::targets::files;
use crate::settings::context::Context;
use agent_core::os::netlink::AuditRule;

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

/// `gathered`: by augenrules, which puts `-D` first and the last `-e` behind everything.
fn of_texts<'t>(texts: impl Iterator<Item = &'t str>, gathered: bool) -> Rules {
    let mut rules = Vec::new();
    let (mut off, mut locked) = (false, false);
    for line in texts.flat_map(str::lines) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["-D", ..] if !gathered && !locked => rules.clear(),
            ["-e", value, ..] if !locked => {
                off = *value == "0";
                // Until the next boot nothing changes any more.
                locked = *value == "2" && !gathered;
            }
            ["-A", ..] if !locked => rules.splice(..0, rule(&words)).for_each(drop),
            _ if !locked => rules.extend(rule(&words)),
            _ => {}
        }
    }
    match off {
        true => Rules::Off("-e 0"),
        false => Rules::of(&rules),
    }
}

/// A line of auditctl(8): `-a LIST,ACTION` in either order, or a watch.
fn rule(words: &[&str]) -> Option<AuditRule> {
    let (list, action) = match words {
        ["-w", ..] => ("exit", "always"),
        ["-a" | "-A", both, ..] => {
            let (first, second) = both.split_once(',')?;
            match first {
                "always" | "never" => (second, first),
                _ => (first, second),
            }
        }
        _ => return None,
    };
    let list = LISTS.iter().find(|(name, _)| *name == list);
    Some(AuditRule {
        list: list.map_or(u32::MAX, |(_, number)| *number),
        action: if action == "never" { NEVER } else { ALWAYS },
        is_broad: words.first() != Some(&"-w") && !words.windows(2).any(narrows),
    })
}

/// Whether an option with its value makes a rule be about less than everything.
fn narrows(pair: &[&str]) -> bool {
    match pair {
        ["-S", calls] => *calls != "all",
        ["-F", field] => {
            let operator = field.find(['=', '!', '<', '>', '&']);
            let (name, rest) = field
                .split_at_checked(operator.unwrap_or(0))
                .unwrap_or_default();
            rest.starts_with('=') && name != "arch"
        }
        ["-C" | "-p", _] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
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
        ] {
            assert_eq!(
                of_texts([text.as_str()].into_iter(), false),
                rules,
                "{text}"
            );
        }
        let gathered = |text: &str| of_texts(text.split('|'), true);
        assert_eq!(gathered(&format!("{WATCH}|-D|-e 2")), Rules::On(1));
        assert_eq!(gathered(&format!("-e 2|{WATCH}|-e 0")), Rules::Off("-e 0"));
    }
}
