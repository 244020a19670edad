//! `packages.database`: what changed in dpkg's database since the manifest was made stands in dpkg's log.
//!
//! The log is root's to write, so that a pass proves little. A failure shows what a careful intruder does and most do
//! not, and a log that was taken away.

use super::checks::DATABASE as CHECK;
use crate::settings::context::Context;
use crate::settings::manifest;
use agent_core::finding::{Finding, Verdict};
use agent_core::words::counted;
use agent_packages::log::Logs;
use agent_packages::{DatabaseKind, Package, detect, transaction};
use serde_json::json;
use std::collections::{BTreeSet, HashSet};

/// Packages named in the finding.
const NAMED: usize = 20;

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let say = |verdict, message: String| context.finding(&CHECK, verdict, "packages", message);
    match detect(context.root) {
        DatabaseKind::Dpkg => {}
        DatabaseKind::Rpm => {
            let message = "rpm's database holds itself when each package was installed, and by which transaction";
            return say(Verdict::NotApplicable, message.into());
        }
        DatabaseKind::None => {
            return say(
                Verdict::NotApplicable,
                "there is no package database".into(),
            );
        }
    }
    let recorded: BTreeSet<String> = match manifest::open(context) {
        Ok(Some(verified)) => verified
            .manifest
            .header()
            .packages
            .iter()
            .map(|package| format!("{} {} {}", package.name, package.version, package.arch))
            .collect(),
        Ok(None) | Err(_) => BTreeSet::new(),
    };
    if recorded.is_empty() {
        let message = "no manifest says which packages there were";
        return say(Verdict::NotApplicable, message.into());
    }
    if context.live() && transaction::under_way(context.root).is_some() {
        let message = "packages are being installed or removed at the moment";
        return say(Verdict::Unknown, message.into());
    }
    let installed = match context.installed() {
        Ok(installed) => installed,
        Err(why) => {
            return say(
                Verdict::Unknown,
                format!("what is installed cannot be told: {why}"),
            );
        }
    };
    if let Some(file) = &installed.damaged {
        return say(
            Verdict::Unknown,
            format!("{file} is damaged: what is installed cannot be told"),
        );
    }
    let logs = logged(context, &recorded, &installed.packages);
    let unlogged = unlogged(&recorded, &installed.packages, &logs);
    if unlogged.is_empty() {
        return say(
            Verdict::Pass,
            "each change since the manifest was made is in dpkg's log".into(),
        );
    }
    if let Some(unread) = logs.unread() {
        let message = format!("what changed cannot be told, as a log was not read whole: {unread}");
        return say(Verdict::Unknown, message);
    }
    let count = counted(unlogged.len() as u64, "package");
    let message = match logs.is_empty() {
        true => format!(
            "{count} changed since the manifest was made, and dpkg's log is gone or says nothing"
        ),
        false => {
            format!("{count} changed since the manifest was made without a line in dpkg's log")
        }
    };
    let named: Vec<&String> = unlogged.iter().take(NAMED).collect();
    let finding = say(Verdict::Fail, message);
    let finding = finding.evidence(
        json!({ "unlogged": 0 }),
        json!({ "unlogged": count, "packages": named }),
    );
    match CHECK.remedy {
        Some(remedy) => finding.remediation(remedy),
        None => finding,
    }
}

/// What the logs say of the packages that are there, or were.
fn logged(context: &Context<'_>, recorded: &BTreeSet<String>, installed: &[Package]) -> Logs {
    let names = installed.iter().map(|one| one.name.as_str());
    let mut names: HashSet<&str> = names.collect();
    names.extend(recorded.iter().filter_map(|line| line.split(' ').next()));
    Logs::read(context.root, &|name| names.contains(name))
}

/// What came or went and stands in no log.
fn unlogged(recorded: &BTreeSet<String>, installed: &[Package], logs: &Logs) -> BTreeSet<String> {
    let line = |package: &Package| format!("{} {} {}", package.name, package.version, package.arch);
    let came = installed
        .iter()
        .filter(|package| !recorded.contains(&line(package)) && logs.came(package).is_none())
        .map(line);
    let there: BTreeSet<(&str, &str)> = installed
        .iter()
        .map(|package| (package.name.as_str(), package.arch.as_str()))
        .collect();
    let gone = recorded.iter().filter(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, version, arch] = words[..] else {
            return false;
        };
        let package = Package {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: arch.to_owned(),
        };
        !there.contains(&(name, arch)) && !logs.removed(&package)
    });
    came.chain(gone.map(|line| format!("{line} (removed)")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::os::root::Root;

    #[test]
    fn what_came_and_went_without_a_word() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("var/log");
        std::fs::create_dir_all(&log).expect("made");
        let text = "2026-11-27 10:00:07 status installed a:amd64 2\n2026-11-27 10:00:08 status not-installed d:all <none>\n";
        std::fs::write(log.join("dpkg.log"), text).expect("written");
        let logs = Logs::read(&Root::open(directory.path()).expect("a root"), &|_| true);
        let package = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            Package {
                name: words[0].clone(),
                version: words[1].clone(),
                arch: words[2].clone(),
            }
        };
        let recorded = ["a 1 amd64", "b 1 all", "c 1 all", "d 1 all", "e 1 all"]
            .map(str::to_owned)
            .into();
        let installed = ["a 2 amd64", "b 2 all", "c 1 all", "new 1 all"].map(package);
        let found = unlogged(&recorded, &installed, &logs);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["b 2 all", "e 1 all (removed)", "new 1 all"]);
    }
}
