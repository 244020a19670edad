//! Who is root, and under which values of sshd's configuration each of them may come.

use super::config::Config;
use super::criteria::Account;
use super::effective::Effective;
use super::keys;
use crate::settings::users::{Row, Users};

/// root, then every other account that has its number: sshd and the kernel go by that.
pub(super) fn roots(users: Option<&Users>) -> Vec<Row> {
    let rows = || {
        users
            .into_iter()
            .flat_map(|users| users.passwd.iter().flatten())
    };
    let root = users.and_then(|users| users.account(b"root")).cloned();
    let root =
        root.unwrap_or_else(|| Row::of(&["root", "x", "0", "0", "root", "/root", "/bin/sh"]));
    let is_another =
        |row: &&Row| row.number(2) == Some(0) && row.name() != b"root" && !row.is_nis();
    let others = rows().filter(is_another).cloned();
    std::iter::once(root).chain(others).collect()
}

/// The values that the keyword may have for a connection of the account: those of the blocks that can be for it, up to
/// one that surely is, else the one for everybody too. Within the blocks the first that holds wins.
pub(super) fn possible<'a>(
    config: &'a Config,
    global: &Effective<'a>,
    account: &Account<'_>,
    keyword: &'static str,
) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    let blocks = 0..config.blocks.len();
    for block in blocks {
        if !config.sets(block, keyword) || !config.can_apply_to(block, account) {
            continue;
        }
        let values: Effective<'a> = global.under(config, block);
        found.push(values.values(keyword));
        if config.must_apply_to(block, account) {
            return found;
        }
    }
    found.push(global.values(keyword));
    found
}

/// Which keys open the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Door {
    /// None: PermitRootLogin is no.
    Shut,
    /// Those with a forced command.
    Forced,
    /// Any.
    Open,
}

impl Door {
    /// The widest of the values of PermitRootLogin.
    fn of(values: &[Vec<&str>]) -> Door {
        let of = |values: &Vec<&str>| match values.first() {
            Some(&"no") => Door::Shut,
            Some(&"forced-commands-only") => Door::Forced,
            _ => Door::Open,
        };
        values.iter().map(of).max().unwrap_or(Door::Open)
    }
}

/// What the configuration says of the keys of one account.
pub(super) struct Access<'a> {
    pub(super) account: Row,
    pub(super) door: Door,
    /// Words of AuthorizedKeysFile.
    pub(super) patterns: Vec<&'a str>,
    /// AuthorizedKeysCommand.
    pub(super) commands: Vec<&'a str>,
    /// TrustedUserCAKeys.
    pub(super) authorities: Vec<&'a str>,
}

impl<'a> Access<'a> {
    /// That of root and of everybody who has its number, root's first.
    pub(super) fn all(
        config: &'a Config,
        global: &Effective<'a>,
        users: Option<&Users>,
    ) -> Vec<Access<'a>> {
        let of = |row: Row| {
            let name = String::from_utf8_lossy(row.name()).into_owned();
            let account = Account::of(&name, users);
            let values = |keyword| possible(config, global, &account, keyword);
            let said = |keyword| {
                let mut found: Vec<&str> = Vec::new();
                for value in values(keyword).into_iter().flatten() {
                    if !keys::is_none(value) && !found.contains(&value) {
                        found.push(value);
                    }
                }
                found
            };
            Access {
                door: Door::of(&values("permitrootlogin")),
                patterns: said("authorizedkeysfile"),
                commands: said("authorizedkeyscommand"),
                authorities: said("trustedusercakeys"),
                account: row,
            }
        };
        roots(users).into_iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::sshd::judge::judge;
    use crate::settings::sshd::rules::RULES;
    use crate::settings::testing::within;

    #[test]
    fn a_match_block_for_another_root_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("written");
        };
        std::fs::create_dir(directory.path().join("etc")).expect("made");
        put(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\ntoor:x: 0:9::/:/bin/sh\nann:x:7:7::/:/bin/sh\n",
        );
        put("etc/group", "toors:x:9:\n");
        for (criteria, fails) in [
            ("User toor", true),
            ("Group toors", true),
            ("User root", true),
            ("User ann", false),
        ] {
            put(
                "sshd_config",
                &format!("PermitRootLogin no\nMatch {criteria}\nPermitRootLogin yes\n"),
            );
            let mut failed = 0;
            within(directory.path(), |context| {
                let build = <crate::settings::sshd::build::Build as Default>::default();
                let config = Config::read(context.root, "/sshd_config", &[], build);
                let config = config.expect("a configuration");
                let rule = RULES.iter().find(|rule| rule.of_root).expect("its rule");
                judge(
                    context,
                    &config,
                    &Effective::global(&config),
                    rule,
                    &mut |finding| {
                        failed +=
                            usize::from(finding.verdict == agent_core::finding::Verdict::Fail);
                    },
                );
            });
            assert_eq!(failed, usize::from(fails), "{criteria}");
        }
    }
}
