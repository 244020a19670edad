//! What the sealed manifest vouches for: packages and their versions, keys, and the settings by which a package
//! manager decides whom it believes.

use agent_core::attributes::{Attributes, Digest};
use agent_packages::{DatabaseKind, Package, dpkg, rpm};
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// Where dpkg's and apt's trust lies, relative to the root.
const APT: [&str; 4] = [
    "etc/apt",
    "etc/dpkg/dpkg.cfg",
    "etc/dpkg/dpkg.cfg.d",
    "usr/share/keyrings",
];
/// Where rpm's and dnf's lies.
const DNF: [&str; 6] = [
    "etc/yum.repos.d",
    "etc/dnf",
    "etc/yum",
    "etc/yum.conf",
    "etc/rpm",
    "etc/pki/rpm-gpg",
];
/// Where dpkg keeps what is diverted, relative to the root.
pub const DIVERSIONS: &str = "var/lib/dpkg/diversions";
/// Where dpkg keeps lists, sums and scripts of installed packages, relative to the root.
pub const INFO: &str = "var/lib/dpkg/info";
/// Among them, keyrings: one that is not as recorded vouches for nothing, and the others are as good as before.
const KEYRINGS: [&str; 5] = [
    "etc/apt/trusted.gpg",
    "etc/apt/trusted.gpg.d",
    "etc/apt/keyrings",
    "usr/share/keyrings",
    "etc/pki/rpm-gpg",
];

/// The paths below which a package manager's settings of trust lie, relative to the root.
pub fn trust_paths(manager: DatabaseKind) -> &'static [&'static str] {
    match manager {
        DatabaseKind::Dpkg => &APT,
        DatabaseKind::Rpm => &DNF,
        DatabaseKind::None => &[],
    }
}

/// Whether the path (relative to the root) is one of those settings, or a keyring.
pub fn is_trust(path: &[u8]) -> bool {
    APT.iter().chain(&DNF).any(|place| is_below(path, place))
}

/// Whether the path is, or lies in, a place for keyrings.
pub(crate) fn is_keyring(path: &[u8]) -> bool {
    KEYRINGS.iter().any(|place| is_below(path, place))
}

fn is_below(path: &[u8], place: &str) -> bool {
    path.strip_prefix(place.as_bytes())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// What manifest, amendments and launch record say, as far as evidence needs it.
#[derive(Debug, Default)]
pub struct RecordedPackages {
    /// The packages that were there, of several versions of one all: `# package` lines.
    pub packages: Vec<Package>,
    /// SHA-256 of what was diverted (dpkg-divert(1)), where that is recorded.
    pub diversions: Option<[u8; 32]>,
    /// Fingerprints of the keys that the package manager trusted: `# package-key` lines.
    pub keys: Vec<String>,
    /// What is recorded below [`trust_paths`], by path relative to the root.
    pub settings: BTreeMap<Vec<u8>, Attributes>,
    /// Digests of dpkg's lists of files and of configuration files below [`INFO`], by path relative to the root.
    pub lists: HashMap<Vec<u8>, [u8; 32]>,
    /// The newest versions that the daemon has ever seen installed.
    pub seen: Vec<Package>,
}

/// How a package stands to what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageStatus {
    /// It was there, and is newer than it ever was.
    Known,
    /// It was there in this very version.
    Same,
    /// The manifest does not say which packages there were.
    Unrecorded,
    /// It was not there.
    New,
    /// It was there in this newer version.
    Older(String),
}

impl RecordedPackages {
    /// Takes in the versions that are installed now.
    pub(crate) fn see<'a>(
        &mut self,
        manager: DatabaseKind,
        installed: impl Iterator<Item = &'a Package>,
    ) {
        let mut newest: BTreeMap<(String, String), String> = BTreeMap::new();
        let seen = std::mem::take(&mut self.seen);
        for package in seen.into_iter().chain(installed.cloned()) {
            let key = (package.name.clone(), package.arch.clone());
            let version = newest.entry(key).or_insert_with(|| package.version.clone());
            if compare(manager, version, &package.version) == Ordering::Less {
                version.clone_from(&package.version);
            }
        }
        let package = |((name, arch), version)| Package {
            name,
            version,
            arch,
        };
        self.seen = newest.into_iter().map(package).collect();
    }

    /// A digest of the keyrings that are recorded, by path and contents.
    pub(crate) fn keyrings(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (path, attributes) in self.settings.iter().filter(|(path, _)| is_keyring(path)) {
            if let Some(Digest::Sha256(contents)) = attributes.digest {
                digest.update(path);
                digest.update([0]);
                digest.update(contents);
            }
        }
        digest.finalize().into()
    }

    /// How the package stands.
    pub fn package_status(&self, manager: DatabaseKind, package: &Package) -> PackageStatus {
        if self.packages.is_empty() {
            return PackageStatus::Unrecorded;
        }
        let is_it = |known: &&Package| known.name == package.name && known.arch == package.arch;
        if !self.packages.iter().any(|known| is_it(&known)) {
            return PackageStatus::New;
        }
        let newest = self
            .packages
            .iter()
            .chain(&self.seen)
            .filter(is_it)
            .max_by(|a, b| compare(manager, &a.version, &b.version));
        match newest {
            Some(newest)
                if compare(manager, &package.version, &newest.version) == Ordering::Less =>
            {
                PackageStatus::Older(newest.version.clone())
            }
            _ => {
                let is_same = |known: &Package| {
                    compare(manager, &package.version, &known.version) == Ordering::Equal
                };
                let mut recorded = self.packages.iter().filter(is_it);
                match recorded.any(is_same) {
                    true => PackageStatus::Same,
                    false => PackageStatus::Known,
                }
            }
        }
    }
}

/// The order of two versions, as the manager sees it.
pub fn compare(manager: DatabaseKind, a: &str, b: &str) -> Ordering {
    match manager {
        DatabaseKind::Rpm => rpm::version::compare(a, b),
        DatabaseKind::Dpkg | DatabaseKind::None => dpkg::version::compare(a, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            arch: "amd64".into(),
        }
    }

    #[test]
    fn a_package_stands_to_what_it_ever_was() {
        let recorded = RecordedPackages {
            packages: vec![package("a", "1.9"), package("k", "1"), package("k", "3")],
            seen: vec![package("a", "1.20"), package("new", "5")],
            ..RecordedPackages::default()
        };
        let of =
            |name, version| recorded.package_status(DatabaseKind::Dpkg, &package(name, version));
        assert_eq!(of("a", "1.20"), PackageStatus::Known);
        assert_eq!(of("a", "1.21"), PackageStatus::Known);
        assert_eq!(of("k", "3"), PackageStatus::Same);
        assert_eq!(
            of("a", "1.10"),
            PackageStatus::Older("1.20".into()),
            "between manifest and newest"
        );
        assert_eq!(of("k", "2"), PackageStatus::Older("3".into()));
        assert_eq!(
            of("new", "6"),
            PackageStatus::New,
            "what was seen was not therefore recorded"
        );
        let none = RecordedPackages::default();
        assert_eq!(
            none.package_status(DatabaseKind::Dpkg, &package("a", "1")),
            PackageStatus::Unrecorded
        );
    }

    #[test]
    fn settings_of_trust_are_told_from_the_rest() {
        for path in [
            "etc/apt/sources.list",
            "usr/share/keyrings/x.gpg",
            "etc/yum.conf",
        ] {
            assert!(is_trust(path.as_bytes()), "{path}");
        }
        for path in ["etc/aptitude", "usr/bin/apt", "etc/yum.config"] {
            assert!(!is_trust(path.as_bytes()), "{path}");
        }
        assert!(is_keyring(b"etc/apt/trusted.gpg.d/a.asc") && !is_keyring(b"etc/apt/sources.list"));
    }
}
