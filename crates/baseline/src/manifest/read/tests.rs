use super::*;
use crate::amendment::header as amendment;
use crate::manifest::Role;
use crate::manifest::write::Writer;
use crate::profile::path_rules::PathRules;
use agent_core::attributes::FileType;
use agent_core::attributes::{Attributes, Digest as FileDigest, Timestamp};
use agent_core::bounds;
use std::os::unix::fs::FileExt as _;

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

fn measured(bytes: &[u8]) -> Measured {
    let file = tempfile::tempfile().expect("a file");
    file.write_all_at(bytes, 0).expect("written");
    Measured::new(file, Path::new("m"), bounds::MANIFEST, false).expect("read")
}

/// An amendment of files that were removed, that many and the root.
fn amendment(removed: usize, labels: usize) -> Result<usize> {
    let header = amendment::Header {
        manifest: "0".repeat(64),
        reason: "test".into(),
        by: "test".into(),
        at: "2026-11-29T08:00:00Z".into(),
        ..amendment::Header::default()
    };
    let label = format!("# label {}\n", "x".repeat(100_000)).repeat(labels);
    let header = [header.to_bytes(), label.into_bytes()].concat();
    let mut writer = Writer::behind(Vec::new(), header);
    let mut push = |path: Vec<u8>, role, kind| {
        let entry = Entry {
            path,
            attributes: Attributes::new(kind),
            role,
            package: None,
        };
        writer.push(&entry).expect("in order");
    };
    push(Vec::new(), Role::Parent, FileType::Dir);
    for n in 0..removed {
        let path = format!("f{n:06}").into_bytes();
        push(path, Role::Removed, FileType::File);
    }
    let bytes = writer.into_bytes().expect("written");
    let mut rules = PathRules::default();
    rules.push_line(b"cover high all /").expect("a rule");
    let parsed = measured(&bytes).amendment(&rules)?;
    Ok(parsed.entries.len())
}

#[test]
fn an_amendment_with_more_entries_than_may_be_held_is_malformed() {
    assert_eq!(amendment(2, 0).expect("good"), 3);
    // And the root.
    let error = amendment(bounds::AMENDMENT_ENTRIES, 0).expect_err("one too many");
    assert!(error.message.contains("more than"), "{error}");
    assert!(error.line.is_some());
}

#[test]
fn a_header_longer_than_may_be_held_is_malformed() {
    let most = usize::try_from(bounds::HEADER).expect("small");
    amendment(1, most / 100_009).expect("it fits");
    let label = format!("# label {}\n", "x".repeat(100_000));
    let labels = label.repeat(most / 100_009 + 2);
    let manifest = format!("#mtree\n# host-integrity-agent manifest 1\n{labels}");
    let manifest = Manifest::parse(measured(manifest.as_bytes())).map(|_| 0);
    for parsed in [manifest, amendment(1, most / 100_009 + 2)] {
        let error = parsed.expect_err("too long");
        assert!(error.message.contains("before the first entry"), "{error}");
    }
}
