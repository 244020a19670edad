//! What packages explain, told by package (6002): as many events as its list of paths needs, and one severity for all.

use super::draft::{Draft, severity};
use super::listing::in_pieces;
use super::own::lifecycle;
use super::source::EventSource;
use agent_core::escape;
use agent_core::explained::Evidence;
use agent_core::finding::Severity;
use agent_core::words::counted;
use serde_json::json;
use sha2::{Digest, Sha256};

/// What became of the paths of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// They deviate, and the package explains it.
    Explained,
    /// They still do, a day after that was last told.
    Reminded,
}

/// A package and the paths whose deviation it explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByPackage {
    /// What became of the paths.
    pub story: Story,
    /// Its name.
    pub name: String,
    /// The version that is installed,
    pub version: String,
    /// and the newest that manifest and amendments have.
    pub replaces: Option<String>,
    /// What vouches for it.
    pub evidence: Option<Evidence>,
    /// When it came (RFC 3339).
    pub at: Option<String>,
    /// The command that brought it.
    pub transaction: Option<String>,
    /// How each path differs, in the order of a walk.
    pub paths: Vec<(Sign, Vec<u8>)>,
}

/// How a path differs from what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It was not there.
    Added,
    /// It is there no more.
    Removed,
    /// It is another one.
    Changed,
}

impl Sign {
    /// By the id of a check of files; `None` for one that says nothing of the kind.
    pub fn of(check: &str) -> Option<Sign> {
        match check {
            "files.added" => Some(Sign::Added),
            "files.removed" => Some(Sign::Removed),
            "files.changed" => Some(Sign::Changed),
            _ => None,
        }
    }

    /// The check that says so.
    pub fn check(self) -> &'static str {
        match self {
            Sign::Added => "files.added",
            Sign::Removed => "files.removed",
            Sign::Changed => "files.changed",
        }
    }

    fn letter(self) -> char {
        match self {
            Sign::Added => '+',
            Sign::Removed => '-',
            Sign::Changed => '~',
        }
    }

    fn from_letter(letter: u8) -> Option<Sign> {
        match letter {
            b'+' => Some(Sign::Added),
            b'-' => Some(Sign::Removed),
            b'~' => Some(Sign::Changed),
            _ => None,
        }
    }
}

/// `+ PATH`, `- PATH` or `~ PATH`; the path as manifests write it, so that any bytes can be had back.
fn line((sign, path): &(Sign, Vec<u8>)) -> String {
    let mut text = vec![u8::try_from(sign.letter()).unwrap_or(b'~'), b' '];
    escape::push_octal(&mut text, path);
    String::from_utf8_lossy(&text).into_owned()
}

/// What a listing names; lines that are none are passed over.
pub fn listed(listing: &str) -> impl Iterator<Item = (Sign, Vec<u8>)> {
    listing.lines().filter_map(|line| match line.as_bytes() {
        [sign, b' ', path @ ..] => Some((Sign::from_letter(*sign)?, escape::from_octal(path)?)),
        _ => None,
    })
}

/// SHA-256 of the whole list, its lines with a line feed after each.
fn digest(paths: &[(Sign, Vec<u8>)]) -> String {
    let mut digest = Sha256::new();
    for path in paths {
        digest.update(line(path));
        digest.update(b"\n");
    }
    escape::hex(&digest.finalize())
}

/// Its events.
pub fn by_package(source: &EventSource, package: &ByPackage, now: i64) -> Vec<Draft> {
    let ByPackage {
        name,
        version,
        replaces,
        paths,
        ..
    } = package;
    let versions = match replaces {
        Some(old) if old != version => format!("{old} → {version}"),
        Some(_) | None => version.clone(),
    };
    let message = format!(
        "{name} {versions} explains {}: each is as the signed package has it",
        counted(paths.len() as u64, "path")
    );
    let status = match package.story {
        Story::Explained => (1, "New"),
        Story::Reminded => (2, "In Progress"),
    };
    let about = json!({
        "name": name, "version": version, "replaces": replaces, "evidence": package.evidence,
        "at": package.at, "transaction": package.transaction,
    });
    let digest = digest(paths);
    let event = |message: &str| {
        lifecycle(
            99,
            "Package explained",
            severity(Severity::Low),
            status,
            message,
            now,
        )
        .unmapped("package", without_nulls(about.clone()))
        .unmapped("paths", json!(paths.len()))
        .unmapped("listing_sha256", json!(digest))
    };
    in_pieces(paths.iter().map(line), &message, event)
        .map(|draft| draft.finish(source))
        .collect()
}

/// Paths that were told by package and are no longer as that said: as recorded again, or told by themselves now.
pub fn no_longer(source: &EventSource, paths: &[(Sign, Vec<u8>)], now: i64) -> Vec<Draft> {
    let message = format!(
        "{} that packages explained {} no longer",
        counted(paths.len() as u64, "path"),
        if paths.len() == 1 {
            "deviates"
        } else {
            "deviate"
        }
    );
    in_pieces(paths.iter().map(line), &message, |message| {
        let level = super::draft::INFORMATIONAL;
        lifecycle(
            99,
            "Package explained",
            level,
            (4, "Resolved"),
            message,
            now,
        )
        .unmapped("paths", json!(paths.len()))
        .unmapped("listing_sha256", json!(digest(paths)))
    })
    .map(|draft| draft.finish(source))
    .collect()
}

fn without_nulls(mut value: serde_json::Value) -> serde_json::Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(paths: Vec<(Sign, Vec<u8>)>) -> ByPackage {
        ByPackage {
            story: Story::Explained,
            name: "tool".into(),
            version: "1.1".into(),
            replaces: Some("1.0".into()),
            evidence: Some(Evidence::Signed),
            at: None,
            transaction: Some("apt-get upgrade".into()),
            paths,
        }
    }

    #[test]
    fn any_path_can_be_had_back_from_its_list() {
        let paths = vec![
            (Sign::Changed, b"/usr/bin/tool".to_vec()),
            (Sign::Added, b"/usr/lib/a b\n\xff".to_vec()),
            (Sign::Removed, b"/usr/lib/old".to_vec()),
        ];
        let events = by_package(&EventSource::default(), &package(paths.clone()), 5);
        assert_eq!(events.len(), 1);
        let event: serde_json::Value =
            serde_json::from_slice(&events[0].clone().text()).expect("JSON");
        let listing = event["unmapped"]["listing"].as_str().expect("a list");
        assert_eq!(listed(listing).collect::<Vec<_>>(), paths);
        assert_eq!(event["unmapped"]["paths"], 3);
        assert_eq!(event["unmapped"]["package"]["replaces"], "1.0");
        assert_eq!(event["severity"], "Low");
        let text = format!("{listing}\n");
        let digest = escape::hex(&Sha256::digest(text));
        assert_eq!(event["unmapped"]["listing_sha256"], digest.as_str());
        assert_eq!(listed("rubbish\n? /a\n~ /b\\9\n").count(), 0);
    }

    #[test]
    fn a_long_list_takes_as_many_events_as_it_needs_and_none_is_too_large() {
        let path = |n: u32| {
            (
                Sign::Changed,
                format!("/usr/share/doc/a-package/{n:08}").into_bytes(),
            )
        };
        let paths: Vec<_> = (0..20_000).map(path).collect();
        let events = by_package(&EventSource::default(), &package(paths.clone()), 5);
        assert!((6..=10).contains(&events.len()), "{}", events.len());
        let mut again = Vec::new();
        let mut bytes = 0;
        for event in events {
            let text = event.text();
            bytes += text.len();
            assert!(
                text.len() < super::super::draft::MAX_BYTES,
                "{}",
                text.len()
            );
            let event: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            again.extend(listed(
                event["unmapped"]["listing"].as_str().expect("a list"),
            ));
        }
        assert_eq!(again, paths);
        assert!(bytes < 1_000_000, "{bytes}");
    }
}
