//! What the serial line lets a person do who needs no network.
//!
//! The EC2 serial console needs neither network nor sshd, and the password of an account is all that guards it;
//! whether the account's owners allow it at all cannot be seen from a guest, so the profile says it
//! (`serial_console`).

mod debug;
mod grub;
mod line;
pub(super) mod units;

use super::accounts::login;
use super::accounts::password::Password;
use super::context::Context;
use agent_baseline::profile::source::SerialConsole;
use agent_core::finding::{Check, Finding, Form, Severity, Verdict};
use line::Prompt;
use serde_json::{Value, json};

/// A password is set before the console is allowed.
static SERIAL_PASSWORD: Check = Check {
    id: "console.serial_password",
    title: "The serial console asks for a password that exists",
    demand: "with a login prompt on ttyS0: at least one account with a working password, none without one, no autologin",
    why: "whoever reaches the EC2 serial console meets only the password, and with none set nobody can mend a host that lost its network",
    severity: Some(Severity::High),
    form: Form::Nothing,
    remedy: Some(
        "passwd ACCOUNT for a break-glass account; passwd -l for accounts without a password",
    ),
    references: &["EC2 user guide, EC2 Serial Console", "CIS AL2023 4.6.6"],
};
/// Nobody is logged in unasked.
static GETTY_AUTOLOGIN: Check = Check {
    id: "console.getty_autologin",
    title: "No terminal logs somebody in unasked",
    demand: "no --autologin in what getty@tty1 and serial-getty@ttyS0 start",
    why: "a terminal that logs in by itself is a shell for whoever reaches it",
    severity: Some(Severity::Medium),
    form: Form::Nothing,
    remedy: Some("remove the drop-in, then: systemctl daemon-reload"),
    references: &["RHEL-09-211055"],
};

/// No shell without a login.
static DEBUG_SHELL: Check = Check {
    id: "console.debug_shell",
    title: "No root shell waits on a terminal",
    demand: "debug-shell.service off, no systemd.debug_shell on the kernel's command line",
    why: "the shell belongs to root and asks for nothing",
    severity: Some(Severity::Medium),
    form: Form::Nothing,
    remedy: Some("systemctl disable --now debug-shell.service"),
    references: &["RHEL-09-211055", "systemd-debug-generator(8)"],
};
/// Nobody edits the boot menu.
static GRUB_PASSWORD: Check = Check {
    id: "console.grub_password",
    title: "The boot menu is not edited without a password",
    demand: "where the menu takes keys from the serial line (always: wherever it is): superusers, one of them with a password",
    why: "whoever edits a boot entry starts the host with a root shell",
    severity: Some(Severity::Medium),
    form: Form::Word(&["serial", "always"]),
    remedy: Some("grub2-setpassword, or superusers and password_pbkdf2 in /etc/grub.d/40_custom"),
    references: &["RHEL-09-212010"],
};

/// The checks of this area.
pub static CHECKS: [&Check; 4] = [
    &SERIAL_PASSWORD,
    &GETTY_AUTOLOGIN,
    &DEBUG_SHELL,
    &GRUB_PASSWORD,
];

/// Judges them.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    emit(serial_password(context));
    autologin(context, emit);
    debug::look(context, emit);
    grub::look(context, emit);
}

/// The table of verdicts: prompt, what the profile says of the account, then the accounts.
fn serial_password(context: &Context<'_>) -> Finding {
    let say =
        |verdict, message: String| context.finding(&SERIAL_PASSWORD, verdict, "console", message);
    let source = match line::prompt(context) {
        Prompt::Yes(source) => source,
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
    let working = login::working(users, context.now);
    let empty: Vec<(String, String)> = login::accounts(users)
        .filter_map(|row| match login::password(users, row) {
            (Password::Empty, place) => {
                Some((String::from_utf8_lossy(row.name()).into_owned(), place))
            }
            _ => None,
        })
        .collect();
    let auto = units::starts(context.root, "serial-getty", "ttyS0")
        .into_iter()
        .find(|start| units::logs_in(&start.command));
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
        .remediation("remove --autologin, then: systemctl daemon-reload")
    } else if working.is_empty() {
        let mut finding = say(
            Verdict::Fail,
            "there is a login prompt on ttyS0 and no account with a working password: the serial console is of no use when it is needed".into(),
        )
        .location(source.clone())
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
        say(Verdict::Pass, message).location(source.clone())
    };
    evidence(finding)
}

/// Both lines that systemd starts a login on.
fn autologin(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let mut any = false;
    let mut known = false;
    for (template, instance) in [("serial-getty", "ttyS0"), ("getty", "tty1")] {
        let unit = format!("{template}@{instance}.service");
        if units::masked(context.root, &unit)
            || units::masked(context.root, &format!("{template}@.service"))
        {
            continue;
        }
        let starts = units::starts(context.root, template, instance);
        known |= !starts.is_empty();
        for start in starts.iter().filter(|start| units::logs_in(&start.command)) {
            any = true;
            let message = format!("{unit} logs somebody in unasked");
            emit(
                context
                    .finding(&GETTY_AUTOLOGIN, Verdict::Fail, unit.as_str(), message)
                    .evidence(json!({ "autologin": false }), json!({ "autologin": true }))
                    .location(start.location.clone())
                    .remediation("remove --autologin, then: systemctl daemon-reload"),
            );
        }
    }
    if !any {
        let (verdict, message) = match known {
            true => (Verdict::Pass, "no terminal logs somebody in unasked"),
            false => (Verdict::NotApplicable, "systemd starts no getty here"),
        };
        emit(
            context
                .finding(&GETTY_AUTOLOGIN, verdict, "console", message)
                .evidence(Value::Null, Value::Null),
        );
    }
}
