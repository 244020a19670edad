//! Long-term keys, private keys and other residue that an image must not carry. A secret is never read into a
//! finding: its path and kind are told, and of an access key the last four characters of its id.

mod access_keys;
mod environments;
mod homes;
mod launch;
mod logins;
mod places;
mod private_keys;
mod residue;
mod search;

use super::context::Context;
use agent_core::bounds;
use agent_core::finding::{Check, Finding, Form, Severity, Verdict};
use agent_core::glob::{self, Syntax};
use serde_json::json;

const PATHS: Form = Form::Texts("paths that may hold one; * stands for anything");

/// Keys of IAM users.
static NO_LONG_TERM_KEYS: Check = Check {
    id: "credentials.no_long_term_keys",
    title: "No long-term access key lies on the host",
    demand: "no AKIA key id in files of AWS tools, service environments and shell histories, but where the profile says",
    why: "such a key works from anywhere until somebody notices; an instance role needs none",
    severity: Some(Severity::High),
    form: PATHS,
    remedy: Some("deactivate the key in IAM, remove it from the file, and use an instance role"),
    references: &["IAM user guide, security best practices"],
};
/// Private keys.
static NO_SSH_PRIVATE_KEYS: Check = Check {
    id: "credentials.no_ssh_private_keys",
    title: "No private key lies about unprotected",
    demand: "no private key without a passphrase in homes, /root, /tmp, /var/tmp, /opt and /srv, but where the profile says",
    why: "whoever reads it logs in wherever it is known, and in an image everybody gets a copy",
    severity: Some(Severity::High),
    form: PATHS,
    remedy: Some(
        "remove the key, and its public half from where it is trusted; or give it a passphrase: ssh-keygen -p",
    ),
    references: &["EC2 user guide, shared AMIs"],
};
/// What a build leaves behind.
static AMI_RESIDUE: Check = Check {
    id: "credentials.ami_residue",
    title: "Nothing is left of the making of the image",
    demand: "no host key, authorized key, machine-id, history, log or instance data older than the launch; image: none at all",
    why: "hosts that share keys and ids can pose as each other, and histories tell what their makers typed",
    severity: Some(Severity::Medium),
    form: Form::Word(&["instance", "image"]),
    remedy: Some(
        "cloud-init clean --logs --machine-id --seed, and remove what is named, before the image is made",
    ),
    references: &[
        "EC2 user guide, shared AMIs",
        "systemd, Safely Building Images",
    ],
};

/// The checks of this area.
pub static CHECKS: [&Check; 3] = [&NO_LONG_TERM_KEYS, &NO_SSH_PRIVATE_KEYS, &AMI_RESIDUE];

/// Judges them.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    if context.wants(&NO_LONG_TERM_KEYS) {
        places::look(context, emit);
    }
    if context.wants(&NO_SSH_PRIVATE_KEYS) {
        private_keys::look(context, emit);
    }
    if context.wants(&AMI_RESIDUE) {
        residue::look(context, emit);
    }
}

/// Whether the profile says that the path may hold one.
fn allowed(context: &Context<'_>, check: &Check, path: &[u8]) -> bool {
    context
        .demanded_texts(check)
        .iter()
        .any(|pattern| glob::matches(pattern.as_bytes(), Syntax::Stars, path))
}

/// A place that was not looked into, and why.
struct Gap {
    place: String,
    why: String,
}

/// The findings that end a search: what was not looked at, else a pass where nothing was found.
fn conclude(
    context: &Context<'_>,
    check: &'static Check,
    found: bool,
    gaps: &[Gap],
    pass: String,
    emit: &mut dyn FnMut(Finding),
) {
    /// As many places as one finding names.
    const NAMED: usize = 20;
    if let Some(first) = gaps.first() {
        let message = match gaps.len() {
            1 => format!("not looked at: {} ({})", first.place, first.why),
            n => format!(
                "not looked at: {}{n} places, {} ({}) the first",
                match n < bounds::CREDENTIALS_UNSEEN {
                    true => "",
                    false => "at least ",
                },
                first.place,
                first.why
            ),
        };
        let named: Vec<String> = gaps
            .iter()
            .take(NAMED)
            .map(|gap| format!("{}: {}", gap.place, gap.why))
            .collect();
        emit(
            context
                .finding(check, Verdict::Unknown, "credentials", message)
                .evidence(
                    json!({ "unseen": 0 }),
                    json!({ "unseen": gaps.len(), "places": named }),
                ),
        );
    } else if !found {
        emit(context.finding(check, Verdict::Pass, "credentials", pass));
    }
}
