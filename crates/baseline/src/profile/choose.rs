//! Which shipped profile is for a distribution, and what stands in where none is.

use super::shipped::{SHIPPED, Shipped};
use agent_core::escape;
use agent_core::release::OsRelease;
use std::cmp::Ordering;

/// A shipped profile, chosen by os-release(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub name: &'static str,
    /// Where no shipped profile is for that distribution in that version: what stands in, one sentence.
    pub stands_in: Option<String>,
}

/// Chooses: the profile for the distribution in its version; else that for what it is a rebuild of or descends from
/// (`ID_LIKE`, nearest first), in the same version; else the nearest version of those; else `default`.
pub fn choose(release: &OsRelease) -> Choice {
    let ids = release.lineage();
    let exact = ids.iter().enumerate().find_map(|(place, id)| {
        SHIPPED
            .iter()
            .find(|shipped| is_for(shipped, id, place, release))
    });
    if let Some(shipped) = exact {
        return Choice {
            name: shipped.name,
            stands_in: None,
        };
    }
    let nearest = ids.iter().find_map(|id| nearest(id, &release.version_id));
    let name = nearest.map_or("default", |shipped| shipped.name);
    let what = match (release.id.as_str(), release.version_id.as_str()) {
        ("", _) => "a tree whose os-release names no distribution".to_owned(),
        (id, "") => format!("{id} without a VERSION_ID"),
        (id, version) => format!("{id} {version}"),
    };
    let how = match nearest {
        Some(_) => "the nearest",
        None => "which knows no distribution's first boot",
    };
    let what = escape::terminal_text(&what);
    Choice {
        name,
        stands_in: Some(format!(
            "no shipped profile is for {what}: \"{name}\" stands in, {how}"
        )),
    }
}

/// Whether the profile is for `id` in the release's version. One for every version is that only for the distribution
/// itself: who descends from it counts otherwise.
fn is_for(shipped: &Shipped, id: &str, place: usize, release: &OsRelease) -> bool {
    let version = match shipped.version {
        "" => place == 0,
        wanted => release.is_version(wanted),
    };
    !id.is_empty() && shipped.id == id && version
}

/// The newest profile for the distribution that is not newer than `version`; else its oldest. Without a version, as a
/// rolling distribution has none, the newest.
fn nearest(id: &str, version: &str) -> Option<&'static Shipped> {
    let of_it = || {
        SHIPPED
            .iter()
            .filter(|shipped| !id.is_empty() && shipped.id == id)
    };
    let older =
        |shipped: &&Shipped| version.is_empty() || compare(shipped.version, version).is_le();
    of_it().rfind(older).or_else(|| of_it().next())
}

/// Versions by their numbers.
fn compare(left: &str, right: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> {
        text.split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect()
    };
    numbers(left).cmp(&numbers(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(id: &str, version: &str, like: &str) -> Choice {
        choose(&OsRelease {
            id: id.into(),
            version_id: version.into(),
            id_like: like.split_whitespace().map(str::to_owned).collect(),
            ..OsRelease::default()
        })
    }

    /// ID, VERSION_ID and ID_LIKE as the distributions write them.
    #[test]
    fn distributions_and_their_rebuilds() {
        for (id, version, like, name) in [
            ("debian", "12", "", "debian-12"),
            ("debian", "13", "", "debian-13"),
            ("raspbian", "13", "debian", "debian-13"),
            ("ubuntu", "26.04", "debian", "ubuntu-26.04"),
            ("pop", "24.04", "ubuntu debian", "ubuntu-24.04"),
            ("rhel", "10.1", "centos fedora", "rhel-10"),
            ("rocky", "10.1", "rhel centos fedora", "rhel-10"),
            ("almalinux", "9.6", "rhel centos fedora", "rhel-9"),
            ("centos", "10", "rhel fedora", "rhel-10"),
            ("ol", "10.0", "fedora", "rhel-10"),
            ("ol", "9.6", "fedora", "rhel-9"),
            ("sles", "15.7", "suse", "sles-15"),
            ("sles_sap", "15.7", "suse", "sles-15"),
            ("sles", "16.0", "suse", "sles-16"),
            ("opensuse-leap", "16.0", "suse opensuse", "sles-16"),
            ("fedora", "44", "", "fedora"),
            ("amzn", "2", "centos rhel fedora", "amazon-linux-2"),
            ("amzn", "2023", "fedora", "amazon-linux-2023"),
            ("amzn", "2027", "fedora", "amazon-linux-2027"),
        ] {
            let choice = chosen(id, version, like);
            assert_eq!(
                (choice.name, choice.stands_in),
                (name, None),
                "{id} {version}"
            );
        }
    }

    #[test]
    fn what_stands_in_is_told() {
        for (id, version, like, name) in [
            ("debian", "", "", "debian-13"),
            ("debian", "14", "", "debian-13"),
            ("debian", "11", "", "debian-12"),
            ("ubuntu", "25.10", "debian", "ubuntu-24.04"),
            ("ubuntu", "20.04", "debian", "ubuntu-22.04"),
            ("rhel", "8.10", "fedora", "rhel-9"),
            ("rocky", "11.0", "rhel centos fedora", "rhel-10"),
            ("amzn", "2029", "fedora", "amazon-linux-2027"),
            (
                "opensuse-tumbleweed",
                "20261101",
                "opensuse suse",
                "default",
            ),
            ("azurelinux", "4.0", "fedora", "fedora"),
            ("alpine", "3.23.0", "", "default"),
            ("", "", "", "default"),
        ] {
            let choice = chosen(id, version, like);
            assert_eq!(choice.name, name, "{id} {version}");
            let told = choice.stands_in.expect("it is told");
            assert!(told.contains(&format!("\"{name}\" stands in")), "{told}");
            assert!(told.contains(version), "{told}");
        }
    }
}
