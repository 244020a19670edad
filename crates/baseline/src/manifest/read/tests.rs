use super::*;
use crate::manifest::Role;
use crate::manifest::write::Writer;
use agent_core::attributes::FileType;
use agent_core::attributes::{Attributes, Digest as FileDigest, Timestamp};
use agent_core::bounds;

/// A manifest of several blocks, in an unnamed file.
fn long() -> Manifest {
    let mut header = Header {
        profile: "lab".into(),
        profile_digest: "0".repeat(64),
        ..Header::default()
    };
    header
        .path_rules
        .push_line(b"cover high all /")
        .expect("a rule");
    let mut writer = Writer::new(Vec::new(), &header);
    let known = |kind| Attributes {
        mode: Some(0o644),
        uid: Some(0),
        gid: Some(0),
        size: Some(1),
        nlink: Some(1),
        mtime: Some(Timestamp {
            seconds: 1,
            nanoseconds: 2,
        }),
        digest: Some(FileDigest::Sha256([7; 32])),
        flags: Some(Default::default()),
        xattrs: Some(Vec::new()),
        ..Attributes::new(kind)
    };
    let mut push = |path: Vec<u8>, kind| {
        let entry = Entry {
            path,
            attributes: known(kind),
            role: Role::Recorded,
            package: None,
        };
        writer.push(&entry).expect("in order");
    };
    push(Vec::new(), FileType::Dir);
    for i in 0..2000 {
        push(format!("f{i:05}").into_bytes(), FileType::File);
    }
    let bytes = writer.into_bytes().expect("written");
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(&bytes, 0).expect("written");
    Manifest::parse(Measured::new(file, Path::new("m"), bounds::MANIFEST, false).expect("read"))
        .expect("good")
}

#[test]
fn one_path_is_found_without_reading_all() {
    let manifest = long();
    assert!(manifest.marks.len() > 3, "several blocks");
    for i in (0..2000).step_by(37) {
        let path = format!("f{i:05}").into_bytes();
        let found = manifest.find(&path).expect("readable").expect("there");
        assert_eq!(found.path, path);
    }
    for absent in ["", "a", "f00000x", "f99999", "z/y"] {
        let found = manifest.find(absent.as_bytes()).expect("readable");
        assert_eq!(found.is_some(), absent.is_empty(), "{absent}");
    }
}
