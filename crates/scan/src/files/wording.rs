//! A deviation in the words that people and programs get: what is wrong, how much it matters, what to do.

use super::deviation::{Deviation, DeviationKind};
use super::join::{Expected, Source};
use super::probe::Unseen;
use super::walk::Blindness;
use agent_baseline::Baseline;
use agent_core::attributes::{Attribute, AttributeSet, Attributes, FileType, Xattr};
use agent_core::escape;
use agent_core::finding::{self, Check, Finding, Severity, Verdict};
use agent_core::os::mounts::Layer;
use agent_core::paths::subject;
use rustix::io::Errno;
use serde_json::{Value, json};

/// The finding for a deviation.
pub fn finding(deviation: &Deviation, against: Baseline) -> Finding {
    let new = |check: &'static Check, verdict, message: String| {
        let subject = subject(&deviation.path);
        Finding::new(check, verdict, severity(deviation), subject, message)
    };
    let fail = |check, message| new(check, Verdict::Fail, message);
    match &deviation.kind {
        DeviationKind::Added(observed) => {
            let (message, remedy) = words_added(observed, against);
            let mut finding = fail(&finding::FILES_ADDED, message);
            finding.observed = finding::evidence(observed, AttributeSet::ALL);
            finding.remediation(remedy)
        }
        DeviationKind::Removed(expected) => {
            let message = match &expected.source {
                Source::Package {
                    name,
                    conffile: true,
                    ..
                } => format!("a configuration file of package {name} is missing"),
                Source::Package { name, .. } => format!("a file of package {name} is missing"),
                source => format!("was removed {}", since(source)),
            };
            let mut finding = fail(&finding::FILES_REMOVED, message);
            finding.expected = expectation(expected, AttributeSet::ALL);
            finding.remediation(mend(expected))
        }
        DeviationKind::Changed {
            expected,
            observed,
            changed,
        } => {
            let differences = match &expected.attributes {
                Some(was) => differences(was, observed, *changed).join(", "),
                None => String::new(),
            };
            let message = format!("changed {}: {differences}", since(&expected.source));
            let mut finding = fail(&finding::FILES_CHANGED, message);
            finding.changed = *changed;
            finding.expected = expectation(expected, *changed);
            finding.observed = finding::evidence(observed, *changed);
            finding.remediation(mend(expected))
        }
        DeviationKind::Unseen(Unseen::Corrupt) => {
            let message = "a part of what fs-verity sealed does not read back as it was sealed (EIO): the file system below was changed or is damaged".into();
            let mut finding = fail(&finding::FILES_CHANGED, message);
            finding.changed = AttributeSet::NONE.with(Attribute::Sha256);
            finding.remediation("treat the disk as changed from outside or as failing; restore the file from the image")
        }
        DeviationKind::Unseen(unseen) => {
            let (message, remedy) = words_unseen(unseen);
            new(&finding::FILES_UNREADABLE, Verdict::Unknown, message).remediation(remedy)
        }
        DeviationKind::Blind(why) => {
            let (message, remedy) = words_blind(*why);
            new(&finding::FILES_UNREADABLE, Verdict::Unknown, message).remediation(remedy)
        }
        DeviationKind::Mounted(layers) => {
            let (message, observed) = words_mounted(layers);
            let mut finding = fail(&finding::FILES_MOUNT, message);
            finding.observed = observed;
            finding.remediation("find out who mounted it (findmnt PATH; /etc/fstab, mount units); unmount it, or record the image anew with it")
        }
        DeviationKind::Exchanged(layers) => {
            let message = words_exchanged(layers);
            let mut finding = fail(&finding::FILES_MOUNT, message);
            finding.observed = observed_mounts(layers);
            finding.remediation("find out who mounted it (findmnt PATH; /etc/fstab, mount units) and look at what it holds; mount the right one, and start the agent anew where this one is")
        }
        DeviationKind::MountsUnknown => new(
            &finding::FILES_MOUNT,
            Verdict::Unknown,
            "the mount table (/proc/thread-self/mountinfo) cannot be read: whether something is mounted over what was recorded cannot be told".into(),
        )
        .remediation("mount proc at /proc; find out who hides it"),
        DeviationKind::Weaker(_, clause) => fail(
            &finding::FILES_PROFILE,
            format!("{clause}; judged as sealed all the same"),
        )
        .remediation("restore the profile, or record and seal the image anew under the new one"),
    }
}

/// What was added, and what to do about it.
fn words_added(observed: &Attributes, against: Baseline) -> (String, &'static str) {
    let noun = noun(observed.kind);
    match against {
        Baseline::Manifest(()) => (
            format!("{noun} was added since the image was recorded"),
            "find out who put it there; remove it, or record the image anew with it",
        ),
        Baseline::Packages(()) => (
            format!("{noun} that no package owns{}", rights(observed)),
            "find out who put it there (its times, the package logs); remove it, or install it from a package",
        ),
    }
}

fn observed_mounts(layers: &[Layer]) -> Value {
    let shown = |layer: &Layer| json!({ "fstype": layer.fstype, "source": layer.source, "shown": layer.shown });
    json!({ "mounts": layers.iter().map(shown).collect::<Vec<Value>>() })
}

fn words_exchanged(layers: &[Layer]) -> String {
    let top = layers.last();
    let (fstype, source) = top.map_or(("", ""), |top| (&*top.fstype, &*top.source));
    format!(
        "{fstype} ({source}) is mounted there as when the image was recorded, and is another file system than before, or than process 1 has there"
    )
}

/// What is mounted over a path, lowest first.
fn words_mounted(layers: &[Layer]) -> (String, Value) {
    match layers.last() {
        Some(top) => (
            format!(
                "{} ({} of {}) is mounted over it that was not when the image was recorded",
                top.fstype, top.shown, top.source
            ),
            observed_mounts(layers),
        ),
        None => (
            "a file system is mounted over it that was not when the image was recorded: what it holds was not looked at"
                .into(),
            Value::Null,
        ),
    }
}

/// That of the path's entry; but a changed configuration file of a package is everyday, and any other
/// file of a package has no reason to change.
fn severity(deviation: &Deviation) -> Severity {
    let path = deviation.policy.demand.severity;
    match &deviation.kind {
        DeviationKind::Removed(expected) | DeviationKind::Changed { expected, .. } => {
            match expected.source {
                Source::Package { conffile: true, .. } => Severity::Low,
                Source::Package {
                    conffile: false, ..
                } => path.max(Severity::High),
                _ => path,
            }
        }
        _ => path,
    }
}

fn since(source: &Source) -> String {
    match source {
        Source::Manifest | Source::Mount => "since the image was recorded".into(),
        Source::Launch => "since the first boot".into(),
        Source::Amendment => "since it was accepted by an amendment".into(),
        Source::Package {
            name,
            conffile: true,
            ..
        } => format!("since package {name} installed it as configuration"),
        Source::Package { name, .. } => format!("since package {name} installed it"),
    }
}

/// One clause for each attribute, with both values where they are short.
pub fn differences(was: &Attributes, is: &Attributes, changed: AttributeSet) -> Vec<String> {
    fn arrow<T: std::fmt::Display>(word: &str, was: Option<T>, is: Option<T>) -> String {
        match (was, is) {
            (Some(was), Some(is)) => format!("{word} {was} → {is}"),
            _ => word.to_owned(),
        }
    }
    let octal = |mode: Option<u16>| mode.map(|mode| format!("{mode:04o}"));
    let text = |link: &Option<Box<[u8]>>| link.as_ref().map(|l| escape::lossless_text(l).0);
    let device =
        |numbers: Option<(u32, u32)>| numbers.map(|(major, minor)| format!("{major}:{minor}"));
    let clause = |attribute| match attribute {
        Attribute::Type => format!("{} → {}", noun(was.kind), noun(is.kind)).to_lowercase(),
        Attribute::Mode => arrow("mode", octal(was.mode), octal(is.mode)),
        Attribute::Uid => arrow("uid", was.uid, is.uid),
        Attribute::Gid => arrow("gid", was.gid, is.gid),
        Attribute::Size => arrow("size", was.size, is.size),
        Attribute::Mtime => "mtime".to_owned(),
        Attribute::Link => arrow("target", text(&was.link), text(&is.link)),
        Attribute::Nlink => arrow("nlink", was.nlink, is.nlink),
        Attribute::Sha256 => "contents".to_owned(),
        Attribute::Xattrs => xattrs(was, is),
        Attribute::Flags if was.lost_seal(is) => "fs-verity seal lost".to_owned(),
        Attribute::Flags => arrow("flags", was.flags.map(flags), is.flags.map(flags)),
        Attribute::Device => arrow("device", device(was.device), device(is.device)),
    };
    // What was done to the contents says most, when least.
    let rank = |attribute: &Attribute| match attribute {
        Attribute::Type | Attribute::Sha256 | Attribute::Link => 0,
        Attribute::Mtime => 2,
        _ => 1,
    };
    let mut attributes: Vec<Attribute> = changed.iter().collect();
    attributes.sort_by_key(rank);
    attributes.into_iter().map(clause).collect()
}

/// Which extended attributes were added, removed and changed.
fn xattrs(was: &Attributes, is: &Attributes) -> String {
    let empty = Vec::new();
    let (was, is) = (
        was.xattrs.as_ref().unwrap_or(&empty),
        is.xattrs.as_ref().unwrap_or(&empty),
    );
    let named = |x: &Xattr, word: &str| format!("{} {word}", escape::lossless_text(&x.name).0);
    let find = |list: &[Xattr], name: &[u8]| list.iter().position(|x| *x.name == *name);
    let mut clauses = Vec::new();
    for old in was {
        match find(is, &old.name) {
            None => clauses.push(named(old, "removed")),
            Some(i) if is[i] != *old => clauses.push(named(old, "changed")),
            Some(_) => {}
        }
    }
    clauses.extend(
        is.iter()
            .filter(|new| find(was, &new.name).is_none())
            .map(|new| named(new, "added")),
    );
    clauses.join(", ")
}

fn flags(flags: agent_core::attributes::Flags) -> String {
    match flags.is_empty() {
        true => "none".into(),
        false => flags.to_string(),
    }
}

fn expectation(expected: &Expected, keep: AttributeSet) -> serde_json::Value {
    let Some(attributes) = &expected.attributes else {
        return serde_json::Value::Null;
    };
    let mut value = finding::evidence(attributes, keep);
    if let Source::Package { name, .. } = &expected.source {
        value["package"] = serde_json::json!(&**name);
    }
    value
}

fn mend(expected: &Expected) -> String {
    match &expected.source {
        Source::Manifest | Source::Mount | Source::Launch | Source::Amendment => {
            "find out who did it; restore the file from the image, or accept it if it is meant: agent baseline accept PATH --reason TEXT".into()
        }
        Source::Package {
            name,
            conffile: true,
            manager: agent_packages::DatabaseKind::Rpm,
            ..
        } => format!("if nobody meant it: remove it, then: dnf reinstall {name}"),
        Source::Package {
            name,
            manager: agent_packages::DatabaseKind::Rpm,
            ..
        } => {
            format!("find out who did it; then: dnf reinstall {name} (yum where there is no dnf)")
        }
        Source::Package { name, conffile: true, .. } => format!(
            "if nobody meant it: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss -o Dpkg::Options::=--force-confnew {name}"
        ),
        Source::Package { name, .. } => {
            format!("find out who did it; then: apt-get install --reinstall {name}")
        }
    }
}

/// What to do about what was set aside.
const SET_ASIDE: &str =
    "look at it by other means; report the fault with the agent's last words in the journal";

/// Of what hangs.
pub(super) const SILENT: &str = "its file system gave no answer in time";
const ANSWERS: &str = "bring back the server or program behind the mount (findmnt -T PATH names it) or unmount it; it is looked at again once it answers";

fn words_unseen(unseen: &Unseen) -> (String, &'static str) {
    match unseen {
        Unseen::Gone => ("vanished while it was looked at".into(), "run again"),
        Unseen::Changing => (
            "changed each of three times it was read, so nothing can be said of it".into(),
            "run again when its writer is quiet; if it is written all the time, the profile should demand less of it",
        ),
        Unseen::Corrupt => ("does not read back as fs-verity sealed it".into(), "restore it from the image"),
        Unseen::Partly(attributes) => (
            format!("{attributes} of it could not be seen, so it cannot be compared"),
            "run again; if it stays so, look at the file system",
        ),
        Unseen::Silent => (SILENT.into(), ANSWERS),
        Unseen::SetAside => (
            "looking at it brought the agent to its end again and again: it is not looked at for a while".into(),
            SET_ASIDE,
        ),
        Unseen::Refused(what, errno) => (
            format!("cannot {what}: {}", reason(*errno)),
            "run as root; if root is refused too, look at the file system",
        ),
    }
}

fn words_blind(why: Blindness) -> (String, &'static str) {
    match why {
        Blindness::Refused(what, errno) => (
            format!(
                "cannot {what} the directory ({}): nothing below it could be judged",
                reason(errno)
            ),
            "run as root; if root is refused too, look at the file system",
        ),
        Blindness::Silent => (
            format!("{SILENT}, and nothing below it could be judged"),
            ANSWERS,
        ),
        Blindness::SetAside => (
            "walking it brought the agent to its end again and again: nothing below it is looked at for a while".into(),
            SET_ASIDE,
        ),
        Blindness::Deep => (
            "lies deeper than is walked: nothing below it was judged".into(),
            "find out who made it; move or remove what lies there (find -depth -delete)",
        ),
        Blindness::Moved => (
            "was moved while it was walked: nothing more of it could be judged".into(),
            "find out who moves directories there; run again",
        ),
        Blindness::Loop => (
            "is one of its own ancestors, mounted again: not walked".into(),
            "unmount it, or exclude the path in the profile",
        ),
        Blindness::Mount => (
            "another file system is mounted there and hides what was recorded".into(),
            "unmount it, or set cross_mounts = true for the path in the profile and record the image anew",
        ),
    }
}

/// Why an unowned file is worth a finding.
fn rights(observed: &Attributes) -> &'static str {
    let mode = observed.mode.unwrap_or(0);
    if mode & 0o4000 != 0 {
        return " runs with its owner's rights (setuid)";
    }
    if mode & 0o2000 != 0 {
        return " runs with its group's rights (setgid)";
    }
    " runs with capabilities of its own"
}

fn noun(kind: FileType) -> &'static str {
    match kind {
        FileType::File => "a file",
        FileType::Dir => "a directory",
        FileType::Link => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::Char => "a character device",
        FileType::Block => "a block device",
        FileType::Socket => "a socket",
    }
}

fn reason(errno: Errno) -> String {
    std::io::Error::from(errno).to_string()
}
