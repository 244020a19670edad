//! Which program `sudo` is, and which policy it reads.

use super::sudo_conf;
use super::sudoers::{Dialect, Source};
use crate::settings::vendor;
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::os::node;
use agent_core::os::root::Root;
use std::collections::BTreeSet;
use std::os::fd::AsFd;

/// Where programs lie that are sudo under one of its names; the first is what `sudo` means in a shell.
const PROGRAMS: [&str; 6] = [
    "usr/bin/sudo",
    "usr/local/bin/sudo",
    "usr/bin/sudo-rs",
    "usr/lib/cargo/bin/sudo",
    "usr/bin/sudo.ws",
    "usr/libexec/sudo/sudo",
];
/// Of /etc, or of /usr/etc where SUSE ships it.
const CONF: &str = "sudo.conf";
/// What sudo-rs alone has in it.
const RS_POLICY: &str = "/etc/sudoers-rs";

/// A policy that a program of the tree follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// `sudo` or `sudo-rs`.
    pub(super) name: &'static str,
    pub(super) source: Source,
    /// What is not known of it: the reason, and `FILE:LINE`.
    pub(super) unknown: Option<(String, String)>,
}

/// The programs that make somebody root, each once. Of a tree that has none, as if both were there: a policy alone is
/// judged as well.
pub(super) fn programs(root: &Root) -> Vec<Program> {
    let mut kinds = BTreeSet::new();
    for (n, path) in PROGRAMS.iter().enumerate() {
        let Some((is_rs, is_setuid)) = kind(root, path) else {
            continue;
        };
        // What `sudo` means counts whatever its mode; another can be called by its path if it is setuid.
        if n == 0 || is_setuid {
            kinds.insert(is_rs);
        }
    }
    let mut programs = Vec::new();
    let is_empty = kinds.is_empty();
    if is_empty || kinds.contains(&false) {
        programs.push(sudo(root));
    }
    if kinds.contains(&true) || (is_empty && exists(root, RS_POLICY)) {
        programs.push(sudo_rs(root));
    }
    programs
}

fn exists(root: &Root, path: &str) -> bool {
    let found = root.resolve(path.as_bytes(), true);
    found.is_ok_and(|found| found.handle.is_some())
}

/// Whether the program is sudo-rs, and whether it is setuid; `None` where nothing is. A link that leads out of what the
/// tree holds is known by the name that it leads to.
fn kind(root: &Root, path: &str) -> Option<(bool, bool)> {
    let mut at = path.as_bytes().to_vec();
    // As many links as the kernel follows.
    for _ in 0..40 {
        let found = root.resolve(&at, false);
        let Some(handle) = found.as_ref().ok().and_then(|found| found.handle.as_ref()) else {
            // Named by a link alone.
            return (at != path.as_bytes()).then(|| (is_rs_path(&at), false));
        };
        let stat = node::stat(handle).ok()?;
        if stat.kind == FileType::File {
            let is_rs = is_rs_path(&at) || has_rs_policy(root, &at);
            return Some((is_rs, stat.mode & 0o4000 != 0 && stat.uid == 0));
        }
        if stat.kind != FileType::Link {
            return None;
        }
        let target = node::read_link(handle.as_fd()).ok()?;
        at = match target.starts_with(b"/") {
            true => target.to_vec(),
            false => {
                let (directory, _) = bytes::rsplit_once(&at, b'/').unwrap_or_default();
                [directory, b"/", &target].concat()
            }
        };
    }
    None
}

fn is_rs_path(path: &[u8]) -> bool {
    path.ends_with(b"/cargo/bin/sudo") || path.ends_with(b"/sudo-rs")
}

fn has_rs_policy(root: &Root, path: &[u8]) -> bool {
    let bytes = root.read(path, bounds::SUDO_PROGRAM).ok().flatten();
    bytes.is_some_and(|bytes| memchr::memmem::find(&bytes, RS_POLICY.as_bytes()).is_some())
}

fn sudo_rs(root: &Root) -> Program {
    // A dangling link does not count.
    let main = match exists(root, RS_POLICY) {
        true => RS_POLICY,
        false => "/etc/sudoers",
    };
    Program {
        name: "sudo-rs",
        source: Source {
            main: main.to_owned(),
            dialect: Dialect::SudoRs,
            uid: 0,
            gid: 0,
        },
        unknown: None,
    }
}

fn sudo(root: &Root) -> Program {
    let version = agent_packages::named(root, "sudo").ok().flatten();
    let version = version.map(|package| package.version);
    let is_before = |than| version.as_deref().map(|version| is_before(version, than));
    let mut program = Program {
        name: "sudo",
        source: Source {
            main: "/etc/sudoers".to_owned(),
            dialect: Dialect::Sudo {
                before_1_9_14: is_before((1, 9, 14)).unwrap_or(false),
            },
            uid: 0,
            gid: 0,
        },
        unknown: None,
    };
    // SUSE ships it below /usr/etc, where it counts until there is one in /etc.
    program.source.main = vendor::place(root, "sudoers");
    let conf = vendor::place(root, CONF);
    match root.read(conf.as_bytes(), bounds::SETTINGS_FILE) {
        Ok(text) => {
            let one_file = is_before((1, 9, 14));
            configure(
                root,
                &mut program,
                &conf,
                &text.unwrap_or_default(),
                one_file,
            );
        }
        Err(error) => program.unknown = Some((format!("{conf}: {error}"), conf)),
    }
    program
}

fn is_before(version: &str, than: (u32, u32, u32)) -> bool {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let mut numbers = version
        .split(['.', 'p', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) < than
}

/// Arguments of the plugin (sudo.conf(5), sudoers(5) "SUDO_CONF"). A file that others may write is not read. `one_file` is
/// whether the version takes a single name, where that is known.
fn configure(root: &Root, program: &mut Program, conf: &str, text: &[u8], one_file: Option<bool>) {
    let stat = root.resolve(conf.as_bytes(), true).ok();
    let stat = stat.and_then(|found| node::stat(&found.handle?).ok());
    if stat.is_some_and(|stat| stat.uid != 0 || stat.mode & 0o022 != 0) {
        return;
    }
    let told = sudo_conf::told(text);
    program.unknown = told
        .unknown
        .map(|(reason, line)| (reason, format!("{conf}:{line}")));
    for (key, value) in told.options.iter().filter_map(|word| word.split_once('=')) {
        match key {
            "sudoers_file" => {
                program.source.main = file(root, value, one_file.unwrap_or(false));
                if one_file.is_none() && value.contains(':') {
                    let reason = format!(
                        "whether {value} is one file or several depends on the version of sudo"
                    );
                    program.unknown.get_or_insert((reason, conf.to_owned()));
                }
            }
            "sudoers_uid" => program.source.uid = value.parse().unwrap_or(0),
            "sudoers_gid" => program.source.gid = value.parse().unwrap_or(0),
            _ => {}
        }
    }
}

/// From 1.9.14 on it may name several, of which the first that is there counts.
fn file(root: &Root, value: &str, one_file: bool) -> String {
    let mut names = value.split(':').filter(|_| !one_file);
    names
        .find(|name| exists(root, name))
        .unwrap_or(value)
        .to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions() {
        for (version, before) in [
            ("1.9.13p3-1+deb12u4", true),
            ("1.8.23-10.amzn2", true),
            ("1.9.16p2-3", false),
            ("1.9.14-1", false),
            ("2.0", false),
            ("1:1.9.9-1ubuntu2", true),
        ] {
            assert_eq!(super::is_before(version, (1, 9, 14)), before, "{version}");
        }
    }
}
