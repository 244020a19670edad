//! The link count of a directory, which not every file system keeps.

use agent_core::attributes::{Attribute, AttributeSet, Attributes, FileType};

fn counted(kind: FileType, nlink: u64) -> Attributes {
    Attributes {
        nlink: Some(nlink),
        ..Attributes::new(kind)
    }
}

#[test]
fn a_directory_that_is_not_counted_differs_from_none() {
    for (kind, was, is, differs) in [
        (FileType::Dir, 81, 1, false),
        (FileType::Dir, 1, 81, false),
        (FileType::Dir, 81, 80, true),
        (FileType::File, 2, 1, true),
        (FileType::File, 1, 2, true),
    ] {
        let changed = counted(kind, was).differing(&counted(kind, is), AttributeSet::ALL);
        assert_eq!(
            changed.has(Attribute::Nlink),
            differs,
            "{kind:?} {was} {is}"
        );
    }
}
