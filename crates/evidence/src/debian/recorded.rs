//! What a package had before its update, by the list that dpkg keeps of it, where that is as the sealed manifest has it.
//!
//! An image is baked, its cache is emptied, and the first update takes away what the version before shipped: no signed
//! package is there that says it did. dpkg's list is gone as well once the new one is unpacked, so it is read when the
//! new package comes, or was kept before. Root can write such a list; one that is as recorded nobody has written since.

use super::deb::{Control, Sums};
use super::kept::Facts;
use super::lists::KeptLists;
use crate::recorded::{INFO, RecordedPackages, compare};
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_packages::{DatabaseKind, Package};
use sha2::{Digest as _, Sha256};

/// What dpkg had on a package, as it was recorded.
pub(crate) struct OldLists {
    package: Package,
    list: Vec<u8>,
    conffiles: Option<Vec<u8>>,
}

/// Reads them, where they lie or where they are kept; `None` where neither is as recorded, or the package was not there.
pub(crate) fn lists(
    root: &Root,
    recorded: &RecordedPackages,
    kept: &mut KeptLists,
    name: &str,
    arch: &str,
) -> Option<OldLists> {
    let known = recorded.packages.iter();
    let package = known
        .filter(|known| known.name == name && known.arch == arch)
        .max_by(|a, b| compare(DatabaseKind::Dpkg, &a.version, &b.version))?;
    let place = [format!("{INFO}/{name}:{arch}"), format!("{INFO}/{name}")]
        .into_iter()
        .find(|place| {
            recorded
                .lists
                .contains_key(format!("{place}.list").as_bytes())
        })?;
    Some(OldLists {
        package: package.clone(),
        list: as_recorded(root, recorded, kept, &format!("{place}.list"))??,
        conffiles: as_recorded(root, recorded, kept, &format!("{place}.conffiles"))?,
    })
}

/// What the recorded version of the package had and the one that comes has not by its sums: folders, links, and what will
/// be gone. Configuration files are not among it: dpkg leaves them.
pub(crate) fn before(old: OldLists, coming: &Package, control: &Control) -> Option<Facts> {
    let OldLists {
        package,
        list,
        conffiles,
    } = old;
    if package.version == coming.version {
        return None;
    }
    let conffiles: Vec<&[u8]> = conffiles.as_deref().map(lines).unwrap_or_default();
    let names = lines(&list).into_iter().filter(|name| {
        *name != b"." && !conffiles.contains(name) && !control.sums.contains_key(*name)
    });
    let sums: Sums = names.map(|name| (name.into(), [0; 16])).collect();
    Some(Facts {
        package,
        sha256: Sha256::digest(&list).into(),
        control: Control {
            sums,
            ..Control::default()
        },
        files: None,
        recorded: true,
    })
}

/// The file, as it is recorded; the inner `None`: it was not there. The outer: it is nowhere as recorded.
fn as_recorded(
    root: &Root,
    recorded: &RecordedPackages,
    kept: &mut KeptLists,
    path: &str,
) -> Option<Option<Vec<u8>>> {
    let Some(known) = recorded.lists.get(path.as_bytes()) else {
        // The new version may have it by now.
        return Some(None);
    };
    let there = root.read(path.as_bytes(), bounds::DPKG_LIST).ok().flatten();
    let there = there.filter(|text| <[u8; 32]>::from(Sha256::digest(text)) == *known);
    there.or_else(|| kept.get(path.as_bytes(), known)).map(Some)
}

/// Paths of a list, relative to the root.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| line.strip_prefix(b"/"))
        .filter(|line| !line.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn package(version: &str) -> Package {
        Package {
            name: "a".into(),
            version: version.into(),
            arch: "all".into(),
        }
    }

    #[test]
    fn a_list_counts_while_it_and_the_conffiles_beside_it_are_as_recorded() {
        let tree = tempfile::tempdir().expect("a directory");
        let info = tree.path().join(INFO);
        fs::create_dir_all(&info).expect("made");
        let list = "/.\n/etc\n/etc/a.conf\n/usr/bin/a\n/usr/bin/gone\n/usr/lib/l\n";
        let mut recorded = RecordedPackages {
            packages: vec![package("1")],
            ..RecordedPackages::default()
        };
        for (name, text) in [("a.list", list), ("a.conffiles", "/etc/a.conf\n")] {
            fs::write(info.join(name), text).expect("written");
            let digest = Sha256::digest(text).into();
            let path = format!("{INFO}/{name}").into_bytes();
            recorded.lists.insert(path, digest);
        }
        let root = Root::open(tree.path()).expect("a root");
        let coming = Control {
            sums: Sums::from([(b"usr/bin/a"[..].into(), [1; 16])]),
            ..Control::default()
        };
        let had = |recorded: &RecordedPackages, version: &str| {
            let old = lists(&root, recorded, &mut KeptLists::default(), "a", "all")?;
            let facts = before(old, &package(version), &coming)?;
            assert!(facts.recorded && facts.package == package("1"));
            let mut names: Vec<_> = facts.control.sums.into_keys().collect();
            names.sort_unstable();
            Some(names)
        };
        let gone = [&b"etc"[..], b"usr/bin/gone", b"usr/lib/l"].map(Box::from);
        assert_eq!(had(&recorded, "2"), Some(gone.to_vec()));
        assert_eq!(had(&recorded, "1"), None, "nothing is updated");
        fs::write(info.join("a.conffiles"), "").expect("written");
        assert_eq!(had(&recorded, "2"), None, "the conffiles are others");
        fs::remove_file(info.join("a.conffiles")).expect("removed");
        assert_eq!(had(&recorded, "2"), None, "the conffiles are gone");
        recorded.lists.retain(|path, _| path.ends_with(b".list"));
        assert!(had(&recorded, "2").is_some(), "there were none");
        fs::write(info.join("a.list"), format!("{list}/usr/bin/auditd\n")).expect("written");
        assert_eq!(had(&recorded, "2"), None, "the list is another");
    }
}
