//! Who can log in with a password: facts that the checks of accounts and of the console share.

use super::password::{Password, classify};
use crate::settings::users::{Row, Users};

const DAY: i64 = 86_400;

/// Whether the account's shell lets somebody in (nologin(8)); an empty field means /bin/sh (passwd(5)).
pub fn has_shell(account: &Row) -> bool {
    !refuses(account)
}

/// Whether it is one of the accounts whose shell is the one program that they are named after.
pub fn runs_its_own(account: &Row) -> bool {
    let name = account.name();
    let directories = ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];
    matches!(name, b"sync" | b"shutdown" | b"halt")
        && directories
            .iter()
            .any(|directory| account.field(6).strip_prefix(directory.as_bytes()) == Some(name))
}

/// Whether the account's shell is one of the system's that refuse everybody. A program that is only called so may be any.
pub fn refuses(account: &Row) -> bool {
    let shell = account.field(6);
    let directories = ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];
    directories.iter().any(|directory| {
        let name = shell.strip_prefix(directory.as_bytes());
        matches!(name, Some(b"nologin" | b"false"))
    })
}

/// What the account's password field means, whichever file holds it; and `FILE:LINE`.
pub fn password(users: &Users, account: &Row) -> (Password, String) {
    let own = account.place("passwd");
    match account.field(1) {
        b"x" => match users.shadow_of(account.name()) {
            Some(row) => (classify(row.field(1)), row.place("shadow")),
            None => (Password::Invalid, own),
        },
        field => (classify(field), own),
    }
}

/// Whether the account is past field 8 of shadow(5), or so long past a change of password that it is shut.
pub fn expired(users: &Users, account: &Row, now: i64) -> bool {
    let Some(row) = users.shadow_of(account.name()) else {
        return false;
    };
    let today = now.div_euclid(DAY);
    let ended = row.number(7).is_some_and(|day| day > 0 && today >= day);
    let (last, most, inactive) = (row.number(2), row.number(4), row.number(6));
    let shut = match (last, most, inactive) {
        (Some(last), Some(most), Some(inactive)) if last > 0 => {
            today > last.saturating_add(most).saturating_add(inactive)
        }
        _ => false,
    };
    ended || shut
}

/// Login accounts: a row in passwd that is no NIS line, and a shell.
pub fn accounts(users: &Users) -> impl Iterator<Item = &Row> {
    users
        .passwd
        .iter()
        .flatten()
        .filter(|row| !row.is_nis() && has_shell(row))
}

/// Names of login accounts that a password opens.
pub fn working(users: &Users, now: i64) -> Vec<String> {
    accounts(users)
        .filter(|row| matches!(password(users, row).0, Password::Usable { .. }))
        .filter(|row| !expired(users, row, now))
        .map(|row| String::from_utf8_lossy(row.name()).into_owned())
        .collect()
}
