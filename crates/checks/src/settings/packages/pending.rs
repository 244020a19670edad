//! Security updates that wait, by the lists that the package manager keeps: nothing is asked of the network.

use super::advisories;
use super::checks::SECURITY_PENDING;
use crate::settings::context::{Context, Manager};
use agent_core::bounds;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::node;
use agent_core::words::{counted, thousands};
use agent_packages::dpkg::version::compare;
use agent_packages::{DatabaseKind, Installed, Package, detect, unpack};
use serde_json::json;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};

pub(super) const DAY: i64 = 86_400;
const LISTS: &str = "var/lib/apt/lists";
/// As many names as a report can bear.
const SHOWN: usize = 20;

/// An update that waits: what is installed and what is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) installed: String,
    pub(super) offered: String,
    /// The advisory, where there is one.
    pub(super) advisory: Option<String>,
}

/// What the lists say.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// By package.
    pub(super) pending: BTreeMap<String, Pending>,
    /// How many lists were read.
    pub(super) read: usize,
    /// When they were last made sure to be new, seconds since 1970.
    pub(super) refreshed: Option<i64>,
    /// Lists that could not be read, and why.
    pub(super) unreadable: Option<String>,
}

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let days = context.demanded_number(&SECURITY_PENDING, 7);
    let say =
        |verdict, message: String| context.finding(&SECURITY_PENDING, verdict, "packages", message);
    let installed = match context.installed() {
        Ok(installed) => installed,
        Err(why) => return say(Verdict::Unknown, why.to_owned()),
    };
    let dpkg = detect(context.root) == DatabaseKind::Dpkg;
    let lists = match dpkg {
        true => apt(context, installed),
        false => advisories::read(context, installed),
    };
    let age = lists.refreshed.map(|time| days_between(time, context.now));
    let names: Vec<String> = lists
        .pending
        .iter()
        .take(SHOWN)
        .map(|(name, pending)| format!("{name} {} < {}", pending.installed, pending.offered))
        .collect();
    let observed = json!({
        "pending": lists.pending.len(),
        "packages": names,
        "advisories": lists.pending.values().filter_map(|p| p.advisory.clone()).take(SHOWN).collect::<Vec<_>>(),
        "lists": lists.read,
        "age_days": age,
    });
    let (verdict, message) = decide(&lists, installed, context.manager(), age, days);
    let finding =
        say(verdict, message).evidence(json!({ "pending": 0, "age_days": days }), observed);
    match verdict {
        Verdict::Fail => finding.remediation(match context.manager() {
            Manager::Apt => "apt-get update && apt-get upgrade, or rebuild the image",
            Manager::Zypper => "zypper patch --category security, or rebuild the image",
            Manager::Yum => "yum update --security, or rebuild the image",
            Manager::Dnf => "dnf upgrade --security, for Amazon Linux 2023 with --releasever=latest; or rebuild the image",
        }),
        _ => finding,
    }
}

/// Whole days from one time to a later one. A file's time may be any number of seconds.
fn days_between(time: i64, later: i64) -> i64 {
    later.saturating_sub(time).div_euclid(DAY)
}

/// What the lists come to, and in words; `age` and `days`, the most that is demanded, in days.
fn decide(
    lists: &Lists,
    installed: &Installed,
    manager: Manager,
    age: Option<i64>,
    days: i64,
) -> (Verdict, String) {
    let unknown = |why: String| (Verdict::Unknown, why);
    if !lists.pending.is_empty() {
        let more = if lists.pending.len() > 3 { ", …" } else { "" };
        let first: Vec<&str> = lists.pending.keys().take(3).map(String::as_str).collect();
        let message = format!(
            "{} a security update that is not installed: {}{more}",
            match lists.pending.len() {
                1 => "1 package has".to_owned(),
                many => format!("{} packages have", thousands(many as u64)),
            },
            first.join(", ")
        );
        return (Verdict::Fail, message);
    }
    if let Some(why) = &lists.unreadable {
        return unknown(why.clone());
    }
    if lists.read == 0 {
        return unknown(match manager {
            Manager::Apt => "there is no list of a security archive in /var/lib/apt/lists: apt-get update makes them".into(),
            Manager::Zypper => "zypper has no advisories in its cache: zypper refresh makes them".into(),
            Manager::Yum | Manager::Dnf => "dnf has no advisories in its cache: dnf makecache and dnf updateinfo make them".into(),
        });
    }
    if let Some(damaged) = &installed.damaged {
        return unknown(format!("{damaged} is damaged in part"));
    }
    match age {
        None => unknown("nothing tells how old the lists are".into()),
        Some(age) if age > days => unknown(format!(
            "no update waits by lists that are {} old, {days} are demanded at most",
            counted(age.unsigned_abs(), "day")
        )),
        Some(age) => (
            Verdict::Pass,
            format!(
                "no security update waits, by {}, {} old",
                counted(lists.read as u64, "list"),
                counted(age.unsigned_abs(), "day")
            ),
        ),
    }
}

/// apt's lists of security archives against dpkg's status.
fn apt(context: &Context<'_>, installed: &Installed) -> Lists {
    let root = context.root;
    let mut lists = Lists::default();
    let names = match root.list(LISTS.as_bytes()) {
        Ok(names) => names,
        Err(error) => {
            lists.unreadable = Some(format!("/{LISTS}: {error}"));
            return lists;
        }
    };
    let mut known: HashMap<&str, Vec<&Package>> = HashMap::new();
    for package in &installed.packages {
        known.entry(&package.name).or_default().push(package);
    }
    let mut times = vec![
        modified(context, &format!("{LISTS}/partial")),
        modified(context, "var/lib/apt/periodic/update-success-stamp"),
    ];
    for (name, _) in names.iter().flat_map(|names| names.iter()) {
        let name = String::from_utf8_lossy(name).into_owned();
        if !is_of_security(&name) {
            continue;
        }
        let path = format!("{LISTS}/{name}");
        if name.ends_with("InRelease") || name.ends_with("_Release") {
            times.push(modified(context, &path));
        }
        if !name.contains("_Packages") {
            continue;
        }
        let read = root
            .open_file(path.as_bytes())
            .and_then(|file| file.ok_or_else(|| std::io::Error::other("it is gone")))
            .and_then(
                |file| match unpack::reader(&name, file, bounds::PACKAGE_LIST) {
                    Some(reader) => offers(reader, &known, &mut lists.pending),
                    None => Err(std::io::Error::other(
                        "this version cannot read that compression",
                    )),
                },
            );
        match read {
            Ok(()) => lists.read = lists.read.saturating_add(1),
            Err(error) => lists.unreadable = Some(format!("/{path}: {error}")),
        }
    }
    lists.refreshed = times.into_iter().flatten().max();
    lists
}

/// Whether a list is of a security archive: by its suite, as `bookworm-security` and `jammy-security`, and by the
/// hosts of releases whose suites are called otherwise.
fn is_of_security(name: &str) -> bool {
    let suite = name.split("_dists_").nth(1).unwrap_or_default();
    let suite = suite.split('_').next().unwrap_or_default();
    suite.contains("security") || name.starts_with("security.debian.org_")
}

pub(super) fn modified(context: &Context<'_>, path: &str) -> Option<i64> {
    let handle = context.root.resolve(path.as_bytes(), true).ok()?.handle?;
    Some(node::stat(&handle).ok()?.mtime.seconds)
}

/// Stanzas of a Packages file (deb822(5)): each that is newer than what is installed.
fn offers(
    mut reader: impl BufRead,
    known: &HashMap<&str, Vec<&Package>>,
    pending: &mut BTreeMap<String, Pending>,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    let (mut name, mut version, mut arch) = (String::new(), String::new(), String::new());
    loop {
        line.clear();
        let most = bounds::PACKAGE_LIST_LINE;
        let length = (&mut reader).take(most + 1).read_until(b'\n', &mut line)?;
        if length as u64 > most {
            let why = format!("a line longer than {most} bytes");
            return Err(std::io::Error::other(why));
        }
        let text = line.trim_ascii_end();
        if text.is_empty() {
            for package in known.get(name.as_str()).into_iter().flatten() {
                let same = package.arch == arch || arch == "all" || package.arch == "all";
                if same && compare(&package.version, &version) == Ordering::Less {
                    let newer = pending
                        .get(&package.name)
                        .is_none_or(|known| compare(&known.offered, &version) == Ordering::Less);
                    if newer {
                        let update = Pending {
                            installed: package.version.clone(),
                            offered: version.clone(),
                            advisory: None,
                        };
                        pending.insert(package.name.clone(), update);
                    }
                }
            }
            name.clear();
            if length == 0 {
                return Ok(());
            }
            continue;
        }
        for (field, value) in [
            (&b"Package: "[..], &mut name),
            (b"Version: ", &mut version),
            (b"Architecture: ", &mut arch),
        ] {
            if let Some(found) = text.strip_prefix(field) {
                value.clear();
                value.push_str(&String::from_utf8_lossy(found));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_as_old_as_a_file_can_be_is_old() {
        assert_eq!(days_between(0, DAY), 1);
        assert!(days_between(i64::MIN, 1_700_000_000) > 1_000_000);
    }
}
