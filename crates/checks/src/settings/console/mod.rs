//! What the serial line lets a person do who needs no network.
//!
//! The EC2 serial console needs neither network nor sshd, and the password of an account is all that guards it;
//! whether the account's owners allow it at all cannot be seen from a guest, so the profile says it
//! (`serial_console`).

mod agetty;
mod autologin;
pub(super) mod command;
pub(super) mod credentials;
mod debug;
pub(super) mod getty;
mod grub;
mod line;
mod serial;
pub(super) mod units;

use super::context::Context;
use agent_core::finding::{Check, Finding, Form, Severity};

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
    references: &["EC2 user guide, EC2 Serial Console"],
};
/// Nobody is logged in unasked.
static GETTY_AUTOLOGIN: Check = Check {
    id: "console.getty_autologin",
    title: "No terminal logs somebody in unasked",
    demand: "no autologin, login -f, shell or credential in what systemd starts on a terminal",
    why: "a terminal that logs in by itself is a shell for whoever reaches it",
    severity: Some(Severity::Medium),
    form: Form::Nothing,
    remedy: Some("take out what is named there, then: systemctl daemon-reload"),
    references: &[],
};

/// No shell without a login.
static DEBUG_SHELL: Check = Check {
    id: "console.debug_shell",
    title: "No root shell waits on a terminal",
    demand: "debug-shell.service off, nothing on the kernel's command line that starts a shell",
    why: "the shell belongs to root and asks for nothing",
    severity: Some(Severity::Medium),
    form: Form::Nothing,
    remedy: Some("systemctl disable --now debug-shell.service"),
    references: &["systemd-debug-generator(8)"],
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
    references: &[],
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
    emit(serial::password(context));
    autologin::look(context, emit);
    debug::look(context, emit);
    grub::look(context, emit);
}
