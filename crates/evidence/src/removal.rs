//! A path that went with the old version of its package.
//!
//! dpkg removes what the version before shipped and the new one does not. Who shipped what is believed of signed packages:
//! of the old one, which must have come through apt's cache while the agent looked or lie there still, and of the
//! one that is installed; and of the list that dpkg had of the old one, where that was as the manifest has it. A configuration file is never removed that way, and a package that is gone explains nothing.

use crate::explain::{Dpkg, Judged, case};
use crate::verdict::Content;
use agent_core::attributes::{AttributeSet, FileType};
use agent_core::explained::Evidence;
use agent_core::os::root::Root;
use agent_core::paths::split;
use agent_packages::{Package, dpkg::version};

/// How installed packages explain that the path, which was of that type, is gone.
pub(crate) fn judge(dpkg: &mut Dpkg, root: &Root, path: &[u8], kind: FileType) -> Vec<Judged> {
    // What an installed package has in its list should be there.
    if dpkg.owners.of(path).next().is_some() {
        return Vec::new();
    }
    let mut judged = Vec::new();
    for (package, older) in superseded(dpkg, split(path).0) {
        let names = dpkg.owners.shipped_as(path, &package);
        let had = older
            .iter()
            .any(|old| ships(dpkg, root, old, &names, kind) == Ok(true));
        if !had {
            continue;
        }
        let (content, detail) = match ships(dpkg, root, &package, &names, kind) {
            Ok(false) => (Content::Same, None),
            Ok(true) => (Content::Differs, Some("it ships it still".to_owned())),
            Err(why) => (Content::Unknown, Some(why)),
        };
        let came = dpkg.logs.came(&package);
        judged.push(Judged {
            package,
            case: case(content, true, AttributeSet::NONE),
            evidence: Evidence::Signed,
            detail,
            at: came.as_ref().map(|came| came.at.clone()),
            transaction: came.and_then(|came| came.transaction),
        });
    }
    judged
}

/// Signed packages that are installed, each with older versions of it that had a file in the directory.
fn superseded(dpkg: &Dpkg, directory: &[u8]) -> Vec<(Package, Vec<Package>)> {
    let mut found: Vec<(Package, Vec<Package>)> = Vec::new();
    for old in dpkg.debs.within(directory) {
        let installed = dpkg.owners.named(&old.name);
        let newer = installed.filter(|one| {
            one.arch == old.arch
                && dpkg.debs.has(one)
                && version::compare(&old.version, &one.version).is_lt()
        });
        for package in newer {
            match found.iter_mut().find(|(known, _)| known == package) {
                Some((_, older)) => older.push(old.clone()),
                None => found.push((package.clone(), vec![old.clone()])),
            }
        }
    }
    found
}

/// Whether the signed package ships something of that type under one of the names, configuration files apart.
fn ships(
    dpkg: &mut Dpkg,
    root: &Root,
    package: &Package,
    names: &[Vec<u8>],
    kind: FileType,
) -> Result<bool, String> {
    if let Some(had) = dpkg.debs.had(package, names) {
        return Ok(had);
    }
    if kind == FileType::File {
        return Ok(dpkg.debs.sum(package, names).is_some());
    }
    let shipped = dpkg.debs.shipped(root, package, names)?;
    Ok(shipped.is_some_and(|shipped| shipped.kind == kind))
}
