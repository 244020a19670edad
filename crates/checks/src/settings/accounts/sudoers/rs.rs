//! What sudo-rs knows of sudoers(5): a line with anything else in it is dropped, whole (ast.rs and tokens.rs of 0.2).

use super::{Kind, Name};

/// Options before a command that it takes: `APPARMOR_PROFILE=` and `CWD=`.
pub(super) fn knows_option(option: &str) -> bool {
    matches!(option, "CWD" | "APPARMOR_PROFILE")
}

/// Tags that it takes, such as it ignores among them.
pub(super) fn knows_tag(tag: &str) -> bool {
    tag != "INTERCEPT"
}

/// Whether the entry of a list of that kind is one that it takes.
pub(super) fn knows(kind: Kind, name: &Name) -> bool {
    let Name::Word(word) = name else {
        return true;
    };
    match kind {
        Kind::User | Kind::Runas => !word.starts_with('+'),
        Kind::Host => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            word.chars().all(plain) && word.parse::<std::net::Ipv4Addr>().is_err()
        }
        Kind::Command => knows_command(word),
    }
}

/// No regular expressions; in arguments no wildcard but a `*` that is the last of them.
fn knows_command(word: &str) -> bool {
    let mut words = word.split(' ');
    let command = words.next().unwrap_or_default();
    let arguments: Vec<&str> = words.collect();
    let last = arguments.len().saturating_sub(1);
    let wild = arguments
        .iter()
        .enumerate()
        .any(|(n, argument)| argument.contains(['?', '*']) && !(n == last && *argument == "*"));
    let pattern = command.starts_with('^')
        || arguments
            .first()
            .is_some_and(|first| first.starts_with('^'));
    // `list` takes none.
    !pattern && !wild && (command != "list" || arguments.is_empty())
}
