//! zypper's repositories, as libzypp decides about them (zypp.conf(5), RepoInfo.cc).

use super::repositories::{Settings, culprit, ids, last};
use super::{Culprit, drop_ins, text, texts};
use crate::settings::context::Context;
use crate::settings::drop_ins::is_null;
use crate::settings::ini::{Continued, assignments};
use agent_packages::rpm::version::compare;

/// From this libzypp on there are drop-ins and a vendor's zypp.conf; before it /etc/zypp/zypp.conf is all.
const DROP_INS_FROM: &str = "17.38.0";

/// The three switches: whether signatures are asked for at all, those of metadata, which holds the packages' digests,
/// and those of packages.
const SWITCHES: [&str; 3] = ["gpgcheck", "repo_gpgcheck", "pkg_gpgcheck"];

/// What a switch is set to, and where.
type Switch = Option<(bool, String)>;

/// Every repository that is switched on: how many there are, and those that take packages unsigned.
pub(super) fn look(context: &Context<'_>) -> Result<(usize, Vec<Culprit>), String> {
    let main = main(context)?;
    let all = SWITCHES.map(|key| of_all(&main, key));
    let mut looked_at: usize = 0;
    let mut culprits = Vec::new();
    for (path, text) in texts(context, "etc/zypp/repos.d", &[".repo"])? {
        let settings = assignments(&text, Continued::Never);
        for id in ids(&settings) {
            let own = |key: &str| {
                let (value, line) = last(&settings, id, &[key])?;
                Some((value, format!("{path}:{line}")))
            };
            if own("enabled").is_some_and(|(value, _)| !is_true(value)) {
                continue;
            }
            looked_at = looked_at.saturating_add(1);
            let [gpg, metadata, packages] = SWITCHES;
            let of_it = [
                // Neither yes nor no: as if it were not there.
                own(gpg).and_then(|(value, place)| Some((tri(value)?, place))),
                own(metadata).map(|(value, place)| (is_true(value), place)),
                own(packages).map(|(value, place)| (is_true(value), place)),
            ];
            if let Some((words, place)) = unsigned(&of_it, &all) {
                culprits.push(culprit(
                    id,
                    &path,
                    place.unwrap_or_else(|| path.clone()),
                    words,
                ));
            }
        }
    }
    Ok((looked_at, culprits))
}

/// Why packages without any signature are taken from a repository, and where that is said; `None`: they are not.
///
/// What it does not say itself the main configuration does; of the other two switches only where the repository says
/// nothing of gpgcheck either. Unless they say otherwise, gpgcheck demands that one of both is signed.
fn unsigned(own: &[Switch; 3], all: &[Switch; 3]) -> Option<(&'static str, Option<String>)> {
    let ([own_gpg, own_metadata, own_packages], [all_gpg, all_metadata, all_packages]) = (own, all);
    let gpg = own_gpg.as_ref().or(all_gpg.as_ref());
    let is_on = gpg.is_none_or(|(on, _)| *on);
    let special = |own: &'_ Switch, all: &'_ Switch| match own {
        None if own_gpg.is_none() => all.clone(),
        said => said.clone(),
    };
    let demands = |said: &Switch| said.as_ref().map_or(is_on, |(on, _)| *on);
    let metadata = special(own_metadata, all_metadata);
    let packages = special(own_packages, all_packages);
    if demands(&metadata) || demands(&packages) {
        return None;
    }
    let place = |said: Option<&(bool, String)>| said.map(|(_, place)| place.clone());
    Some(match is_on {
        false => ("gpgcheck is off", place(gpg)),
        true => (
            "gpgcheck is on, and repo_gpgcheck and pkg_gpgcheck are off: what is unsigned is taken",
            place(packages.as_ref()),
        ),
    })
}

/// The files of the main configuration that count, what is read last the last.
fn main(context: &Context<'_>) -> Result<Vec<(String, Settings)>, String> {
    let installed = context.installed().ok();
    let libzypp = installed.and_then(|installed| installed.named("libzypp"));
    let is_old = libzypp.is_some_and(|libzypp| compare(&libzypp.version, DROP_INS_FROM).is_lt());
    let mut found = Vec::new();
    let places: &[&str] = match is_old {
        true => &["etc/zypp/zypp.conf"],
        false => &["etc/zypp/zypp.conf", "usr/etc/zypp/zypp.conf"],
    };
    for path in places {
        if is_null(context.root, path) {
            break;
        }
        if let Some(file) = text(context, path)? {
            found.push(file);
            break;
        }
    }
    if !is_old {
        let directories = [
            "etc/zypp/zypp.conf.d",
            "run/zypp/zypp.conf.d",
            "usr/etc/zypp/zypp.conf.d",
        ];
        found.extend(drop_ins(context, &directories, ".conf")?);
    }
    Ok(found
        .into_iter()
        .map(|(path, text)| (path, assignments(&text, Continued::Never)))
        .collect())
}

/// What the main configuration says of a switch. The last word counts; if that is neither yes nor no, none does.
fn of_all(main: &[(String, Settings)], key: &str) -> Switch {
    let said = main.iter().rev().find_map(|(path, settings)| {
        let (value, line) = last(settings, "main", &[key])?;
        Some((value, format!("{path}:{line}")))
    });
    said.and_then(|(value, place)| Some((tri(value)?, place)))
}

/// libzypp's words (strToTrue, strToFalse of String.cc).
fn tri(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "0" | "no" | "false" | "never" | "off" | "-" => Some(false),
        _ => is_true(value).then_some(true),
    }
}

fn is_true(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    matches!(lower.as_str(), "1" | "yes" | "true" | "always" | "on" | "+")
        || value.parse::<i64>().is_ok_and(|number| number != 0)
}
