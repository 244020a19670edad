//! How the packages of a Debian host explain a change: by what is signed, or by the installed database alone.

use crate::change::{Change, Shipped};
use crate::digests::Digests;
use crate::explain::{Dpkg, Judged, MOST_OWNERS, case};
use crate::verdict::Content;
use agent_core::attributes::{AttributeSet, Digest, FileType};
use agent_core::explained::Evidence;
use agent_core::os::root::Root;
use agent_packages::Package;

impl Dpkg {
    /// What each owner of the path says of its change.
    pub(crate) fn judge(&mut self, root: &Root, change: &Change<'_>) -> Vec<Judged> {
        let owners: Vec<Package> = self
            .owners
            .of(change.path)
            .take(MOST_OWNERS)
            .cloned()
            .collect();
        if owners.is_empty() {
            return Vec::new();
        }
        let there = Digests::of(root, change);
        owners
            .into_iter()
            .map(|package| {
                let names = self.owners.shipped_as(change.path, &package);
                let mut judged = match self.debs.has(&package) {
                    true => self.signed(root, change, &package, &names, &there),
                    false => self.installed(root, change, &package, &names, &there),
                };
                if let Some(came) = self.logs.came(&package) {
                    judged.at = Some(came.at);
                    judged.transaction = came.transaction;
                }
                judged
            })
            .collect()
    }

    /// By the signed package.
    fn signed(
        &mut self,
        root: &Root,
        change: &Change<'_>,
        package: &Package,
        names: &[Vec<u8>],
        there: &Result<Digests, String>,
    ) -> Judged {
        let sum = self.debs.sum(package, names);
        let mut detail = there.as_ref().err().cloned();
        let found = there.as_ref().ok();
        let (content, beyond) = match (sum, found) {
            (Some(sum), Some(found)) if !change.needs_attributes() => {
                let shipped = Shipped {
                    kind: FileType::File,
                    mode: None,
                    uid: None,
                    gid: None,
                    link: None,
                    digest: Some(sum),
                    capability: None,
                    names: None,
                };
                change.against(&shipped, Some(&Digest::Md5(found.md5)))
            }
            _ => match self.debs.shipped(root, package, names) {
                Ok(Some(shipped)) => {
                    let sha256 = found.map(|found| Digest::Sha256(found.sha256));
                    change.against(&shipped, sha256.as_ref())
                }
                Ok(None) => {
                    detail = Some("its archive has nothing there".into());
                    (Content::Unknown, change.changed)
                }
                Err(why) => {
                    detail = Some(why);
                    (Content::Unknown, change.changed)
                }
            },
        };
        Judged {
            package: package.clone(),
            case: case(content, true, beyond),
            evidence: Evidence::Signed,
            detail,
            at: None,
            transaction: None,
        }
    }

    /// By the installed database alone.
    fn installed(
        &mut self,
        root: &Root,
        change: &Change<'_>,
        package: &Package,
        names: &[Vec<u8>],
        there: &Result<Digests, String>,
    ) -> Judged {
        let key = (package.name.clone(), package.arch.clone());
        let sums = self
            .sums
            .entry(key)
            .or_insert_with(|| self.owners.sums(root, package));
        let shipped = names.iter().find_map(|name| sums.get(&name[..]));
        let (content, detail) = match (change.observed.kind, shipped, there) {
            (FileType::File, Some(_), Err(why)) => (Content::Unknown, Some(why.clone())),
            (FileType::File, Some(sum), Ok(found)) if *sum == found.md5 => {
                (Content::Same, Some(self.debs.missing(package)))
            }
            (FileType::File, Some(_), Ok(_)) => (Content::Differs, None),
            _ => (Content::Unknown, Some(self.debs.missing(package))),
        };
        Judged {
            package: package.clone(),
            case: case(content, false, AttributeSet::NONE),
            evidence: Evidence::Md5,
            detail,
            at: None,
            transaction: None,
        }
    }
}
