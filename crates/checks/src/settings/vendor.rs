//! Files that a distribution ships below /usr/etc, where they count until /etc has one of that name (SUSE; libeconf(3)).

use agent_core::bounds;
use agent_core::os::root::Root;
use std::io;

/// What stands in a file, and where that is.
pub struct VendorFile {
    /// Absolute.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// The file of that name in /etc, else in /usr/etc; `None` where neither has it.
pub fn read(root: &Root, name: &str) -> io::Result<Option<VendorFile>> {
    for directory in ["/etc", "/usr/etc"] {
        let path = format!("{directory}/{name}");
        let read = root.read(path.as_bytes(), bounds::SETTINGS_FILE);
        let read =
            read.map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        if let Some(bytes) = read {
            return Ok(Some(VendorFile { path, bytes }));
        }
    }
    Ok(None)
}

/// Where that file is, or would be.
pub fn place(root: &Root, name: &str) -> String {
    let there = |path: &String| {
        let found = root.resolve(path.as_bytes(), true);
        found.is_ok_and(|found| found.handle.is_some())
    };
    let own = format!("/etc/{name}");
    let shipped = format!("/usr/etc/{name}");
    match !there(&own) && there(&shipped) {
        true => shipped,
        false => own,
    }
}

/// Services that a database of nsswitch.conf(5) is looked up in, up to where a miss ends the search, and the file.
/// `None` where there is no such file, or no such line in it.
pub fn nsswitch(root: &Root, database: &str) -> io::Result<Option<(String, Vec<String>)>> {
    let Some(file) = read(root, "nsswitch.conf")? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&file.bytes).into_owned();
    // The last line of a database counts.
    let line = text.lines().rev().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (name, services) = line.split_once(':')?;
        (name.trim() == database).then(|| services.to_ascii_lowercase())
    });
    Ok(line.map(|line| (file.path, services(&line))))
}

/// The services of a line up to where a miss ends the search. What stands in brackets is what is done about an answer.
fn services(line: &str) -> Vec<String> {
    let ends = |action: &str| match action.split_once('=') {
        Some((status, "return")) => match status.strip_prefix('!') {
            Some(status) => status != "notfound",
            None => status == "notfound",
        },
        _ => false,
    };
    let mut found = Vec::new();
    for part in line.split('[') {
        // Before the first bracket there is no action.
        let (actions, names) = part.split_once(']').unwrap_or(("", part));
        if actions.split_whitespace().any(ends) {
            break;
        }
        found.extend(names.split_whitespace().map(str::to_owned));
    }
    found
}
