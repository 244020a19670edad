//! systemd's own configuration files (journald.conf(5), "Configuration Directories and Precedence").

use super::{Setting, ini, names, reader};
use agent_core::os::root::Root;
use std::collections::BTreeMap;

/// Every `KEY=` of one of systemd's own configuration files, as `journald.conf`, and its drop-ins, in the order
/// in which they are read (journald.conf(5), "Configuration Directories and Precedence"); empty ones too.
pub fn config(root: &Root, name: &str, section: &str, key: &str) -> Vec<Setting> {
    let places = [
        "etc/systemd",
        "run/systemd",
        "usr/local/lib/systemd",
        "usr/lib/systemd",
    ];
    let places = places
        .iter()
        .filter(|place| root.is_live() || !place.starts_with("run/"));
    let read = reader(root);
    let mut sources = Vec::new();
    let mut drop_ins: BTreeMap<String, Option<(String, Vec<u8>)>> = BTreeMap::new();
    for place in places {
        if sources.is_empty() {
            sources.extend(read(format!("{place}/{name}")));
        }
        let directory = format!("{place}/{name}.d");
        for (file, _) in names(root, &directory) {
            if file.ends_with(".conf") {
                let path = format!("{directory}/{file}");
                drop_ins.entry(file).or_insert_with(|| read(path));
            }
        }
    }
    sources.extend(drop_ins.into_values().flatten());
    let mut found = Vec::new();
    for (path, bytes) in sources {
        for (at, name, value, line) in ini(&bytes) {
            if at == section && name == key {
                let location = format!("/{path}:{line}");
                found.push(Setting { value, location });
            }
        }
    }
    found
}
