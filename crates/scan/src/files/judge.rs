//! Judging one path: pure, from what is expected and what was seen to a deviation or nothing.

use super::deviation::{Deviation, DeviationKind};
use super::join::{Expected, Source};
use super::owned::CAPABILITY;
use super::probe::{Unseen, Wanted};
use super::scope::PathPolicy;
use agent_core::attributes::{Algorithm, Attribute, AttributeSet, Attributes, Digest, FileType};

/// The contents of a file that nobody expected, or that is longer than it was, are evidence and decide nothing:
/// beyond this many bytes they are left unread, or a file with a hole of terabytes would keep a check from its end.
const DECIDED: u64 = 1 << 30;

/// What has to be looked at to judge a path.
pub fn wanted(
    policy: PathPolicy,
    expected: Option<&Expected>,
    selinux: bool,
    packages: bool,
) -> Wanted {
    let demand = policy.demand.attributes;
    let digest = expected
        .and_then(|e| e.attributes.as_ref())
        .and_then(|attributes| attributes.digest.as_ref())
        .map(Digest::algorithm);
    let contents = match digest {
        Some(algorithm) => Some(algorithm),
        // A package database says nothing of it: only what it may do is of interest.
        None if packages || policy.leads => None,
        None => Some(Algorithm::Sha256),
    };
    let size = expected.and_then(|e| e.attributes.as_ref()).map(|a| a.size);
    Wanted {
        limit: match size {
            // No digest decides anything here: a file that is too long is not as recorded.
            None => Some(DECIDED),
            Some(Some(size)) => Some(size.max(DECIDED)),
            Some(None) => None,
        },
        contents: contents.filter(|_| demand.has(Attribute::Sha256)),
        xattrs: demand.has(Attribute::Xattrs),
        flags: demand.has(Attribute::Flags),
        selinux,
        recorded: None,
    }
}

/// Judges a path that is there (or was, when its directory was listed); nothing where it is as expected.
pub fn present(
    policy: PathPolicy,
    expected: Option<Box<Expected>>,
    observed: Result<Attributes, Unseen>,
    packages: bool,
) -> Option<DeviationKind> {
    let observed = match observed {
        Ok(observed) => observed,
        // Gone before anybody looked: the same as if it had not been listed.
        Err(Unseen::Gone) => {
            return expected
                .filter(|expected| !expected.may_be_missing())
                .map(DeviationKind::Removed);
        }
        Err(unseen) => return Some(DeviationKind::Unseen(unseen)),
    };
    let unexpected = |mut observed: Attributes| {
        // They move with every entry that comes or goes, one that is excluded among them: no evidence, only noise.
        if observed.kind == FileType::Dir {
            observed.retain(AttributeSet::ALL.without(AttributeSet::OF_ENTRIES));
        }
        Some(DeviationKind::Added(Box::new(observed)))
    };
    let Some(expected) = expected else {
        let matters = match packages {
            true => is_notable(&observed),
            // A new directory that only leads on is judged by what is below it; a link in its place leads
            // programs where nobody looks.
            false => !policy.leads || observed.kind == FileType::Link,
        };
        return unexpected(observed).filter(|_| matters);
    };
    let Some(attributes) = &expected.attributes else {
        return unexpected(observed);
    };
    let mut observed = observed;
    if let (Source::Package { .. }, Some(xattrs), Some(_)) =
        (&expected.source, &mut observed.xattrs, &attributes.xattrs)
    {
        xattrs.retain(|xattr| *xattr.name == *CAPABILITY);
    }
    let mut changed = attributes.differing(&observed, policy.demand.attributes);
    if let (Source::Package { alternatives, .. }, Some(digest)) =
        (&expected.source, &observed.digest)
        && alternatives.contains(digest)
    {
        changed = changed.without(AttributeSet::NONE.with(Attribute::Sha256));
    }
    // A file that is too long is not read to its end: that much is known of it.
    if changed.is_empty() {
        let unseen = attributes.unseen_in(&observed, policy.demand.attributes);
        return (!unseen.is_empty()).then_some(DeviationKind::Unseen(Unseen::Partly(unseen)));
    }
    Some(DeviationKind::Changed {
        expected,
        observed: Box::new(observed),
        changed,
    })
}

/// Whether an unowned file is worth a finding where only packages are known: it runs with rights of its own.
///
/// Packages' scripts make many files that the database does not list, none of them privileged.
fn is_notable(observed: &Attributes) -> bool {
    let capable = |x: &agent_core::attributes::Xattr| *x.name == *CAPABILITY;
    observed.kind == FileType::File
        && (observed.mode.unwrap_or(0) & 0o6000 != 0
            || observed.xattrs.iter().flatten().any(capable))
}

/// A directory's deviation once all of its entries have been judged: what changing, adding or removing
/// an entry does to its directory is no finding of its own where the entry is one.
pub fn after_entries(deviation: Deviation, excused: bool) -> Option<Deviation> {
    let Deviation { path, policy, kind } = deviation;
    let kind = match kind {
        DeviationKind::Changed {
            expected,
            observed,
            changed,
            // What was no directory owes nothing of its difference to entries.
        } if excused && !changed.has(Attribute::Type) => {
            let changed = changed.without(AttributeSet::OF_ENTRIES);
            if changed.is_empty() {
                return None;
            }
            DeviationKind::Changed {
                expected,
                observed,
                changed,
            }
        }
        kind => kind,
    };
    Some(Deviation { path, policy, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_baseline::profile::path_rules::Demand;
    use agent_core::finding::Severity;

    fn file(digest: Option<u8>) -> Attributes {
        Attributes {
            size: Some(1),
            digest: digest.map(|byte| Digest::Sha256([byte; 32])),
            ..Attributes::new(FileType::File)
        }
    }

    #[test]
    fn what_was_recorded_and_not_seen_is_no_pass() {
        let policy = |attributes| PathPolicy {
            demand: Demand {
                attributes,
                severity: Severity::High,
                cross_mounts: false,
                launch: false,
                keep_text: false,
            },
            leads: false,
            weaker: None,
        };
        let judge = |attributes, observed| {
            let expected = Box::new(Expected {
                path: b"x".to_vec(),
                attributes: Some(file(Some(1))),
                source: Source::Manifest,
            });
            present(policy(attributes), Some(expected), Ok(observed), false)
        };
        let unseen = AttributeSet::NONE.with(Attribute::Sha256);
        assert!(judge(AttributeSet::ALL, file(Some(1))).is_none());
        assert!(matches!(
            judge(AttributeSet::ALL, file(None)),
            Some(DeviationKind::Unseen(Unseen::Partly(attributes))) if attributes == unseen
        ));
        // Nor does it stand in the way of what was seen to differ, or of what nobody demands.
        let longer = Attributes {
            size: Some(2),
            ..file(None)
        };
        assert!(matches!(
            judge(AttributeSet::ALL, longer),
            Some(DeviationKind::Changed { .. })
        ));
        assert!(judge(AttributeSet::NONE.with(Attribute::Size), file(None)).is_none());
    }
}
