//! Two manifests side by side: a merge join that holds one entry of each.

use super::Entry;
use agent_core::attributes::AttributeSet;
use agent_core::error::Result;
use agent_core::paths;
use std::cmp::Ordering;

/// One difference between an older and a newer manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only the newer one has the path.
    Added(Entry),
    /// Only the older one has the path.
    Removed(Entry),
    /// Both have it, and these attributes differ. One that only one of them recorded counts.
    Changed {
        /// As the older one has it.
        old: Box<Entry>,
        /// As the newer one has it.
        new: Box<Entry>,
        /// In what they differ; not empty.
        changed: AttributeSet,
    },
}

impl Difference {
    /// How two entries of one path differ, if they do.
    pub fn between(old: Entry, new: Entry) -> Option<Difference> {
        let changed = recorded_otherwise(&old, &new);
        (!changed.is_empty()).then(|| Difference::Changed {
            old: Box::new(old),
            new: Box::new(new),
            changed,
        })
    }
}

/// The differences in the order of paths; ends after the first error.
pub fn differences(
    old: impl Iterator<Item = Result<Entry>>,
    new: impl Iterator<Item = Result<Entry>>,
) -> impl Iterator<Item = Result<Difference>> {
    let mut old = old.peekable();
    let mut new = new.peekable();
    std::iter::from_fn(move || {
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return None,
                (Some(Err(_)), _) | (Some(Ok(_)), None) => Ordering::Less,
                (_, Some(Err(_))) | (None, Some(Ok(_))) => Ordering::Greater,
                (Some(Ok(a)), Some(Ok(b))) => paths::compare(&a.path, &b.path),
            };
            match order {
                Ordering::Less => return Some(old.next()?.map(Difference::Removed)),
                Ordering::Greater => return Some(new.next()?.map(Difference::Added)),
                Ordering::Equal => {
                    let (Some(Ok(old)), Some(Ok(new))) = (old.next(), new.next()) else {
                        return None;
                    };
                    if let Some(difference) = Difference::between(old, new) {
                        return Some(Ok(difference));
                    }
                }
            }
        }
    })
}

/// Attributes that differ, among them those that only one of the two has.
fn recorded_otherwise(old: &Entry, new: &Entry) -> AttributeSet {
    use agent_core::attributes::Attribute as A;
    let (a, b) = (&old.attributes, &new.attributes);
    let differ = |attribute: &A| match attribute {
        A::Type => a.kind != b.kind || old.role != new.role,
        A::Mode => a.mode != b.mode,
        A::Uid => a.uid != b.uid,
        A::Gid => a.gid != b.gid,
        A::Size => a.size != b.size,
        A::Mtime => a.mtime != b.mtime,
        A::Link => a.link != b.link,
        A::Nlink => a.nlink != b.nlink,
        A::Sha256 => a.digest != b.digest,
        A::Xattrs => a.xattrs != b.xattrs,
        A::Flags => a.flags != b.flags || a.verity != b.verity,
        A::Device => a.device != b.device,
    };
    A::ALL.into_iter().filter(differ).collect()
}
