//! `accounts.authorized_keys`: every key that opens an account, against those that the profile names.

use super::checks::AUTHORIZED_KEYS;
use crate::settings::context::Context;
use crate::settings::sshd::Taken;
use crate::settings::sshd::keys::{self, Key, Pattern, Sources};
use crate::settings::userdb::Record;
use crate::settings::users::Users;
use agent_core::bounds;
use agent_core::escape;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;
use std::collections::HashSet;

/// Keys that are told one by one.
// Own bound: of what is told; further ones are counted.
const MAX_TOLD: usize = 1000;

pub(super) fn look(context: &Context<'_>, users: &Users, emit: &mut dyn FnMut(Finding)) {
    let say = |verdict, subject: &str, message: String| {
        context.finding(&AUTHORIZED_KEYS, verdict, subject, message)
    };
    if context.demand(&AUTHORIZED_KEYS).is_none() {
        let message = "the profile names no keys".to_owned();
        return emit(say(Verdict::NotApplicable, "accounts", message));
    }
    let taken = Taken::of(context);
    let Some(taken) = taken.as_ref() else {
        let message = "there is no sshd".to_owned();
        return emit(say(Verdict::NotApplicable, "accounts", message));
    };
    let Ok(config) = &taken.config else {
        let message =
            "where sshd looks for keys is not known: its configuration could not be taken";
        return emit(say(Verdict::Unknown, "accounts", message.to_owned()));
    };
    let sources = Sources::new(config);
    let mut look = Look {
        context,
        allowed: context.demanded_texts(&AUTHORIZED_KEYS),
        patterns: HashSet::new(),
        seen: HashSet::new(),
        good: 0,
        told: 0,
        unknown: Vec::new(),
        emit,
    };
    for path in &sources.authorities {
        look.file("CA", path);
    }
    for account in users.passwd.iter().flatten().filter(|row| !row.is_nis()) {
        let name = String::from_utf8_lossy(account.name()).into_owned();
        for pattern in sources.files(account, users) {
            look.pattern(&name, pattern);
        }
    }
    if sources.asks_userdb() {
        for record in &users.records {
            look.record(record);
        }
        look.unknown.extend(users.unread.iter().cloned());
    }
    let (good, told) = (look.good, look.told);
    let unknown = std::mem::take(&mut look.unknown);
    if let Some(more @ 1..) = told.checked_sub(MAX_TOLD) {
        let message = format!("{more} further keys that the profile does not name");
        emit(say(Verdict::Fail, "accounts", message));
    }
    if let Some((path, reason)) = unknown.first() {
        let message = match unknown.len() {
            1 => format!("keys cannot be read: {reason}"),
            n => format!("keys of {n} files cannot be read, {reason} the first"),
        };
        emit(say(Verdict::Unknown, "accounts", message).location(path.clone()));
    } else if told == 0 {
        let and = match sources.command {
            Some(command) => format!(
                "; AuthorizedKeysCommand {} may name others",
                escape::terminal_text(command.split(' ').next().unwrap_or_default())
            ),
            None => String::new(),
        };
        let message = match good {
            1 => format!("1 key, named by the profile{and}"),
            good => format!("{good} keys, all named by the profile{and}"),
        };
        emit(say(Verdict::Pass, "accounts", message).evidence(
            json!({ "keys": look_demand(context) }),
            json!({ "keys": good, "command": sources.command.is_some() }),
        ));
    }
}

fn look_demand(context: &Context<'_>) -> usize {
    context.demanded_texts(&AUTHORIZED_KEYS).len()
}

struct Look<'a, 'b> {
    context: &'a Context<'b>,
    allowed: Vec<&'a str>,
    /// Patterns and files that were looked at.
    patterns: HashSet<Pattern>,
    seen: HashSet<String>,
    good: usize,
    told: usize,
    unknown: Vec<(String, String)>,
    emit: &'a mut dyn FnMut(Finding),
}

impl Look<'_, '_> {
    /// The keys in the files that a pattern names, which for most accounts is one file.
    fn pattern(&mut self, account: &str, pattern: Pattern) {
        if self.patterns.contains(&pattern) {
            return;
        }
        match pattern.files(self.context.root) {
            Ok(paths) => paths.iter().for_each(|path| self.file(account, path)),
            Err(error) => self.unknown.push((pattern.path.clone(), error.to_string())),
        }
        self.patterns.insert(pattern);
    }

    /// The keys in a file, once however many accounts use it.
    fn file(&mut self, account: &str, path: &str) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        let most = bounds::AUTHORIZED_KEYS_FILES;
        if self.seen.len() > most {
            if self.seen.len() == most + 1 {
                let reason = format!("only the first {most} files are looked for");
                self.unknown.push((path.to_owned(), reason));
            }
            return;
        }
        match self.context.read(path) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                for key in keys::keys(&bytes) {
                    self.key(account, path, &key);
                }
            }
            Err(error) => self
                .unknown
                .push((path.to_owned(), format!("{path}: {error}"))),
        }
    }

    /// The keys of a record, which userdbctl(1) hands to sshd.
    fn record(&mut self, record: &Record) {
        for key in keys::keys(record.keys.join("\n").as_bytes()) {
            self.key(&record.name, &record.file, &key);
        }
    }

    fn key(&mut self, account: &str, path: &str, key: &Key) {
        let own = format!("{account} {}", key.fingerprint);
        if self.allowed.contains(&key.fingerprint.as_str()) || self.allowed.contains(&own.as_str())
        {
            self.good = self.good.saturating_add(1);
            return;
        }
        self.told = self.told.saturating_add(1);
        if self.told > MAX_TOLD {
            return;
        }
        let what = match (account, key.authority) {
            ("CA", _) => "signs certificates that sshd trusts".to_owned(),
            (_, true) => format!("signs certificates that open the account {account}"),
            _ => format!("opens the account {account}"),
        };
        let message = format!("a key that the profile does not name {what}");
        (self.emit)(
            self.context
                .finding(&AUTHORIZED_KEYS, Verdict::Fail, own, message)
                .evidence(
                    json!({ "keys": self.allowed }),
                    json!({ "fingerprint": key.fingerprint, "type": key.kind }),
                )
                .location(format!("{path}:{}", key.line))
                .remediation(format!(
                    "remove the line, or name {} in the profile's demand; ssh-keygen -lf {} lists the keys",
                    key.fingerprint,
                    escape::terminal_text(path)
                )),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::within;

    #[test]
    fn more_files_than_are_looked_for_are_told_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let unknown = within(directory.path(), |context| {
            let mut emit = |_| {};
            let mut look = Look {
                context,
                allowed: Vec::new(),
                patterns: HashSet::new(),
                seen: HashSet::new(),
                good: 0,
                told: 0,
                unknown: Vec::new(),
                emit: &mut emit,
            };
            let most = bounds::AUTHORIZED_KEYS_FILES;
            look.seen = (1..most).map(|n| n.to_string()).collect();
            for name in ["/a", "/b", "/c"] {
                look.file("ann", name);
            }
            look.unknown
        });
        assert_eq!(unknown.len(), 1, "{unknown:?}");
        assert_eq!(unknown[0].0, "/b");
    }
}
