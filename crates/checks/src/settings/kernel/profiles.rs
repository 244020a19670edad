//! Profiles of AppArmor that its service loads at boot: whether any of them is enforced (apparmor.d(5)).

use super::mac::Enforced;
use crate::settings::context::Context;
use agent_core::os::node::Hint;
use agent_core::paths;

const DIRECTORY: &str = "etc/apparmor.d";
/// What the parser passes over (is_blacklisted of its library): what package managers and editors leave.
const LEFT_OVER: [&str; 11] = [
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-dist",
    ".dpkg-bak",
    ".dpkg-remove",
    ".pacsave",
    ".pacnew",
    ".rpmnew",
    ".rpmsave",
    ".orig",
    ".rej",
];

/// What is enforced after the next boot.
pub(super) fn at_boot(context: &Context<'_>) -> Enforced {
    let fault = |error: std::io::Error| Enforced::Unknown(format!("/{DIRECTORY}: {error}"));
    let names = match context.root.list(DIRECTORY.as_bytes()) {
        Ok(Some(names)) => names,
        Ok(None) => return Enforced::No(format!("/{DIRECTORY} is not there"), None),
        Err(error) => return fault(error),
    };
    // A link of the profile's name switches it off, or has it complain.
    let linked = |directory: &str, name: &[u8]| {
        let path = paths::join(format!("{DIRECTORY}/{directory}").as_bytes(), name);
        let found = context.root.resolve(&path, false);
        found.is_ok_and(|found| found.handle.is_some())
    };
    let (mut found, mut unread) = (false, None);
    for (name, hint) in names.iter() {
        let shown = String::from_utf8_lossy(name);
        if hint == Hint::Dir || is_left_over(&shown) {
            continue;
        }
        found = true;
        if linked("disable", name) || linked("force-complain", name) {
            continue;
        }
        match context.read(&format!("{DIRECTORY}/{shown}")) {
            Ok(text) if text.as_deref().is_some_and(is_enforced) => return Enforced::Yes,
            Ok(_) => {}
            Err(error) => unread = Some(fault(error)),
        }
    }
    let why = match found {
        true => format!("no profile in /{DIRECTORY} is enforced"),
        false => format!("/{DIRECTORY} holds no profile"),
    };
    unread.unwrap_or(Enforced::No(why, None))
}

fn is_left_over(name: &str) -> bool {
    let ends = |ending: &&str| name.ends_with(*ending);
    name == "README" || name.starts_with('.') || name.ends_with('~') || LEFT_OVER.iter().any(ends)
}

/// Whether a text has a profile that forbids anything: one without a mode of another kind among its flags. A text whose
/// profiles are not made out, as they come by an include, is taken for one.
fn is_enforced(text: &[u8]) -> bool {
    const LENIENT: [&str; 4] = ["complain", "unconfined", "default_allow", "prompt"];
    let text = String::from_utf8_lossy(text);
    let (mut depth, mut lenient): (usize, bool) = (0, false);
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.starts_with('#') {
            continue;
        }
        let opens = line.ends_with('{') || line.ends_with("{}");
        let heads = ["profile ", "profile\t", "/", "\"", "@{"];
        if depth == 0 && opens && heads.iter().any(|head| line.starts_with(head)) {
            let flags = line.rsplit_once('(').map_or("", |(_, flags)| flags);
            let flags = flags.split(')').next().unwrap_or_default();
            let mut flags = flags.split([',', ' ', '\t']);
            if !flags.any(|flag| LENIENT.contains(&flag)) {
                return true;
            }
            lenient = true;
        }
        if line.ends_with('{') {
            depth = depth.saturating_add(1);
        } else if line.starts_with('}') {
            depth = depth.saturating_sub(1);
        }
    }
    !lenient
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_a_lenient_mode_is_enforced() {
        for (text, enforced) in [
            (
                "abi <abi/3.0>,\ninclude <tunables/global>\nprofile x /usr/bin/x {\n}\n",
                true,
            ),
            ("/usr/sbin/{a,b} flags=(attach_disconnected) {", true),
            ("\"/usr/bin/a b\" (enforce) { # c", true),
            ("@{bin}/x {", true),
            (
                "profile x /usr/bin/x flags=(attach_disconnected, complain) {\n  /usr/bin/y {\n  }\n}",
                false,
            ),
            ("profile x (unconfined) {\n  userns,\n}\n", false),
            ("profile x flags=(complain) {\n}\n/usr/bin/y {\n}\n", true),
            ("# /usr/bin/x (complain) {\n", true),
            ("@{multiarch}=*-linux-gnu*\n", true),
            ("include <other>\n", true),
        ] {
            assert_eq!(is_enforced(text.as_bytes()), enforced, "{text}");
        }
        for (name, left) in [
            ("README", true),
            ("x.dpkg-new", true),
            ("x~", true),
            ("usr.bin.x", false),
        ] {
            assert_eq!(is_left_over(name), left, "{name}");
        }
    }
}
