//! A path that is not as expected: the value that judging yields, before anybody words it.

use super::join::Expected;
use super::probe::Unseen;
use super::scope::{PathPolicy, Weaker};
use super::walk::Blindness;
use agent_core::attributes::{AttributeSet, Attributes, FileType};
use agent_core::finding::Severity;
use agent_core::os::mounts::Layer;

/// How a path deviates.
#[derive(Debug)]
pub struct Deviation {
    /// Relative to the root.
    pub path: Vec<u8>,
    /// What was to be done with it.
    pub policy: PathPolicy,
    /// What is wrong.
    pub kind: DeviationKind,
}

/// What is wrong with a path.
#[derive(Debug)]
pub enum DeviationKind {
    /// It is there and nobody expected it.
    Added(Box<Attributes>),
    /// It is not there.
    Removed(Box<Expected>),
    /// It is there and is not as expected.
    Changed {
        /// What should be.
        expected: Box<Expected>,
        /// What is.
        observed: Box<Attributes>,
        /// In what they differ; not empty.
        changed: AttributeSet,
    },
    /// It could not be looked at.
    Unseen(Unseen),
    /// Its directory could not be looked into.
    Blind(Blindness),
    /// Something is mounted there that was not when the tree was recorded; lowest first, and nothing where the mount
    /// table does not say what it is.
    Mounted(Vec<Layer>),
    /// What is mounted there is as it was recorded, and another file system than before, or than process 1 has there.
    Exchanged(Vec<Layer>),
    /// The mount table cannot be read: whether anything is mounted that was not cannot be told.
    MountsUnknown,
    /// The present profile demands less of it than the manifest was sealed with.
    Weaker(Weaker, String),
}

/// Bits of a mode with which a program runs as somebody else, or its file's group spreads to what is made below.
const SET_ID: u16 = 0o6000;
/// A program's own privileges (capabilities(7), "File capabilities").
const CAPABILITIES: &[u8] = b"security.capability";

impl Deviation {
    /// What there is to say of a mount point that was not crossed: that a file system lies there, where it is `untold`,
    /// and that the directory is new.
    pub(super) fn of_mount(
        path: &[u8],
        policy: PathPolicy,
        untold: bool,
        is_new: bool,
    ) -> Vec<Deviation> {
        let mounted = untold.then(|| DeviationKind::Mounted(Vec::new()));
        let added = is_new.then(|| DeviationKind::Added(Box::new(Attributes::new(FileType::Dir))));
        let deviation = |kind| Deviation {
            path: path.to_vec(),
            policy,
            kind,
        };
        mounted.into_iter().chain(added).map(deviation).collect()
    }

    /// Whether what deviates of a directory is excused where an entry of it deviates.
    pub(super) fn may_be_excused(&self) -> bool {
        match &self.kind {
            DeviationKind::Changed { changed, .. } => {
                !changed.and(AttributeSet::OF_ENTRIES).is_empty()
            }
            _ => false,
        }
    }

    /// Whether evidence for it may be waited for: a file or directory that came, went or changed, of at most `high`, and
    /// neither now nor as expected one that gives privileges. What its privileges are must have been looked at.
    pub fn may_wait(&self) -> bool {
        let was = |expected: &Expected| {
            let attributes = expected.attributes.as_ref();
            attributes.is_none_or(|was| !gives_privileges(was))
        };
        let is = |observed: &Attributes| {
            let known = observed.mode.is_some() && observed.xattrs.is_some();
            // A link has no privileges of its own.
            (known || observed.kind == FileType::Link) && !gives_privileges(observed)
        };
        let harmless = match &self.kind {
            DeviationKind::Added(observed) => is(observed),
            DeviationKind::Removed(expected) => was(expected),
            DeviationKind::Changed {
                expected, observed, ..
            } => was(expected) && is(observed),
            DeviationKind::Unseen(_)
            | DeviationKind::Blind(_)
            | DeviationKind::Mounted(_)
            | DeviationKind::Exchanged(_)
            | DeviationKind::MountsUnknown
            | DeviationKind::Weaker(..) => false,
        };
        harmless && self.policy.demand.severity < Severity::Critical
    }
}

fn gives_privileges(attributes: &Attributes) -> bool {
    let mut xattrs = attributes.xattrs.iter().flatten();
    attributes.mode.is_some_and(|mode| mode & SET_ID != 0)
        || xattrs.any(|xattr| &*xattr.name == CAPABILITIES)
}

impl DeviationKind {
    /// Whether it was not looked at, since that brought the agent to its end.
    pub fn is_set_aside(&self) -> bool {
        matches!(
            self,
            DeviationKind::Unseen(Unseen::SetAside) | DeviationKind::Blind(Blindness::SetAside)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::join::Source;
    use agent_baseline::profile::path_rules::Demand;
    use agent_core::attributes::Xattr;

    fn deviation(severity: Severity, kind: DeviationKind) -> Deviation {
        let demand = Demand {
            attributes: AttributeSet::ALL,
            severity,
            cross_mounts: false,
            launch: false,
            keep_text: false,
        };
        Deviation {
            path: b"usr/bin/tool".to_vec(),
            policy: PathPolicy {
                demand,
                leads: false,
                weaker: None,
            },
            kind,
        }
    }

    fn file(mode: u16, xattrs: &[&str]) -> Attributes {
        let xattr = |name: &&str| Xattr {
            name: name.as_bytes().into(),
            sha256: [0; 32],
        };
        Attributes {
            mode: Some(mode),
            xattrs: Some(xattrs.iter().map(xattr).collect()),
            ..Attributes::new(FileType::File)
        }
    }

    fn expected(attributes: Attributes) -> Box<Expected> {
        Box::new(Expected {
            path: b"usr/bin/tool".to_vec(),
            attributes: Some(attributes),
            source: Source::Manifest,
        })
    }

    #[test]
    fn what_gives_privileges_or_is_critical_waits_for_nothing() {
        let plain = || file(0o755, &["security.selinux", "user.note"]);
        let privileged = [
            file(0o4755, &[]),
            file(0o2755, &[]),
            file(0o755, &["security.capability"]),
        ];
        let changed = |was: &Attributes, is: &Attributes| DeviationKind::Changed {
            expected: expected(was.clone()),
            observed: Box::new(is.clone()),
            changed: AttributeSet::ALL,
        };
        let waits = |kind| deviation(Severity::High, kind).may_wait();
        assert!(waits(DeviationKind::Added(Box::new(plain()))));
        assert!(waits(DeviationKind::Removed(expected(plain()))));
        assert!(waits(changed(&plain(), &plain())));
        for privileged in privileged {
            assert!(!waits(DeviationKind::Added(Box::new(privileged.clone()))));
            assert!(!waits(DeviationKind::Removed(expected(privileged.clone()))));
            assert!(!waits(changed(&plain(), &privileged)), "newly so");
            assert!(!waits(changed(&privileged, &plain())), "it was");
        }
        let unknown = Attributes {
            xattrs: None,
            ..plain()
        };
        assert!(
            !waits(DeviationKind::Added(Box::new(unknown))),
            "nobody looked"
        );
        let link = Attributes::new(FileType::Link);
        assert!(waits(DeviationKind::Added(Box::new(link))));
        assert!(
            !waits(DeviationKind::Mounted(Vec::new()))
                && !waits(DeviationKind::Unseen(Unseen::Gone))
        );
        for (severity, expected) in [(Severity::Critical, false), (Severity::Low, true)] {
            let kind = DeviationKind::Added(Box::new(plain()));
            assert_eq!(deviation(severity, kind).may_wait(), expected);
        }
    }
}
