//! What a reader must know before any file is looked at: whether the profile fits, and who looks.

use super::confined;
use crate::assess::tree::Tree;
use agent_baseline::manifest::verified::Trust;
use agent_baseline::profile::Profile;
use agent_confine::Confinement;
use agent_core::release::OsRelease;

/// The notes on a check of that tree under the profile that was asked for as `named`.
pub(super) fn of(
    tree: &Tree,
    profile: &Profile,
    named: &str,
    trust: &Trust,
    confinement: Option<&Confinement>,
) -> Vec<String> {
    let mut notes: Vec<String> = on_profile(profile, named, &tree.release)
        .into_iter()
        .collect();
    notes.extend(local_time(trust));
    notes.extend(confinement.into_iter().flat_map(confined::notes));
    let uid = rustix::process::geteuid();
    if !uid.is_root() {
        notes.push(format!(
            "not run as root but as uid {}: what that user may not read could not be judged, and what other users' processes do was not seen",
            uid.as_raw()
        ));
    }
    notes
}

/// Whoever sets the time zone of a check moves what signers are trusted until, as far as that is written in local time.
fn local_time(trust: &Trust) -> Option<String> {
    let zone = std::env::var_os("TZ").filter(|zone| !zone.is_empty() && trust.wants_seal())?;
    Some(format!(
        "TZ is set in the environment ({}): times of trusted signers that are written in local time go by it",
        zone.to_string_lossy()
    ))
}

/// What is amiss with the profile for a tree of that distribution.
fn on_profile(profile: &Profile, named: &str, release: &OsRelease) -> Option<String> {
    let tree = match (release.id.as_str(), release.version_id.as_str()) {
        ("", _) => "a tree without os-release".to_owned(),
        (id, "") => id.to_owned(),
        (id, version) => format!("{id} {version}"),
    };
    // What "auto" chose it chose by the tree, and says itself where it had to take what stands in.
    if named == "auto" {
        return profile.stands_in.clone();
    }
    let wanted = profile.applies_to.as_ref()?;
    if wanted.matches(release) {
        return None;
    }
    let version = wanted.version_id.as_deref().unwrap_or("of any version");
    Some(format!(
        "the profile {} is for {} {version}, and this is {tree}: what it demands may not fit",
        profile.name, wanted.id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_baseline::profile::load;

    fn note(named: &str, id: &str, version: &str) -> Option<String> {
        let release = OsRelease {
            id: id.into(),
            version_id: version.into(),
            ..OsRelease::default()
        };
        let profile = load::named(named).expect("shipped");
        on_profile(&profile, named, &release)
    }

    #[test]
    fn a_profile_that_does_not_fit_is_told() {
        assert_eq!(note("rhel-9", "rhel", "9.4"), None);
        assert_eq!(note("default", "plan9", "4"), None, "asked for by name");
        let told = note("rhel-9", "debian", "12").expect("a note");
        assert!(
            told.contains("rhel 9") && told.contains("debian 12"),
            "{told}"
        );
    }
}
