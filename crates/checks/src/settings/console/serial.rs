//! `console.serial_password`: what the login prompt of the EC2 serial console meets.

use super::getty::Access;
use super::line::{self, Prompt};
use super::{SERIAL_PASSWORD, autologin};
use crate::settings::accounts::login;
use crate::settings::accounts::password::Password;
use crate::settings::context::Context;
use crate::settings::users::Users;
use agent_baseline::profile::source::SerialConsole;
use agent_core::finding::{Finding, Severity, Verdict};
use serde_json::json;

/// The table of verdicts: prompt, what the profile says of the account, then the accounts.
pub(super) fn password(context: &Context<'_>) -> Finding {
    let say =
        |verdict, message: String| context.finding(&SERIAL_PASSWORD, verdict, "console", message);
    let (source, unit) = match line::prompt(context) {
        Prompt::Yes(source, unit) => (source, unit),
        Prompt::No(why) => {
            return say(
                Verdict::NotApplicable,
                format!("there is no login prompt on ttyS0: {why}"),
            );
        }
        Prompt::Unknown => {
            return say(
                Verdict::Unknown,
                "nothing tells whether there is a login prompt on ttyS0: no boot loader entry was found".into(),
            );
        }
    };
    if context.serial_console() == SerialConsole::Denied {
        return say(
            Verdict::Pass,
            "the profile says that the account denies the serial console".into(),
        )
        .location(source);
    }
    let users = match context.users() {
        Ok(users) if users.passwd.is_some() && users.shadow.is_some() => users,
        Ok(_) => {
            return say(
                Verdict::Unknown,
                "there is no /etc/passwd or no /etc/shadow".into(),
            );
        }
        Err(error) => return say(Verdict::Unknown, error.to_string()),
    };
    accounts(context, users, &source, &unit)
}

/// The part of the table that depends on the accounts.
fn accounts(context: &Context<'_>, users: &Users, source: &str, unit: &str) -> Finding {
    let say =
        |verdict, message: String| context.finding(&SERIAL_PASSWORD, verdict, "console", message);
    let working = login::working(users, context.now);
    let empty: Vec<(String, String)> = login::accounts(users)
        .filter_map(|row| match login::password(users, row) {
            (Password::Empty, place) => {
                Some((String::from_utf8_lossy(row.name()).into_owned(), place))
            }
            _ => None,
        })
        .collect();
    let auto = autologin::openings(context, unit)
        .0
        .into_iter()
        .find(|opening| matches!(opening.access, Access::Unasked(_)));
    let names: Vec<&String> = empty.iter().map(|(name, _)| name).collect();
    let evidence = |finding: Finding| {
        let observed = json!({
            "prompt": source, "working_passwords": working, "empty_passwords": names,
            "autologin": auto.is_some(),
        });
        finding.evidence(json!({ "working_passwords": "at least one", "empty_passwords": [], "autologin": false }), observed)
    };
    let finding = if let Some((name, place)) = empty.first() {
        let message = format!("the serial console lets {name} in without a password");
        say(Verdict::Fail, message)
            .location(place.clone())
            .remediation(format!(
                "passwd -l {}",
                agent_core::escape::terminal_text(name)
            ))
    } else if let Some(auto) = &auto {
        say(
            Verdict::Fail,
            "the serial console logs somebody in unasked".into(),
        )
        .location(auto.location.clone())
        .remediation("take out what is named there, then: systemctl daemon-reload")
    } else if working.is_empty() {
        let mut finding = say(
            Verdict::Fail,
            "there is a login prompt on ttyS0 and no account with a working password: the serial console is of no use when it is needed".into(),
        )
        .location(source)
        .remediation("passwd ACCOUNT for a break-glass account, or say serial_console = \"denied\" in the profile");
        // Nobody has said that the console is wanted.
        if context.serial_console() == SerialConsole::Unknown {
            finding.severity = finding.severity.min(Severity::Medium);
        }
        finding
    } else {
        let message = format!(
            "a login prompt on ttyS0, and a working password for {}",
            working.join(", ")
        );
        say(Verdict::Pass, message).location(source)
    };
    evidence(finding)
}
