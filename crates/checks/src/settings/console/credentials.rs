//! Credentials that let somebody in on a terminal: `agetty.autologin` and `login.noauth`, from wherever systemd
//! takes credentials (systemd.system-credentials(7), systemd.exec(5) "Credentials").

use super::getty::Given;
use crate::settings::boot::{self, words};
use crate::settings::context::Context;

/// Where credentials lie for units to load; those that are encrypted give no more than their names.
const STORES: [&str; 9] = [
    "run/credentials/@system",
    "etc/credstore",
    "etc/credstore.encrypted",
    "run/credstore",
    "run/credstore.encrypted",
    "usr/local/lib/credstore",
    "usr/local/lib/credstore.encrypted",
    "usr/lib/credstore",
    "usr/lib/credstore.encrypted",
];
/// Where the firmware of a virtual machine hands credentials over.
const FIRMWARE: &str = "sys/firmware/qemu_fw_cfg/by_name/opt/io.systemd.credentials";

/// A credential that a unit can import.
struct Credential {
    name: String,
    /// Unknown where it is encrypted.
    value: Option<String>,
    place: String,
}

/// What a unit's terminal is given, and where the first such credential stands.
pub(super) fn given(context: &Context<'_>, unit: &str) -> (Given, Option<String>) {
    let mut given = Given::default();
    let mut first = None;
    for (name, value, place) in of_unit(context, unit) {
        let on = match name.as_str() {
            "agetty.autologin" => value.as_deref() != Some(""),
            "login.noauth" => value.as_deref().is_none_or(boot::is_true),
            _ => continue,
        };
        if !on {
            continue;
        }
        match name.as_str() {
            "login.noauth" => given.noauth = true,
            _ => given.autologin = true,
        }
        first.get_or_insert(place);
    }
    (given, first)
}

/// The credentials that the unit gets: name, value where it can be read, place.
pub(in crate::settings) fn of_unit(
    context: &Context<'_>,
    unit: &str,
) -> Vec<(String, Option<String>, String)> {
    let mut found = Vec::new();
    for key in ["SetCredential", "SetCredentialEncrypted"] {
        for setting in context.units().values(context.root, unit, "Service", key) {
            if let Some((name, value)) = setting.value.split_once(':') {
                let value = (key == "SetCredential").then(|| value.to_owned());
                found.push((name.to_owned(), value, setting.location));
            }
        }
    }
    let stored = stored(context);
    for key in ["LoadCredential", "LoadCredentialEncrypted"] {
        for setting in context.units().values(context.root, unit, "Service", key) {
            let said = context
                .units()
                .specified(context.root, unit, &setting.value);
            let (name, path) = match said.split_once(':') {
                Some((name, path)) => (name, path),
                None => (said.as_str(), said.as_str()),
            };
            if path.starts_with('/') {
                let bytes = context.read(path).ok().flatten();
                let value = bytes
                    .map(|bytes| text(&bytes))
                    .filter(|_| key == "LoadCredential");
                found.push((name.to_owned(), value, setting.location));
            } else if let Some(credential) = stored.iter().find(|stored| stored.name == path) {
                let place = credential.place.clone();
                found.push((name.to_owned(), credential.value.clone(), place));
            }
        }
    }
    for setting in context
        .units()
        .values(context.root, unit, "Service", "ImportCredential")
    {
        let pattern = context
            .units()
            .specified(context.root, unit, &setting.value);
        for credential in &stored {
            if let Some(name) = imported(&pattern, &credential.name) {
                let place = credential.place.clone();
                found.push((name, credential.value.clone(), place));
            }
        }
    }
    found
}

/// The name under which `ImportCredential=PATTERN` hands a credential on: a `*` ends the pattern, and `:PREFIX` takes
/// the place of what stands before it.
fn imported(pattern: &str, name: &str) -> Option<String> {
    let (glob, renamed) = match pattern.split_once(':') {
        Some((glob, renamed)) => (glob, Some(renamed)),
        None => (pattern, None),
    };
    let rest = match glob.strip_suffix('*') {
        Some(beginning) => name.strip_prefix(beginning)?,
        None => (name == glob).then_some("")?,
    };
    Some(match renamed {
        Some(prefix) => format!("{prefix}{rest}"),
        None => name.to_owned(),
    })
}

/// Every credential that the system has for its units.
fn stored(context: &Context<'_>) -> Vec<Credential> {
    let root = context.root;
    let mut found = Vec::new();
    let stores = STORES
        .iter()
        .filter(|store| context.live() || !store.starts_with("run/"));
    for store in stores {
        let listed = root.list(store.as_bytes()).ok().flatten();
        for (name, _) in listed.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name).into_owned();
            let path = format!("{store}/{name}");
            let encrypted = store.ends_with(".encrypted");
            let value = context.read(&path).ok().flatten().filter(|_| !encrypted);
            found.push(Credential {
                name: name.strip_suffix(".cred").unwrap_or(&name).to_owned(),
                value: value.map(|bytes| text(&bytes)),
                place: format!("/{path}"),
            });
        }
    }
    for (place, line) in boot::command_lines(context) {
        for word in words(&line) {
            found.extend(boot_word(word, &place));
        }
    }
    if context.live() {
        found.extend(firmware(context));
    }
    found
}

/// Credentials that the kernel's command line and the firmware hand over, whatever units ask for: name, value where it
/// can be read, place.
pub(in crate::settings) fn handed_over(
    context: &Context<'_>,
) -> Vec<(String, Option<String>, String)> {
    let mut found = Vec::new();
    for (place, line) in boot::command_lines(context) {
        found.extend(words(&line).filter_map(|word| boot_word(word, &place)));
    }
    if context.live() {
        found.extend(firmware(context));
    }
    let parts = |credential: Credential| (credential.name, credential.value, credential.place);
    found.into_iter().map(parts).collect()
}

/// `systemd.set_credential=NAME:VALUE` and its binary form.
fn boot_word(word: &str, place: &str) -> Option<Credential> {
    let (key, value) = word.split_once('=')?;
    let key = key.replace('-', "_");
    let plain = key == "systemd.set_credential";
    if !plain && key != "systemd.set_credential_binary" {
        return None;
    }
    let (name, value) = value.split_once(':')?;
    Some(Credential {
        name: name.to_owned(),
        value: plain.then(|| value.to_owned()),
        place: place.to_owned(),
    })
}

/// SMBIOS strings of type 11 and files of fw_cfg, as the kernel shows them.
fn firmware(context: &Context<'_>) -> Vec<Credential> {
    let mut found = Vec::new();
    let list = |path: &str| {
        let listed = context.root.list(path.as_bytes()).ok().flatten();
        let names = listed.iter().flat_map(|names| names.iter());
        names
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
            .collect::<Vec<_>>()
    };
    for entry in list("sys/firmware/dmi/entries") {
        if !entry.starts_with("11-") {
            continue;
        }
        let path = format!("sys/firmware/dmi/entries/{entry}/raw");
        let raw = context.read(&path).ok().flatten().unwrap_or_default();
        for string in raw.split(|byte| *byte == 0) {
            let string = String::from_utf8_lossy(string);
            // The fixed part of the entry runs into the first string.
            let Some((_, string)) = string.split_once("io.systemd.credential") else {
                continue;
            };
            let plain = string.strip_prefix(':');
            let Some((name, value)) = plain
                .or_else(|| string.strip_prefix(".binary:"))
                .and_then(|rest| rest.split_once('='))
            else {
                continue;
            };
            found.push(Credential {
                name: name.to_owned(),
                value: plain.map(|_| value.to_owned()),
                place: format!("/{path}"),
            });
        }
    }
    for name in list(FIRMWARE) {
        let path = format!("{FIRMWARE}/{name}/raw");
        let value = context.read(&path).ok().flatten();
        found.push(Credential {
            name,
            value: value.map(|bytes| text(&bytes)),
            place: format!("/{path}"),
        });
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_under_which_credentials_are_imported() {
        for (pattern, name, expected) in [
            ("agetty.*", "agetty.autologin", Some("agetty.autologin")),
            ("agetty.*", "login.noauth", None),
            (
                "tty.serial.ttyS0.agetty.*:agetty.",
                "tty.serial.ttyS0.agetty.autologin",
                Some("agetty.autologin"),
            ),
            (
                "tty.serial.ttyS0.login.*:login.",
                "tty.serial.ttyS1.login.noauth",
                None,
            ),
            ("mine:login.noauth", "mine", Some("login.noauth")),
        ] {
            assert_eq!(
                imported(pattern, name).as_deref(),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn words_of_the_command_line() {
        let word = boot_word("systemd.set-credential=login.noauth:yes", "/proc/cmdline");
        let word = word.expect("a credential");
        assert_eq!(
            (word.name.as_str(), word.value.as_deref()),
            ("login.noauth", Some("yes"))
        );
        let word = boot_word(
            "systemd.set_credential_binary=agetty.autologin:cm9vdA==",
            "x",
        );
        assert_eq!(word.expect("a credential").value, None);
        assert!(boot_word("set_credential=login.noauth:yes", "x").is_none());
    }
}
