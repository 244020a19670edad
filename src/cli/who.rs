//! Who types: the login that the kernel remembers through su and sudo, and whose rights it has now.

use agent_core::os::procfs;
use std::fs;

/// The login's id where there is none (`(uid_t) -1`): a service, or a system without audit.
const UNSET: u32 = u32::MAX;
/// Bytes of an id in decimal.
// Own bound: the kernel's.
const LONGEST: u64 = 16;

/// As `ann (uid 1000) as root (uid 0)`.
pub(super) fn am_i() -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = rustix::process::geteuid().as_raw();
    in_words(login(), own, &passwd)
}

/// The id of the login; `None` where the kernel knows none.
pub(super) fn login() -> Option<u32> {
    let text = procfs::read_own(b"loginuid", LONGEST).ok()?;
    let login: u32 = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
    (login != UNSET).then_some(login)
}

fn in_words(login: Option<u32>, own: u32, passwd: &str) -> String {
    let named = |uid: u32| match name_of(uid, passwd) {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    };
    match login {
        Some(login) if login != own => format!("{} as {}", named(login), named(own)),
        _ => named(own),
    }
}

/// The first account of that id (passwd(5)); one whose name would not stand on a line is none.
fn name_of(uid: u32, passwd: &str) -> Option<&str> {
    let rows = passwd.lines().map(|line| line.split(':'));
    let mut names = rows.filter_map(|mut row| {
        let name = row.next()?;
        (row.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    names.find(|name| !name.is_empty() && !name.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn the_login_comes_before_whose_rights_it_has() {
        let passwd = "root:x:0:0::/:/bin/sh\nbad\nann:x:1000:1000::/:/bin/sh\n";
        for (login, own, words) in [
            (Some(1000), 0, "ann (uid 1000) as root (uid 0)"),
            (Some(0), 0, "root (uid 0)"),
            (None, 0, "root (uid 0)"),
            (Some(7), 0, "uid 7 as root (uid 0)"),
        ] {
            assert_eq!(in_words(login, own, passwd), words);
        }
    }
}
