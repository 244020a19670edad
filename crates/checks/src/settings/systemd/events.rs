//! What devices start (systemd.device(5), SYSTEMD_WANTS).

use super::{names, reader};
use agent_core::os::root::Root;
use std::collections::BTreeMap;

/// Where rules of udev lie, the strongest first (udev(7)).
const RULES: [&str; 5] = [
    "etc/udev/rules.d",
    "run/udev/rules.d",
    "usr/local/lib/udev/rules.d",
    "usr/lib/udev/rules.d",
    "lib/udev/rules.d",
];

/// Units that rules of udev name: unit to `FILE:LINE`.
pub(super) fn by_devices(root: &Root) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, &str> = BTreeMap::new();
    for directory in RULES {
        if directory.starts_with("run/") && !root.is_live() {
            continue;
        }
        for (name, _) in names(root, directory) {
            if name.ends_with(".rules") {
                files.entry(name).or_insert(directory);
            }
        }
    }
    let read = reader(root);
    let mut found = BTreeMap::new();
    for (name, directory) in files {
        let Some((path, bytes)) = read(format!("{directory}/{name}")) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for (number, unit) in wanted(&text) {
            found.entry(unit).or_insert(format!("/{path}:{number}"));
        }
    }
    found
}

/// The units that `ENV{SYSTEMD_WANTS}` is given, each with its line.
fn wanted(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut continued = false;
    for (number, line) in (1_usize..).zip(text.lines()) {
        let is_comment = !continued && line.trim_start().starts_with('#');
        continued = line.ends_with('\\') && !is_comment;
        if is_comment {
            continue;
        }
        for behind in line.split("{SYSTEMD_WANTS}").skip(1) {
            let behind = behind.trim_start();
            let Some(value) = ["+=", ":=", "="]
                .iter()
                .find_map(|sign| behind.strip_prefix(sign))
            else {
                continue;
            };
            let value = value.trim_start();
            let value = value.strip_prefix('e').unwrap_or(value).strip_prefix('"');
            // A comparison has a second sign.
            let Some(value) = value.and_then(|value| value.split('"').next()) else {
                continue;
            };
            let units = value
                .split_whitespace()
                .map(|unit| (number, unit.to_owned()));
            found.extend(units);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn rules_that_start_units() {
        let text = "# ENV{SYSTEMD_WANTS}+=\"no.service\"\n\
            SUBSYSTEM==\"tty\", TAG+=\"systemd\", \\\n  ENV{SYSTEMD_WANTS}+=\"a.service b.service\"\n\
            ENV{SYSTEMD_WANTS} = \"c.service\", ENV{SYSTEMD_WANTS}:=e\"d.service\"\n\
            ENV{SYSTEMD_WANTS}==\"no.service\", ENV{SYSTEMD_USER_WANTS}+=\"no.service\"\n";
        let found = wanted(text);
        let found: Vec<(usize, &str)> = found.iter().map(|(n, unit)| (*n, unit.as_str())).collect();
        let expected = [
            (3, "a.service"),
            (3, "b.service"),
            (4, "c.service"),
            (4, "d.service"),
        ];
        assert_eq!(found, expected);
    }
}
