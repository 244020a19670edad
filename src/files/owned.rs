//! What a package database expects of files: weaker than a manifest, and there on every host.

use super::join::{Expected, Source};
use crate::attributes::{Attributes, Digest, FileType};
use crate::packages::{Database, Owned};
use std::sync::Arc;

/// The database's files as expectations, in the order of a walk.
pub fn expected(database: &Database) -> impl Iterator<Item = Expected> {
    expectations(database.iter())
}

/// The same for some of its files.
pub(super) fn expectations<'a>(
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
            attributes: Some(Attributes {
                digest: Some(Digest::Md5(owned.md5)),
                ..Attributes::new(FileType::File)
            }),
            source: Source::Package {
                name: last.clone(),
                conffile: owned.conffile,
                optional: owned.optional,
                alternatives: owned.alternatives.into(),
            },
        }
    })
}
