//! What dpkg keeps of an installed package below /var/lib/dpkg/info: maintainer scripts, sums, triggers as its control archive
//! has them, and the list of its files, which is that of its data archive.

use super::UNPACKAGED;
use crate::change::{Change, Shipped};
use crate::explain::{Explainer, Explanation, Judged, Source, case};
use crate::recorded::INFO;
use crate::verdict::Content;
use agent_core::attributes::{Digest, FileType};
use agent_core::bounds;
use agent_core::explained::Evidence;
use agent_packages::Package;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;

/// `NAME.KIND` or `NAME:ARCH.KIND`, of a file there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept<'a> {
    name: &'a str,
    arch: Option<&'a str>,
    kind: &'a str,
}

/// What the path is, if it lies there.
pub(super) fn kept(path: &[u8]) -> Option<Kept<'_>> {
    let name = path.strip_prefix(INFO.as_bytes())?.strip_prefix(b"/")?;
    let (qualified, kind) = std::str::from_utf8(name).ok()?.rsplit_once('.')?;
    let (name, arch) = match qualified.split_once(':') {
        Some((name, arch)) => (name, Some(arch)),
        None => (qualified, None),
    };
    (!name.is_empty() && !name.contains('/')).then_some(Kept { name, arch, kind })
}

impl Explainer {
    /// What explains a file that dpkg keeps of a package.
    pub(super) fn info(&mut self, change: &Change<'_>, kept: Kept<'_>) -> Explanation {
        match self.judge_info(change, kept) {
            Ok(judged) => self
                .best(vec![judged], change.path, change.new_privilege())
                .unwrap_or_else(|| self.unknown(change, UNPACKAGED.to_owned())),
            Err(why) => self.unknown(change, why),
        }
    }

    fn judge_info(&mut self, change: &Change<'_>, kept: Kept<'_>) -> Result<Judged, String> {
        let root = self.root.clone();
        let Source::Dpkg(dpkg) = &mut self.source else {
            return Err(UNPACKAGED.to_owned());
        };
        let package = {
            let mut installed = dpkg.owners.named(kept.name);
            let is_it = |package: &&Package| kept.arch.is_none_or(|arch| arch == package.arch);
            installed.find(is_it).cloned().ok_or(UNPACKAGED)?
        };
        let (mut content, mut beyond, mut detail) = (Content::Unknown, change.changed, None);
        let signed = dpkg.debs.has(&package);
        let shipped = match kept.kind {
            _ if !signed => Err(dpkg.debs.missing(&package)),
            "list" => match dpkg.debs.files(&root, &package) {
                Ok(files) => {
                    let names = files.into_iter().flat_map(|files| files.keys());
                    let names: HashSet<&[u8]> = names.map(|name| &name[..]).collect();
                    let text = root.read(change.path, bounds::DPKG_LIST);
                    let text = text.ok().flatten().unwrap_or_default();
                    is_list(&text, &names, change)
                }
                Err(why) => Err(why),
            },
            kind => dpkg
                .debs
                .member(&package, kind.as_bytes())
                .ok_or_else(|| "its control archive has nothing of that name".to_owned()),
        };
        match shipped {
            Ok(shipped) => {
                (content, beyond) = change.against(&shipped, change.observed.digest.as_ref());
            }
            Err(why) => detail = Some(why),
        }
        let came = dpkg.logs.came(&package);
        Ok(Judged {
            package,
            case: case(content, signed, beyond),
            evidence: Evidence::Signed,
            detail,
            at: came.as_ref().map(|came| came.at.clone()),
            transaction: came.and_then(|came| came.transaction),
        })
    }
}

/// The list as dpkg writes it, if it names these files, all of them and nothing else.
fn is_list(text: &[u8], names: &HashSet<&[u8]>, change: &Change<'_>) -> Result<Shipped, String> {
    let digest = Digest::Sha256(Sha256::digest(text).into());
    if change.observed.digest.as_ref() != Some(&digest) {
        return Err("it changed again while it was explained".into());
    }
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty() && *line != b"/.");
    let mut listed = HashSet::new();
    for line in lines {
        let name = line.strip_prefix(b"/").filter(|name| names.contains(name));
        listed.insert(name.ok_or("it names what its archive has not")?);
    }
    match listed.len() == names.len() {
        true => Ok(Shipped {
            kind: FileType::File,
            mode: Some(0o644),
            uid: Some(0),
            gid: Some(0),
            link: None,
            digest: Some(digest),
            capability: Some(None),
            names: Some(1),
        }),
        false => Err("it does not name all that its archive has".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::attributes::{AttributeSet, Attributes};

    #[test]
    fn files_of_dpkgs_own_are_told_by_package_and_kind() {
        let of = |name: &str| {
            let path = format!("{INFO}/{name}");
            kept(path.as_bytes()).map(|kept| {
                let Kept { name, arch, kind } = kept;
                format!("{name} {} {kind}", arch.unwrap_or("-"))
            })
        };
        assert_eq!(of("libc6:amd64.list").as_deref(), Some("libc6 amd64 list"));
        assert_eq!(
            of("python3.11.postinst").as_deref(),
            Some("python3.11 - postinst")
        );
        assert_eq!(
            (of("format"), of("a/b.list"), of(".list")),
            (None, None, None)
        );
        assert_eq!(kept(b"var/lib/dpkg/status"), None);
    }

    #[test]
    fn a_list_names_all_of_its_archive_and_nothing_else() {
        let names: HashSet<&[u8]> = [&b"usr"[..], b"usr/bin", b"usr/bin/a"].into();
        let judged = |text: &str| {
            let mut observed = Attributes::new(FileType::File);
            observed.digest = Some(Digest::Sha256(Sha256::digest(text).into()));
            let change = Change {
                path: b"var/lib/dpkg/info/a.list",
                expected: None,
                observed: &observed,
                changed: AttributeSet::ALL,
            };
            is_list(text.as_bytes(), &names, &change).map(|_| ())
        };
        assert_eq!(judged("/.\n/usr\n/usr/bin\n/usr/bin/a\n"), Ok(()));
        assert!(judged("/.\n/usr\n/usr/bin\n").is_err());
        assert!(judged("/.\n/usr\n/usr/bin\n/usr/bin/a\n/usr/bin/b\n").is_err());
        assert!(judged("usr\nusr/bin\nusr/bin/a\n").is_err());
    }
}
