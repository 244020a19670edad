use super::*;
use crate::debian::deb::{Control, Sums};
use crate::debian::tar;
use agent_core::attributes::FileType;
use std::fs;
use std::path::Path;

fn package(number: usize) -> Package {
    Package {
        name: format!("p{number}"),
        version: "1".into(),
        arch: "all".into(),
    }
}

/// So many packages with a program of their own, as an earlier run has kept them.
fn kept(directory: &Path, packages: usize) -> Debs {
    let store = Store::new(directory, [4; 32]);
    for number in 0..packages {
        let name: Box<[u8]> = format!("usr/bin/p{number}").into_bytes().into();
        let program = tar::Shipped {
            kind: FileType::File,
            mode: Some(0o755),
            uid: 0,
            gid: 0,
            mtime: None,
            link: None,
            sha256: Some([9; 32]),
            names: 1,
        };
        let facts = Facts {
            package: package(number),
            sha256: [u8::try_from(number).expect("few"); 32],
            control: Control {
                sums: Sums::from([(name.clone(), [7; 16])]),
                ..Control::default()
            },
            files: Some(Listing::from([(name, program)])),
            recorded: false,
        };
        store.keep(&facts).expect("kept");
    }
    Debs::kept(store, directory)
}

fn in_memory(debs: &Debs) -> usize {
    let known = debs.known.values();
    known
        .filter(|deb| matches!(deb.files, Files::Known(_)))
        .count()
}

#[test]
fn few_listings_are_in_memory_and_all_can_be_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = Root::open(directory.path()).expect("a root");
    let place = directory.path().join("evidence");
    let mut debs = kept(&place, 3 * LISTINGS);
    assert_eq!(in_memory(&debs), 0);
    for round in 0..2 {
        for number in 0..3 * LISTINGS {
            let names = [format!("usr/bin/p{number}").into_bytes()];
            let shipped = debs.shipped(&root, &package(number), &names);
            let shipped = shipped.expect("read").expect("it has it");
            assert_eq!(shipped.mode, Some(0o755), "{round}");
            assert!(in_memory(&debs) <= LISTINGS, "{round}");
        }
    }
    // What is written again has its listing still.
    debs.keep(&key(&package(0)));
    let again = Store::new(&place, [4; 32]).read(&[0; 32]).expect("kept");
    assert!(again.files.is_some_and(|files| files.len() == 1));
}

#[test]
fn a_listing_that_is_kept_no_more_is_an_error_and_no_empty_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = Root::open(directory.path()).expect("a root");
    let place = directory.path().join("evidence");
    let mut debs = kept(&place, 1);
    fs::remove_dir_all(&place).expect("removed");
    for _ in 0..2 {
        assert!(debs.files(&root, &package(0)).is_err());
    }
    assert!(debs.has(&package(0)), "its sums are known still");
}
