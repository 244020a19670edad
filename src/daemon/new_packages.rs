//! Packages that are new on the host, told in one line each: their files are told by themselves, at the severity that they
//! have without evidence.

use crate::daemon::action::Action;
use crate::daemon::clock::Now;
use crate::daemon::state::Daemon;
use agent_core::escape;
use agent_core::explained::ExplainedBy;
use agent_core::finding::Finding;
use agent_outbox::event::{Lifecycle, NewPackage};
use sha2::{Digest, Sha256};

/// Packages that are told, and kept as told.
// Own bound: of further ones each finding says so itself.
const MOST: usize = 1_024;
/// Bytes of the digest by which a package is kept as told.
const KEPT: usize = 8;

/// Tells of the package whose file the finding is about, if it is new and was not told.
pub(in crate::daemon) fn tell(daemon: &mut Daemon, finding: &Finding, now: Now) {
    let Some(by) = finding.explained_by.as_ref().filter(|by| by.is_new) else {
        return;
    };
    let manifest = &daemon.records.current.manifest;
    let Some((name, package)) = described(manifest, by) else {
        return;
    };
    let told = &mut daemon.records.current.new_packages;
    if told.len() >= MOST || told.contains(&name) {
        return;
    }
    told.push(name);
    let actions = vec![
        Action::Tell(Lifecycle::NewPackage(package)),
        Action::SaveRecord,
    ];
    daemon.perform(actions, now);
}

/// What is told, and by what it is kept as told: another manifest may not have it either.
fn described(manifest: &str, by: &ExplainedBy) -> Option<(String, NewPackage)> {
    let (name, version) = (by.package.clone()?, by.version.clone()?);
    let digest = Sha256::digest(format!("{manifest} {name} {version}"));
    let package = NewPackage {
        name,
        version,
        evidence: by.evidence,
        at: by.at.clone(),
        transaction: by.transaction.clone(),
    };
    Some((escape::hex(&digest[..KEPT]), package))
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::explained::ExplanationKind;

    #[test]
    fn a_package_is_another_one_in_another_version_and_under_another_manifest() {
        let of = |manifest, name: &str, version: &str| {
            let by = ExplainedBy {
                package: Some(name.into()),
                version: Some(version.into()),
                ..ExplainedBy::new(ExplanationKind::Package)
            };
            described(manifest, &by).map(|(name, _)| name)
        };
        let told = of("m", "a", "1");
        assert_eq!(told, of("m", "a", "1"));
        for other in [of("n", "a", "1"), of("m", "b", "1"), of("m", "a", "2")] {
            assert_ne!(told, other);
        }
        assert_eq!(told.map(|name| name.len()), Some(2 * KEPT));
        assert_eq!(
            described("m", &ExplainedBy::new(ExplanationKind::Package)),
            None
        );
    }
}
