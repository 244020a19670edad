//! What maintainer scripts make on the host, and no package ships: recomputed or checked from what is recorded or signed,
//! where that can be done; else it stays, with the reason.

pub(crate) mod alternatives;
mod elf;
mod info;
mod ld_cache;
mod made;

use crate::change::{Change, Shipped};
use crate::explain::{Explainer, Explanation, Judged, Source, case};
use crate::recorded::{PackageStatus, is_trust};
use crate::verdict::{self, Content};
use agent_core::attributes::{AttributeSet, Digest, FileType};
use agent_core::bounds;
use agent_core::explained::{self as by, Evidence, ExplainedBy};
use agent_core::os::root::Root;
use sha2::{Digest as _, Sha256};

/// Whether a path (relative to the root, without links in its directory) is as recorded, or explained by a signature;
/// else why not.
pub type Holds<'a> = &'a mut dyn FnMut(&mut Explainer, &[u8]) -> Result<(), String>;

const UNREGISTERED: &str =
    "no signed maintainer script registers an alternative with that target in so many words";
const UNPACKAGED: &str = "no package of that name is installed";

enum Product<'a> {
    Libraries,
    Alternative,
    Info(info::Kept<'a>),
    /// Nothing can be recomputed: who makes it.
    Made(&'static str),
}

fn product<'a>(change: &Change<'a>) -> Option<Product<'a>> {
    let is_alternative = |target: &[u8]| {
        let target = target.strip_prefix(b"/").unwrap_or_default();
        change.path.starts_with(alternatives::DIRECTORY)
            || target.starts_with(alternatives::DIRECTORY)
    };
    match (change.observed.kind, &change.observed.link) {
        (FileType::File, _) if change.path == ld_cache::CACHE => Some(Product::Libraries),
        (FileType::Link, Some(target)) if is_alternative(target) => Some(Product::Alternative),
        (kind, _) => {
            let kept = info::kept(change.path).filter(|_| kind == FileType::File);
            kept.map(Product::Info)
                .or_else(|| made::by(change.path).map(Product::Made))
        }
    }
}

impl Explainer {
    /// What explains a path that is in no package, as its maintainer script makes it; `None` for any other path.
    pub fn explain_product(
        &mut self,
        change: &Change<'_>,
        holds: Holds<'_>,
    ) -> Option<Explanation> {
        if matches!(self.source, Source::Nothing(_)) {
            return None;
        }
        match product(change)? {
            Product::Libraries => Some(self.libraries(change, holds)),
            Product::Alternative => Some(self.alternative(change, holds)),
            Product::Info(kept) => Some(self.info(change, kept)),
            Product::Made(who) => Some(self.unknown(change, who.to_owned())),
        }
    }

    /// The same for a path that is gone: who made it, which lowers nothing.
    pub fn explain_removed_product(&self, path: &[u8]) -> Option<Explanation> {
        if matches!(self.source, Source::Nothing(_)) {
            return None;
        }
        let who = made::by(path)?;
        let case = case(Content::Unknown, true, AttributeSet::NONE);
        let keeps = verdict::kept(&case)?;
        Some(Explanation {
            by: ExplainedBy {
                reason: Some(format!("{keeps}: {who}")),
                ..ExplainedBy::new(by::ExplanationKind::Package)
            },
            lowers: false,
        })
    }

    fn libraries(&mut self, change: &Change<'_>, holds: Holds<'_>) -> Explanation {
        let root = self.root.clone();
        let mut vouched = |path: &[u8]| holds(self, path);
        let named =
            cache(&root, change).and_then(|text| ld_cache::judge(&root, &text, &mut vouched));
        let named = match named {
            Ok(named) => named,
            Err(why) => return self.unknown(change, why),
        };
        let (content, beyond) = change.against(&made(change), change.observed.digest.as_ref());
        let reason = format!(
            "recomputed: each of the {named} libraries that it names is as recorded or signed"
        );
        self.made(change, (content, beyond), reason)
    }

    fn alternative(&mut self, change: &Change<'_>, holds: Holds<'_>) -> Explanation {
        let root = self.root.clone();
        let target = change.observed.link.clone().unwrap_or_default();
        let packages = match &self.source {
            Source::Dpkg(dpkg) => {
                let mut packages = dpkg.debs.linking(change.path, &target);
                packages.retain(|package| dpkg.owners.packages().contains(package));
                packages
            }
            Source::Rpm(_) | Source::Nothing(_) => Vec::new(),
        };
        let Some(package) = packages.into_iter().next() else {
            return self.unknown(change, UNREGISTERED.to_owned());
        };
        let mut vouched = |path: &[u8]| holds(self, path);
        if let Err(why) = ld_cache::each_on_the_way(&root, &target, &mut vouched) {
            return self.unknown(change, why);
        }
        let (content, beyond) = change.against(&made(change), None);
        let judged = Judged {
            package,
            case: case(content, true, beyond),
            evidence: Evidence::Signed,
            detail: None,
            at: None,
            transaction: None,
        };
        match self.best(vec![judged], change.path, change.new_privilege()) {
            Some(explanation) => explanation,
            None => self.unknown(change, UNREGISTERED.to_owned()),
        }
    }

    /// What was recomputed, and came out as it is.
    fn made(
        &self,
        change: &Change<'_>,
        (content, beyond): (Content, AttributeSet),
        reason: String,
    ) -> Explanation {
        let mut case = case(content, true, beyond);
        case.is_trust = is_trust(change.path);
        case.settings_hold = self.settings.changed.is_none();
        case.new_privilege = change.new_privilege();
        // It is of no package, and as old as what it is made of, which is judged by itself.
        case.package_status = match self.recorded.packages.is_empty() {
            true => PackageStatus::Unrecorded,
            false => PackageStatus::Known,
        };
        let kept = verdict::kept(&case);
        Explanation {
            by: ExplainedBy {
                evidence: (content == Content::Same).then_some(Evidence::Signed),
                reason: Some(kept.map_or(reason, str::to_owned)),
                ..ExplainedBy::new(by::ExplanationKind::Package)
            },
            lowers: kept.is_none(),
        }
    }

    /// Nothing says what should be there: why.
    fn unknown(&self, change: &Change<'_>, why: String) -> Explanation {
        let mut explanation = self.made(change, (Content::Unknown, change.changed), String::new());
        let keeps = explanation.by.reason.take().unwrap_or_default();
        explanation.by.reason = Some(format!("{keeps}: {why}"));
        explanation
    }
}

/// The cache as it was judged.
fn cache(root: &Root, change: &Change<'_>) -> Result<Vec<u8>, String> {
    let text = root.read(change.path, bounds::LIBRARY_CACHE);
    let text = text
        .map_err(|error| error.to_string())?
        .ok_or("it is gone")?;
    match change.observed.digest {
        Some(Digest::Sha256(judged)) if judged == <[u8; 32]>::from(Sha256::digest(&text)) => {
            Ok(text)
        }
        _ => Err("it changed again while it was explained".into()),
    }
}

/// As the programs make them: root's, a file that all may read. What it holds was looked at.
fn made(change: &Change<'_>) -> Shipped {
    let observed = change.observed;
    Shipped {
        kind: observed.kind,
        mode: (observed.kind == FileType::File).then_some(0o644),
        uid: Some(0),
        gid: Some(0),
        link: observed.link.clone(),
        digest: observed.digest,
        capability: Some(None),
        names: Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::attributes::Attributes;
    use std::fs::{self, File};

    #[test]
    fn a_cache_beyond_its_bound_is_not_read() {
        let tree = tempfile::tempdir().expect("a directory");
        fs::create_dir(tree.path().join("etc")).expect("made");
        let file = File::create(tree.path().join("etc/ld.so.cache")).expect("made");
        let root = Root::open(tree.path()).expect("a root");
        let observed = Attributes::new(FileType::File);
        let change = Change {
            path: ld_cache::CACHE,
            expected: None,
            observed: &observed,
            changed: AttributeSet::ALL,
        };
        for (more, words) in [(0, "it changed again"), (1, "larger than")] {
            file.set_len(bounds::LIBRARY_CACHE + more).expect("a hole");
            let why = cache(&root, &change).expect_err("no digest");
            assert!(why.contains(words), "{why}");
        }
    }
}
