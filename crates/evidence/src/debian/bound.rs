//! What of the kept evidence is given up where there is more than may be kept. Pure.

use agent_core::bounds;
use agent_packages::Package;
use agent_packages::dpkg::version;
use std::collections::HashMap;
use std::time::SystemTime;

/// What is kept of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) package: Package,
    /// Bytes of the file it is kept in.
    pub(crate) bytes: u64,
    /// When that was written.
    pub(crate) since: SystemTime,
}

/// Those that are given up, so that what is left is within its bounds: first what is no longer installed or was
/// superseded, the oldest of it first, then the oldest of the rest.
///
/// A version that is newer than the installed one is about to be installed, and counts as it does. `installed`: the
/// packages that are, or the newest versions that ever were.
pub(crate) fn beyond(mut kept: Vec<Kept>, installed: &[Package]) -> Vec<Package> {
    let mut bytes: u64 = kept.iter().map(|one| one.bytes).sum();
    let mut left = kept.len();
    if is_within(left, bytes) {
        return Vec::new();
    }
    let mut versions: HashMap<(&str, &str), &str> = HashMap::new();
    for Package {
        name,
        version,
        arch,
    } in installed
    {
        versions.insert((name, arch), version);
    }
    let is_current = |package: &Package| {
        let there = versions.get(&(package.name.as_str(), package.arch.as_str()));
        there.is_some_and(|there| version::compare(&package.version, there).is_ge())
    };
    kept.sort_by_cached_key(|one| (is_current(&one.package), one.since));
    let mut given_up = Vec::new();
    for one in kept {
        if is_within(left, bytes) {
            break;
        }
        left = left.saturating_sub(1);
        bytes = bytes.saturating_sub(one.bytes);
        given_up.push(one.package);
    }
    given_up
}

/// Whether so many packages of so many bytes may be kept.
pub(crate) fn is_within(packages: usize, bytes: u64) -> bool {
    packages <= bounds::EVIDENCE_KEPT && bytes <= bounds::EVIDENCE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            arch: "amd64".into(),
        }
    }

    fn kept(name: &str, version: &str, bytes: u64, second: u64) -> Kept {
        Kept {
            package: package(name, version),
            bytes,
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
        }
    }

    #[test]
    fn what_is_not_installed_goes_first_and_the_oldest_of_it() {
        let installed = [package("a", "2"), package("b", "1")];
        let third = bounds::EVIDENCE_BYTES / 3;
        let all = vec![
            kept("a", "2", third, 1),
            kept("a", "1", third, 9),
            kept("gone", "1", third, 8),
            kept("b", "2", third, 2),
            kept("b", "1", third, 3),
        ];
        let names = |given_up: Vec<Package>| {
            let name = |one: Package| format!("{} {}", one.name, one.version);
            given_up.into_iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(names(beyond(all[..3].to_vec(), &installed)), [""; 0]);
        assert_eq!(names(beyond(all[..4].to_vec(), &installed)), ["gone 1"]);
        assert_eq!(
            names(beyond(all.clone(), &installed)),
            ["gone 1", "a 1"],
            "b 2 is about to be installed"
        );
        let more = [all, vec![kept("c", "1", third, 4)]].concat();
        let installed = [&installed[..], &[package("c", "1")]].concat();
        assert_eq!(
            names(beyond(more, &installed)),
            ["gone 1", "a 1", "a 2"],
            "the oldest of what is installed"
        );
    }

    #[test]
    fn no_more_packages_are_kept_than_may_be() {
        let most = bounds::EVIDENCE_KEPT;
        let all: Vec<Kept> = (0..=most)
            .map(|n| kept(&n.to_string(), "1", 1, n as u64))
            .collect();
        assert_eq!(beyond(all[..most].to_vec(), &[]), []);
        assert_eq!(beyond(all, &[]), [package("0", "1")]);
    }
}
