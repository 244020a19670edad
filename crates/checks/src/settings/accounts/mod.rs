//! Who can log in, and with what: passwd(5), shadow(5), group(5), records of userdb. No hash ever enters a finding.

mod checks;
mod directory;
mod doas;
mod keys;
pub mod login;
mod opened;
mod pam;
mod pam_stack;
pub mod password;
mod polkit;
mod sudo;
mod sudo_conf;
mod sudo_program;
mod sudoers;

pub use checks::CHECKS;

use crate::settings::context::Context;
use crate::settings::users::{Row, Users};
use crate::settings::vendor;
use agent_core::finding::{Check, Finding, Severity, Verdict};
use checks::*;
use login::has_shell;
use password::{Password, classify};
use serde_json::json;
use std::collections::BTreeMap;

const DAY: i64 = 86_400;

/// Something that fails a check: an account or a row, where, and what is wrong.
struct Culprit {
    subject: Vec<u8>,
    location: String,
    message: String,
}

/// Judges the checks of this area.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let users = match context.users() {
        Ok(users) => users,
        Err(error) => {
            for check in CHECKS {
                emit(context.finding(check, Verdict::Unknown, "accounts", error.to_string()));
            }
            return;
        }
    };
    // Accounts may come from elsewhere, and a policy lets them in all the same.
    if context.wants(&SUDO_NOPASSWD) && users.passwd.is_none() {
        sudo::look(context, users, emit);
    }
    if users.passwd.is_none() {
        for check in CHECKS.into_iter().filter(|check| *check != &SUDO_NOPASSWD) {
            emit(context.finding(
                check,
                Verdict::NotApplicable,
                "accounts",
                "there is no /etc/passwd",
            ));
        }
        return;
    }
    for check in CHECKS {
        // Without shadow nothing is known of passwords that live there.
        let needs_shadow = [
            &NO_EMPTY_PASSWORDS,
            &ROOT_PASSWORD_POLICY,
            &WEAK_HASH,
            &SYSTEM_ACCOUNTS_LOCKED,
            &PASSWORD_CHANGE_IN_PAST,
        ]
        .contains(&check);
        if needs_shadow && users.shadow.is_none() {
            emit(context.finding(
                check,
                Verdict::Unknown,
                "accounts",
                "there is no /etc/shadow",
            ));
            continue;
        }
        if !context.wants(check) {
            continue;
        }
        let culprits = match check.id {
            "accounts.sudo_nopasswd" => {
                sudo::look(context, users, emit);
                continue;
            }
            "accounts.authorized_keys" => {
                keys::look(context, users, emit);
                continue;
            }
            "accounts.directory_join" => {
                directory::look(context, emit);
                continue;
            }
            "accounts.no_empty_passwords" => empty(users),
            "accounts.root_password_policy" => root(context, users),
            "accounts.weak_hash" => weak(users),
            "accounts.only_root_uid0" => other_roots(users),
            "accounts.nis_plus" => nis(users),
            "accounts.all_shadowed" => unshadowed(users),
            "accounts.system_accounts_locked" => open_services(users),
            "accounts.system_nologin" => service_shells(context, users),
            _ => from_the_future(users, context.now),
        };
        tell(context, check, culprits, emit);
    }
}

fn tell(
    context: &Context<'_>,
    check: &'static Check,
    culprits: Vec<Culprit>,
    emit: &mut dyn FnMut(Finding),
) {
    let unread = match (context.users(), of_files(check)) {
        (Ok(users), false) => users.unread.as_slice(),
        _ => &[],
    };
    for (file, why) in unread {
        let message = format!("accounts cannot be read: {why}");
        emit(
            context
                .finding(check, Verdict::Unknown, file.as_str(), message)
                .location(file.clone()),
        );
    }
    if culprits.is_empty() && unread.is_empty() {
        emit(context.finding(check, Verdict::Pass, "accounts", check.title));
    }
    for culprit in culprits {
        let name = String::from_utf8_lossy(&culprit.subject).into_owned();
        let remedy = check
            .remedy
            .unwrap_or_default()
            .replace("ACCOUNT", &agent_core::escape::terminal_text(&name));
        let mut finding = context
            .finding(
                check,
                Verdict::Fail,
                culprit.subject,
                culprit.message.clone(),
            )
            .evidence(
                json!({ "value": check.demand }),
                json!({ "value": culprit.message }),
            )
            .location(culprit.location)
            .remediation(remedy);
        if check == &NO_EMPTY_PASSWORDS {
            match pam::nullok(context.root) {
                Ok(None) => {}
                Ok(Some(place)) => {
                    finding.severity = Severity::Critical;
                    finding
                        .message
                        .push_str(&format!(", and PAM lets it in (nullok at {place})"));
                }
                Err(why) => finding
                    .message
                    .push_str(&format!("; whether PAM lets it in cannot be told: {why}")),
            }
        }
        emit(finding);
    }
}

/// Whether the check is of the files themselves, or of root alone, whom passwd has.
fn of_files(check: &'static Check) -> bool {
    [&NIS_PLUS, &ALL_SHADOWED, &ROOT_PASSWORD_POLICY].contains(&check)
}

fn culprit(row: &Row, file: &str, message: impl Into<String>) -> Culprit {
    Culprit {
        subject: row.name().to_vec(),
        location: row.place(file),
        message: message.into(),
    }
}

/// Rows that are no NIS lines.
fn rows(rows: &Option<Vec<Row>>) -> impl Iterator<Item = &Row> {
    rows.iter().flatten().filter(|row| !row.is_nis())
}

fn empty(users: &Users) -> Vec<Culprit> {
    let message = "the password field is empty";
    let shadow = rows(&users.shadow).filter(|row| row.field(1).is_empty());
    let passwd = rows(&users.passwd).filter(|row| row.field(1).is_empty());
    shadow
        .map(|row| culprit(row, "shadow", message))
        .chain(passwd.map(|row| culprit(row, "passwd", message)))
        .collect()
}

fn root(context: &Context<'_>, users: &Users) -> Vec<Culprit> {
    let Some(account) = users.account(b"root") else {
        return Vec::new();
    };
    let (password, location) = login::password(users, account);
    let set = context.demanded_text(&ROOT_PASSWORD_POLICY, "controlled") == "set";
    let star = users
        .shadow_of(b"root")
        .is_some_and(|row| row.field(1).starts_with(b"*"));
    let message = match password {
        Password::Usable { .. } => return Vec::new(),
        Password::Locked if !set => return Vec::new(),
        // How Debian ships an account without a password; Amazon Linux writes `*LOCK*`.
        Password::Invalid if !set && star => return Vec::new(),
        Password::Empty => "root's password field is empty",
        Password::Locked => "root's password is locked, the profile demands one",
        Password::Invalid => {
            "root's password field is no whole hash: no password opens it, and it is not locked"
        }
    };
    vec![Culprit {
        subject: b"root".to_vec(),
        location,
        message: message.into(),
    }]
}

fn weak(users: &Users) -> Vec<Culprit> {
    let is_weak = |row: &&Row| classify(row.field(1)) == Password::Usable { weak: true };
    let message = "the password is hashed by a method that is quickly reversed";
    rows(&users.shadow)
        .filter(is_weak)
        .map(|row| culprit(row, "shadow", message))
        .chain(
            rows(&users.passwd)
                .filter(is_weak)
                .map(|row| culprit(row, "passwd", message)),
        )
        .collect()
}

fn other_roots(users: &Users) -> Vec<Culprit> {
    rows(&users.passwd)
        .filter(|row| row.number(2) == Some(0) && row.name() != b"root")
        .filter(|row| {
            // A locked password keeps out nobody who has a key, or comes by su.
            login::password(users, row).0 != Password::Locked || !login::refuses(row)
        })
        .map(|row| culprit(row, "passwd", "another account has uid 0"))
        .collect()
}

fn nis(users: &Users) -> Vec<Culprit> {
    [
        ("passwd", &users.passwd),
        ("shadow", &users.shadow),
        ("group", &users.group),
    ]
    .into_iter()
    .flat_map(|(file, all)| {
        all.iter()
            .flatten()
            .filter(|row| row.name().first() == Some(&b'+'))
            .map(move |row| culprit(row, file, "a directory's entries are let in"))
    })
    .collect()
}

fn unshadowed(users: &Users) -> Vec<Culprit> {
    rows(&users.passwd)
        .filter(|row| !matches!(row.field(1), b"x" | b"*"))
        .map(|row| {
            culprit(
                row,
                "passwd",
                "the password field of passwd holds something else than x",
            )
        })
        .collect()
}

fn open_services(users: &Users) -> Vec<Culprit> {
    rows(&users.passwd)
        .filter(|row| row.number(2).is_some_and(|uid| (1..=999).contains(&uid)))
        .filter_map(|row| users.shadow_of(row.name()))
        .filter(|row| !matches!(row.field(1).first(), Some(b'!' | b'*')))
        .map(|row| culprit(row, "shadow", "a service account's password is not locked"))
        .collect()
}

/// UID_MIN of login.defs(5), the last line counts; of SUSE's drop-ins beside it (libeconf(3)) the later ones.
fn first_person(context: &Context<'_>) -> i64 {
    let mut texts = Vec::new();
    texts.extend(
        vendor::read(context.root, "login.defs")
            .ok()
            .flatten()
            .map(|file| file.bytes),
    );
    let mut drop_ins = BTreeMap::new();
    for directory in ["usr/etc/login.defs.d", "etc/login.defs.d"] {
        let names = context.root.list(directory.as_bytes()).ok().flatten();
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name).into_owned();
            if name.ends_with(".defs") {
                drop_ins.insert(name.clone(), format!("{directory}/{name}"));
            }
        }
    }
    texts.extend(
        drop_ins
            .values()
            .filter_map(|path| context.read(path).ok()?),
    );
    texts
        .iter()
        .flat_map(|text| {
            String::from_utf8_lossy(text)
                .lines()
                .filter_map(|line| {
                    let mut words = line.split_whitespace();
                    (words.next() == Some("UID_MIN")).then(|| words.next()?.parse().ok())?
                })
                .collect::<Vec<i64>>()
        })
        .next_back()
        .unwrap_or(1000)
}

fn service_shells(context: &Context<'_>, users: &Users) -> Vec<Culprit> {
    let first = first_person(context);
    let allowed = context.demanded_texts(&SYSTEM_NOLOGIN);
    rows(&users.passwd)
        .filter(|row| row.number(2).is_some_and(|uid| (1..first).contains(&uid)))
        .filter(|row| !login::runs_its_own(row) && has_shell(row))
        .filter(|row| !allowed.iter().any(|name| name.as_bytes() == row.name()))
        .map(|row| {
            let shell = String::from_utf8_lossy(row.field(6)).into_owned();
            culprit(
                row,
                "passwd",
                format!("a service account has the shell \"{shell}\""),
            )
        })
        .collect()
}

fn from_the_future(users: &Users, now: i64) -> Vec<Culprit> {
    let today = now.div_euclid(DAY);
    rows(&users.shadow)
        .filter(|row| classify(row.field(1)) != Password::Locked)
        .filter(|row| row.number(2).is_some_and(|day| day > today))
        .map(|row| {
            culprit(
                row,
                "shadow",
                "the password was changed on a day that is still to come",
            )
        })
        .collect()
}
