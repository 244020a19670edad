//! `console.grub_password`: whether the boot menu can be edited by whoever reaches the serial line (GRUB manual,
//! "Security").

mod condition;
mod script;

use super::GRUB_PASSWORD;
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::node::Hint;
use script::{Guard, Menu};
use serde_json::json;
use std::collections::BTreeMap;

/// The directories of the menu; the Red Hat family calls it grub2.
const DIRECTORIES: [&str; 2] = ["boot/grub", "boot/grub2"];
/// Where UEFI systems keep one a vendor.
const VENDORS: &str = "boot/efi/EFI";

pub(super) fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let say =
        |verdict, message: String| context.finding(&GRUB_PASSWORD, verdict, "console", message);
    let menus = match menus(context) {
        Ok(menus) => menus,
        Err((path, reason)) => {
            let message = format!("the boot menu cannot be read: {reason}");
            return emit(say(Verdict::Unknown, message).location(path));
        }
    };
    if menus.is_empty() {
        let message = "there is no GRUB menu".to_owned();
        return emit(say(Verdict::NotApplicable, message));
    }
    let always = context.demanded_text(&GRUB_PASSWORD, "serial") == "always";
    // What the next menu is made from counts as well.
    let source = defaults(context);
    let mut judged = false;
    let several = menus.len() > 1;
    for (path, menu) in &menus {
        let subject = if several { path.as_str() } else { "console" };
        let say =
            |verdict, message: String| context.finding(&GRUB_PASSWORD, verdict, subject, message);
        let serial = menu.serial.clone().or_else(|| source.clone());
        if serial.is_none() && !always {
            continue;
        }
        judged = true;
        let guard = menu.guard();
        let evidence = json!({
            "serial": serial.is_some(), "superusers": menu.superusers.len(), "password": guard == Guard::Yes,
        });
        let shown = match guard {
            Guard::Yes => {
                let finding = say(
                    Verdict::Pass,
                    "the boot menu asks for a password before it can be edited".to_owned(),
                );
                emit(finding.evidence(json!({ "password": true }), evidence));
                continue;
            }
            Guard::Maybe => {
                let message = "whether the boot menu asks for a password is decided by conditions that show at boot alone";
                let finding = say(Verdict::Unknown, message.to_owned())
                    .evidence(json!({ "password": true }), evidence);
                emit(finding.location(menu.place.clone().unwrap_or_else(|| path.clone())));
                continue;
            }
            Guard::No if menu.superusers.is_empty() => "no superusers are set",
            Guard::No => "none of its superusers has a password",
        };
        let place = menu
            .place
            .clone()
            .or(serial)
            .unwrap_or_else(|| path.clone());
        emit(
            say(
                Verdict::Fail,
                format!("the boot menu can be edited into a root shell: {shown}"),
            )
            .evidence(json!({ "password": true }), evidence)
            .location(place)
            .remediation(remedy(context)),
        );
    }
    if !judged {
        emit(say(
            Verdict::NotApplicable,
            "the boot menu is not on the serial line".to_owned(),
        ));
    }
}

fn remedy(context: &Context<'_>) -> &'static str {
    let release = context.release;
    let red_hat = |id: &String| matches!(id.as_str(), "rhel" | "fedora" | "amzn" | "centos");
    match red_hat(&release.id) || release.id_like.iter().any(red_hat) {
        true => "grub2-setpassword",
        false => {
            "put set superusers and password_pbkdf2 (of grub-mkpasswd-pbkdf2) in /etc/grub.d/40_custom, then: update-grub"
        }
    }
}

/// The menus that firmware may start, with what is read beside them.
fn menus(context: &Context<'_>) -> Result<Vec<(String, Menu)>, (String, String)> {
    let mut directories: Vec<String> = DIRECTORIES.map(str::to_owned).to_vec();
    let vendors = context.root.list(VENDORS.as_bytes()).ok().flatten();
    for (name, _) in vendors.iter().flat_map(|names| names.iter()) {
        directories.push(format!("{VENDORS}/{}", String::from_utf8_lossy(name)));
    }
    let mut menus = Vec::new();
    for directory in directories {
        let path = format!("{directory}/grub.cfg");
        let Some(text) = read(context, &path)? else {
            continue;
        };
        // On UEFI the vendor's file mostly leads to the real menu and is none itself.
        let leads = text
            .lines()
            .any(|line| line.split_whitespace().next() == Some("configfile"));
        if leads && !text.contains("menuentry") {
            continue;
        }
        let names = context.root.list(directory.as_bytes()).ok().flatten();
        let mut beside = BTreeMap::new();
        for (name, hint) in names.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name).into_owned();
            // Fonts, themes and modules beside it are no scripts.
            let is_script = name.ends_with(".cfg") && hint != Hint::Dir;
            let text = match is_script {
                true => read(context, &format!("{directory}/{name}"))?,
                false => None,
            };
            beside.insert(name, text);
        }
        let own = |name: &str| beside.get(name).cloned().flatten();
        let (user, custom) = (own("user.cfg"), own("custom.cfg"));
        let mut menu = Menu::beside(beside);
        // The password of grub2-setpassword, and local additions, where the menu does not say itself when it reads them.
        if let Some(user) = user.filter(|_| !text.contains("user.cfg")) {
            menu.add(&format!("{directory}/user.cfg"), &user);
        }
        menu.add(&path, &text);
        if let Some(custom) = custom.filter(|_| !text.contains("custom.cfg")) {
            menu.add(&format!("{directory}/custom.cfg"), &custom);
        }
        menus.push((format!("/{path}"), menu));
    }
    Ok(menus)
}

fn read(context: &Context<'_>, path: &str) -> Result<Option<String>, (String, String)> {
    match context.read(path) {
        Ok(bytes) => Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => Err((format!("/{path}"), error.to_string())),
    }
}

/// Where /etc/default/grub puts the menu on the serial terminal.
fn defaults(context: &Context<'_>) -> Option<String> {
    let mut files = vec!["etc/default/grub".to_owned()];
    let names = context.root.list(b"etc/default/grub.d").ok().flatten();
    for (name, _) in names.iter().flat_map(|names| names.iter()) {
        if name.ends_with(b".cfg") {
            files.push(format!(
                "etc/default/grub.d/{}",
                String::from_utf8_lossy(name)
            ));
        }
    }
    // Of several assignments the last one counts.
    let mut last: BTreeMap<String, (bool, String)> = BTreeMap::new();
    for file in files {
        let bytes = context.read(&file).ok().flatten().unwrap_or_default();
        for (number, line) in (1_usize..).zip(String::from_utf8_lossy(&bytes).lines()) {
            let Some((key, value)) = line.trim().split_once('=') else {
                continue;
            };
            if matches!(key, "GRUB_TERMINAL" | "GRUB_TERMINAL_INPUT") {
                let serial = words(value).any(|word| word == "serial");
                let place = format!("/{file}:{number}");
                last.insert(key.to_owned(), (serial, place));
            }
        }
    }
    // GRUB_TERMINAL stands for both directions and overrides the other (grub-mkconfig).
    let decided = last
        .remove("GRUB_TERMINAL")
        .or_else(|| last.remove("GRUB_TERMINAL_INPUT"));
    decided.and_then(|(serial, place)| serial.then_some(place))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(['"', '\'', ' ', '\t', ';'])
        .filter(|word| !word.is_empty())
}
