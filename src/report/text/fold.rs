//! Findings of files, folded for people: what opens a way in has a row of its own, the rest one a package or directory.

use super::rows::{Row, location};
use crate::report::words::{UNKNOWN, rank, thousands};
use agent_core::attributes::Attribute;
use agent_core::escape::{terminal_bytes, terminal_text};
use agent_core::finding::{Finding, Verdict};
use agent_core::paths::split;
use serde_json::Value;
use std::collections::BTreeMap;

/// Rows of packages and directories that fit a screen beside what has a row of its own.
const GROUPS: usize = 12;
/// Findings with a row of their own; what is beyond them is folded like the rest.
const NAMED: usize = 200;

/// Checks whose findings are folded.
const FOLDS: [&str; 3] = ["files.added", "files.removed", "files.changed"];
/// Files and directories that decide who comes in and with which rights; all below a directory is meant.
const WAYS_IN: [&str; 32] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
    "/etc/sudoers",
    "/etc/sudoers.d/",
    "/etc/sudo.conf",
    "/etc/doas.conf",
    "/etc/polkit-1/",
    "/etc/pam.conf",
    "/etc/pam.d/",
    "/etc/security/",
    "/etc/nsswitch.conf",
    "/etc/ssh/",
    "/etc/ld.so.preload",
    "/etc/host-integrity-agent/",
    "/etc/crontab",
    "/etc/cron.d/",
    "/var/spool/cron/",
    "/etc/rc.local",
    "/etc/inittab",
    "/etc/systemd/system/",
    "/etc/hosts.equiv",
    "/usr/bin/login",
    "/usr/bin/passwd",
    "/usr/bin/su",
    "/usr/bin/sudo",
    "/usr/bin/pkexec",
    "/usr/sbin/sshd",
    "/usr/bin/agent",
];
/// Names that mean the same in any home.
const WAYS_IN_NAMES: [&[u8]; 4] = [b".rhosts", b".shosts", b".k5login", b".k5users"];

/// Findings of files as they come.
#[derive(Debug, Default)]
pub(super) struct Fold {
    named: Vec<Finding>,
    /// The others, as long as they are no more than have rows of their own.
    few: Vec<Finding>,
    groups: BTreeMap<GroupKey, Group>,
}

/// What findings are folded under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum GroupKey {
    Package(String),
    Directory(Vec<u8>),
}

/// Findings of one place.
#[derive(Debug)]
struct Group {
    added: u64,
    removed: u64,
    changed: u64,
    unjudged: u64,
    /// What they have in common of their paths.
    below: Vec<u8>,
    worst: Finding,
}

impl Group {
    fn of(finding: Finding) -> Group {
        let is = |check: &str| u64::from(finding.check.id == check);
        Group {
            added: is("files.added"),
            removed: is("files.removed"),
            changed: is("files.changed"),
            unjudged: u64::from(!FOLDS.contains(&finding.check.id)),
            below: split(&finding.subject).0.to_vec(),
            worst: finding,
        }
    }

    fn count(&self) -> u64 {
        self.added + self.removed + self.changed + self.unjudged
    }

    fn merge(&mut self, other: Group) {
        self.added += other.added;
        self.removed += other.removed;
        self.changed += other.changed;
        self.unjudged += other.unjudged;
        self.below = common(&self.below, &other.below).to_vec();
        if rank(&other.worst) < rank(&self.worst) {
            self.worst = other.worst;
        }
    }
}

/// The directory that both directories lie in or are.
fn common<'a>(a: &'a [u8], b: &[u8]) -> &'a [u8] {
    let mut same = a;
    let holds = |same: &[u8]| b.starts_with(same) && matches!(b.get(same.len()), None | Some(b'/'));
    while !same.is_empty() && !holds(same) {
        same = split(same).0;
    }
    same
}

impl Fold {
    /// Takes in one finding.
    pub(super) fn add(&mut self, finding: Finding) {
        if self.named.len() < NAMED && has_own_row(&finding) {
            return self.named.push(finding);
        }
        if self.few.len() <= GROUPS {
            self.few.push(finding.clone());
        }
        let package = [&finding.expected, &finding.observed]
            .into_iter()
            .find_map(|evidence| evidence["package"].as_str());
        let place = match package {
            Some(package) => GroupKey::Package(package.to_owned()),
            None => GroupKey::Directory(split(&finding.subject).0.to_vec()),
        };
        add(&mut self.groups, place, Group::of(finding));
    }

    /// The rows, worst first.
    pub(super) fn rows(mut self) -> Vec<Row> {
        if self.few.len() <= GROUPS {
            self.named.append(&mut self.few);
            self.groups.clear();
        }
        self.fit();
        let mut groups: Vec<(GroupKey, Group)> = self.groups.into_iter().collect();
        groups.sort_by_key(|(_, group)| (rank(&group.worst), u64::MAX - group.count()));
        let hidden = groups.split_off(groups.len().min(GROUPS));
        self.named.sort_by(|a, b| a.subject.cmp(&b.subject));
        let mut rows: Vec<Row> = self.named.iter().map(single).collect();
        rows.extend(groups.iter().map(|(place, group)| folded(place, group)));
        // A row of its own comes before a fold of the same rank.
        rows.sort_by_key(|row| row.rank);
        if let Some((_, first)) = hidden.first() {
            let count: u64 = hidden.iter().map(|(_, group)| group.count()).sum();
            rows.push(Row {
                rank: rank(&first.worst),
                word: Some("…"),
                check: first.worst.check.id,
                name: format!(
                    "and {} more in {} packages and directories: --verbose or --format json lists all",
                    thousands(count),
                    thousands(hidden.len() as u64)
                ),
                said: String::new(),
            });
        }
        rows
    }

    /// Joins directories, the deepest first, until their rows fit.
    fn fit(&mut self) {
        let mut count = self.groups.len();
        if count <= GROUPS {
            return;
        }
        // By depth, so that each is touched once a level.
        let mut levels: BTreeMap<usize, BTreeMap<GroupKey, Group>> = BTreeMap::new();
        for (place, group) in std::mem::take(&mut self.groups) {
            let depth = match &place {
                GroupKey::Package(_) => 0,
                GroupKey::Directory(path) => path.iter().filter(|byte| **byte == b'/').count(),
            };
            levels.entry(depth).or_default().insert(place, group);
        }
        while count > GROUPS
            && let Some((depth, deepest)) = levels.pop_last()
        {
            if depth <= 1 {
                levels.insert(depth, deepest);
                break;
            }
            count -= deepest.len();
            let above = levels.entry(depth - 1).or_default();
            count -= above.len();
            for (mut place, group) in deepest {
                if let GroupKey::Directory(path) = &mut place {
                    path.truncate(split(path).0.len());
                }
                add(above, place, group);
            }
            count += above.len();
        }
        self.groups = levels.into_values().flatten().collect();
    }
}

fn add(groups: &mut BTreeMap<GroupKey, Group>, place: GroupKey, group: Group) {
    match groups.get_mut(&place) {
        Some(known) => known.merge(group),
        None => {
            groups.insert(place, group);
        }
    }
}

/// Whether the finding is told by itself whatever else is found.
fn has_own_row(finding: &Finding) -> bool {
    !FOLDS.contains(&finding.check.id)
        || rank(finding) == UNKNOWN
        || runs_with_rights(finding)
        || is_way_in(&finding.subject)
}

fn is_way_in(path: &[u8]) -> bool {
    let listed = WAYS_IN.iter().any(|way| match way.strip_suffix('/') {
        Some(directory) => path == directory.as_bytes() || path.starts_with(way.as_bytes()),
        None => path == way.as_bytes(),
    });
    let mut names = path.split(|byte| *byte == b'/');
    let last = split(path).1;
    listed || names.any(|name| name == b".ssh") || WAYS_IN_NAMES.contains(&last)
}

/// Whether the path now has setuid, setgid or capabilities that it had not, as far as was told.
fn runs_with_rights(finding: &Finding) -> bool {
    let bits = |evidence: &Value| {
        let mode = evidence["mode"].as_str();
        mode.and_then(|mode| u32::from_str_radix(mode, 8).ok())
            .unwrap_or(0)
            & 0o6000
    };
    let capability = |evidence: &Value| evidence["xattrs"]["security.capability"].clone();
    let (was, is) = (&finding.expected, &finding.observed);
    let directory = is["type"] == "dir" || (finding.changed.is_empty() && is["type"].is_null());
    let gained = bits(is) & !bits(was) != 0 && !directory;
    let moved = finding.changed.has(Attribute::Xattrs) || was.is_null();
    gained || (moved && !capability(is).is_null() && capability(is) != capability(was))
}

/// One finding in a row of its own.
fn single(finding: &Finding) -> Row {
    let said = terminal_text(&finding.message).into_owned() + &location(finding);
    Row {
        rank: rank(finding),
        word: None,
        check: finding.check.id,
        name: terminal_bytes(&finding.subject),
        said,
    }
}

fn folded(place: &GroupKey, group: &Group) -> Row {
    let worst = &group.worst;
    if group.count() == 1 {
        return single(worst);
    }
    let counts = [
        (group.changed, "changed"),
        (group.added, "added"),
        (group.removed, "removed"),
        (group.unjudged, "not judged"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, what)| format!("{} {what}", thousands(count)))
        .collect();
    let shown = |path: &[u8]| match path {
        b"" => "/".to_owned(),
        path => terminal_bytes(path) + "/",
    };
    let (name, below) = match place {
        GroupKey::Package(package) => {
            let below = format!(" below {}", shown(&group.below));
            (format!("package {}", terminal_text(package)), below)
        }
        GroupKey::Directory(_) => (shown(&group.below), String::new()),
    };
    let path = &worst.subject;
    let inside = path.strip_prefix(&group.below[..]).unwrap_or(path);
    let inside = inside.strip_prefix(b"/").unwrap_or(inside);
    let tells_more = match worst.verdict {
        Verdict::Fail if worst.severity > agent_core::finding::Severity::Low => "the worst",
        _ => "as",
    };
    let mut said = format!(
        "{}{below}; {tells_more} {}: {}",
        counts.join(", "),
        terminal_bytes(inside),
        terminal_text(&worst.message)
    );
    said += &location(worst);
    Row {
        rank: rank(worst),
        word: None,
        check: worst.check.id,
        name,
        said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::attributes::AttributeSet;
    use agent_core::finding::{FILES_ADDED, FILES_CHANGED, FILES_UNREADABLE, Severity};
    use serde_json::json;

    fn changed(path: &str, severity: Severity) -> Finding {
        Finding::new(&FILES_CHANGED, Verdict::Fail, severity, path, "contents")
    }

    fn text(findings: Vec<Finding>) -> String {
        let mut fold = Fold::default();
        findings.into_iter().for_each(|finding| fold.add(finding));
        let rows: Vec<String> = fold.rows().iter().map(Row::text).collect();
        rows.join("\n")
    }

    #[test]
    fn what_opens_a_way_in_is_never_folded() {
        let mut findings: Vec<Finding> = (0..900)
            .map(|i| changed(&format!("/usr/lib/x/{}/{i}", i % 300), Severity::High))
            .collect();
        findings.push(changed("/etc/passwd", Severity::Critical));
        findings.push(changed("/home/a/.ssh/authorized_keys", Severity::High));
        let mut setuid = changed("/usr/bin/find", Severity::Medium);
        setuid.changed = AttributeSet::NONE.with(Attribute::Mode);
        let setuid = setuid.evidence(json!({"mode": "0755"}), json!({"mode": "4755"}));
        findings.push(setuid);
        let added = Finding::new(
            &FILES_ADDED,
            Verdict::Fail,
            Severity::Low,
            "/usr/bin/y",
            "new",
        );
        let capable =
            json!({"type": "file", "mode": "0755", "xattrs": {"security.capability": "00"}});
        findings.push(added.evidence(Value::Null, capable));
        let unread = Finding::new(
            &FILES_UNREADABLE,
            Verdict::Unknown,
            Severity::High,
            "/opt/z",
            "no",
        );
        findings.push(unread);
        let text = text(findings);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows.len() <= NAMED.min(8), "{text}");
        assert!(rows[0].starts_with("/etc/passwd  "), "{text}");
        for path in [
            "/home/a/.ssh/authorized_keys  ",
            "/usr/bin/find  ",
            "/usr/bin/y  ",
            "/opt/z  ",
        ] {
            assert!(text.contains(path), "{path}: {text}");
        }
        assert!(
            text.contains("/usr/lib/x/  900 changed; the worst "),
            "{text}"
        );
    }

    #[test]
    fn a_package_tells_its_worst() {
        let of = |path: String, severity| {
            changed(&path, severity).evidence(json!({"package": "tool"}), json!({}))
        };
        let mut findings: Vec<Finding> = (0..20)
            .map(|i| of(format!("/usr/bin/{i}"), Severity::High))
            .collect();
        findings.push(of("/usr/lib/tool/so".into(), Severity::Critical));
        findings.push(changed("/opt/alone", Severity::Low));
        assert_eq!(
            text(findings),
            "package tool  21 changed below /usr/; the worst lib/tool/so: contents\n/opt/alone  contents"
        );
    }

    #[test]
    fn a_few_have_rows_of_their_own() {
        let findings = (0..GROUPS).map(|i| changed(&format!("/usr/{i}"), Severity::High));
        assert_eq!(text(findings.collect()).lines().count(), GROUPS);
    }

    #[test]
    fn very_many_levels_are_joined_at_once() {
        let path = |level: usize| "/d".repeat(level);
        let findings = (1..3_000).map(|level| changed(&path(level), Severity::High));
        let text = text(findings.collect());
        assert_eq!(text.lines().count(), GROUPS, "{text}");
        assert!(text.contains("2,988 changed"), "{text}");
    }

    #[test]
    fn directories_have_their_own_common_part() {
        for (a, b, both) in [
            ("/usr/lib", "/usr/lib", "/usr/lib"),
            ("/usr/lib", "/usr/lib64", "/usr"),
            ("/usr/lib/x", "/usr/lib", "/usr/lib"),
            ("/a", "/b", ""),
            ("", "/b", ""),
        ] {
            assert_eq!(
                common(a.as_bytes(), b.as_bytes()),
                both.as_bytes(),
                "{a} {b}"
            );
        }
    }
}
