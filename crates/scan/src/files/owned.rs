//! What a package database expects of files: weaker than a manifest, and there on every host.

use super::join::{Expected, Source};
use agent_core::attributes::{Attributes, FileType, Xattr};
use agent_packages::{Database, DatabaseKind, Owned};
use std::sync::Arc;

/// The extended attribute that holds a file's capabilities (capabilities(7)).
pub const CAPABILITY: &[u8] = b"security.capability";

/// The database's paths as expectations, in the order of a walk.
pub fn expected(database: &Database) -> impl Iterator<Item = Expected> {
    expectations(database.kind(), database.iter())
}

/// The same for some of its files.
pub(super) fn expectations<'a>(
    manager: DatabaseKind,
    files: impl Iterator<Item = Owned<'a>>,
) -> impl Iterator<Item = Expected> {
    // Files of a package stand together more often than not.
    let mut last: Arc<str> = "".into();
    files.map(move |owned| {
        if *last != *owned.package {
            last = owned.package.into();
        }
        Expected {
            path: owned.path.to_vec(),
            attributes: Some(attributes(&owned)),
            source: Source::Package {
                name: last.clone(),
                conffile: owned.conffile,
                optional: owned.optional,
                alternatives: owned.alternatives.into(),
                manager,
            },
        }
    })
}

fn attributes(owned: &Owned<'_>) -> Attributes {
    let Some(recorded) = owned.recorded else {
        return Attributes {
            digest: owned.digest,
            ..Attributes::new(FileType::File)
        };
    };
    Attributes {
        mode: recorded.mode,
        uid: recorded.uid,
        gid: recorded.gid,
        size: recorded.size,
        link: recorded.link.clone(),
        digest: owned.digest,
        // Of all extended attributes a package knows its capabilities alone; judging looks at no others.
        xattrs: recorded.capability.map(|capability| {
            let xattr = |sha256| Xattr {
                name: CAPABILITY.into(),
                sha256,
            };
            capability.map(xattr).into_iter().collect()
        }),
        ..Attributes::new(recorded.kind)
    }
}
