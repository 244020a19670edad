//! Scripts of System V that are started at boot, by the links of the runlevels.

use super::found::{Found, found, there};
use super::names;
use agent_core::os::root::Root;
use std::collections::BTreeMap;

/// Where programs lie that make units at boot (systemd.generator(7)).
const GENERATORS: [&str; 4] = [
    "etc/systemd/system-generators",
    "usr/local/lib/systemd/system-generators",
    "usr/lib/systemd/system-generators",
    "lib/systemd/system-generators",
];

/// The unit that each started script becomes, to the link that starts it.
pub(super) fn started(root: &Root) -> BTreeMap<String, String> {
    let mut started = BTreeMap::new();
    if !reads_scripts(root) {
        return started;
    }
    for level in ["etc/rc3.d", "etc/rc5.d", "etc/rc2.d", "etc/rc.d/rc3.d"] {
        for (name, _) in names(root, level) {
            if let Some(rest) = name.strip_prefix('S') {
                let script = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                let path = format!("/{level}/{name}");
                started.entry(format!("{script}.service")).or_insert(path);
            }
        }
    }
    started
}

/// Whether anything makes units of System V's links: systemd-sysv-generator(8), which systemd has no more from 260 on,
/// or no systemd at all.
fn reads_scripts(root: &Root) -> bool {
    let there = |path: &str| there(root, path) && found(root, path) != Found::Broken;
    let systemd = ["usr/lib/systemd/systemd", "lib/systemd/systemd"];
    let masked = found(root, "etc/systemd/system-generators/systemd-sysv-generator") == Found::Null;
    let generator = GENERATORS
        .iter()
        .any(|directory| there(&format!("{directory}/systemd-sysv-generator")));
    !systemd.into_iter().any(there) || (generator && !masked)
}
