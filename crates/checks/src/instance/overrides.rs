//! What leads programs to another metadata service: environments of services, and the AWS configuration of users.

use super::endpoint::{Environment, is_awss};
use crate::settings::context::Context;
use crate::settings::sshd;
use crate::settings::systemd::{self, Escapes};
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_core::os::{others, procfs};
use reqwest::Url;
use std::collections::BTreeSet;
use std::io;

const VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const KEY: &str = "ec2_metadata_service_endpoint";
/// Where the AWS configuration is instead of a home's own.
const CONFIG: &str = "AWS_CONFIG_FILE";
/// What log-ins, and the managers of users, take variables from.
const LOGINS: [&str; 5] = [
    "etc/environment",
    "etc/profile",
    "etc/bash.bashrc",
    "etc/bashrc",
    "etc/zsh/zshenv",
];
const LOGIN_DIRECTORIES: [(&str, &str); 3] = [
    ("etc/profile.d", ".sh"),
    ("etc/environment.d", ".conf"),
    ("usr/lib/environment.d", ".conf"),
];
/// What the shells of a user take them from.
const OWN: [&str; 5] = [
    ".profile",
    ".bash_profile",
    ".bash_login",
    ".bashrc",
    ".zshenv",
];

/// One place that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Override {
    /// The file, or whose environment it is.
    pub(super) place: String,
    /// `FILE:LINE`
    pub(super) location: Option<String>,
    /// Host and port that it leads to.
    pub(super) host: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overrides {
    /// All of them, files first.
    pub(super) found: Vec<Override>,
    /// Running services whose environment could not be read: that takes root, or CAP_SYS_PTRACE.
    pub(super) unread: usize,
    /// Why none could be looked at.
    pub(super) unlisted: Option<String>,
}

/// Looks everywhere.
pub(super) fn find(context: &Context<'_>, own: &Environment) -> Overrides {
    let root = context.root;
    let mut found = Vec::new();
    let mut configs = BTreeSet::new();
    of_units(context, &mut found, &mut configs);
    let homes = homes(root);
    let mut files: BTreeSet<String> = LOGINS.iter().map(|file| (*file).to_owned()).collect();
    for (directory, end) in LOGIN_DIRECTORIES {
        files.extend(below(root, directory, end));
    }
    for home in &homes {
        files.extend(OWN.iter().map(|file| format!("{home}/{file}")));
        configs.insert(format!("{home}/.aws/config"));
    }
    for file in files {
        if let Some(text) = text(root, &file) {
            in_file(&file, &text, VARIABLE, &mut found);
            let named = text.lines().filter_map(|line| value(line, CONFIG));
            configs.extend(named.filter_map(plain_path));
        }
    }
    for file in configs {
        if let Some(text) = text(root, &file) {
            in_file(&file, &text, KEY, &mut found);
        }
    }
    if let Some(value) = &own.endpoint {
        push(
            "the agent's own environment".into(),
            None,
            value,
            &mut found,
        );
    }
    let (unread, unlisted) = match (running(root, &mut found), root.is_live()) {
        (Ok(unread), _) => (unread, None),
        (Err(error), true) => (0, Some(error.to_string())),
        // A tree has no processes.
        (Err(_), false) => (0, None),
    };
    Overrides {
        found,
        unread,
        unlisted,
    }
}

/// A path of the tree, where it is one that needs nobody's home.
fn plain_path(path: &str) -> Option<String> {
    let path = path.strip_prefix('/')?;
    (!path.contains('$')).then(|| path.to_owned())
}

/// What systemd puts into the environment of services, and the AWS configurations that it names there.
fn of_units(context: &Context<'_>, found: &mut Vec<Override>, configs: &mut BTreeSet<String>) {
    let root = context.root;
    let mut units: BTreeSet<String> = systemd::of_kind(root, ".service").into_iter().collect();
    // Instances of templates have but a drop-in of their own.
    let drop_ins = systemd::of_kind(root, ".service.d").into_iter();
    units.extend(drop_ins.filter_map(|name| name.strip_suffix(".d").map(str::to_owned)));
    units.extend(
        context
            .units()
            .started(root, ".service")
            .into_iter()
            .map(str::to_owned),
    );
    let mut places = BTreeSet::new();
    let mut add = |setting: &systemd::Setting, found: &mut Vec<Override>| {
        let words = systemd::words(&setting.value, Escapes::C).into_iter();
        for word in words {
            let value = word.strip_prefix(VARIABLE);
            let Some(value) = value.and_then(|rest| rest.strip_prefix('=')) else {
                continue;
            };
            // What a template says, its instances say as well.
            if !value.is_empty() && places.insert(setting.location.clone()) {
                let place = setting.location.rsplit_once(':');
                let place = place.map_or("", |(file, _)| file).to_owned();
                push(place, Some(setting.location.clone()), value, found);
            }
        }
    };
    for setting in systemd::config(root, "system.conf", "Manager", "DefaultEnvironment") {
        add(&setting, found);
    }
    let mut files = BTreeSet::new();
    for unit in &units {
        for setting in context.units().values(root, unit, "Service", "Environment") {
            add(&setting, found);
        }
        let named = context
            .units()
            .values(root, unit, "Service", "EnvironmentFile");
        files.extend(named.into_iter().filter_map(|setting| {
            let path = setting.value.trim_start_matches('-').to_owned();
            plain_path(&path).filter(|path| !path.contains(['%', '*', '?', '[']))
        }));
    }
    for file in files {
        if let Some(text) = text(root, &file) {
            in_file(&file, &text, VARIABLE, found);
        }
    }
    // What patterns and specifiers name, and the kernel's command line, has no line here.
    for (unit, variable, value) in sshd::in_environments(context, &units, &[VARIABLE, CONFIG]) {
        if variable == CONFIG {
            configs.extend(plain_path(&value));
            continue;
        }
        let named = context
            .units()
            .values(root, &unit, "Service", "EnvironmentFile");
        let mut named = named.into_iter();
        let by = named.find(|setting| setting.value.contains(['%', '*', '?', '[']));
        let by = by.map(|setting| setting.location);
        let mut other = Vec::new();
        push(format!("the environment of {unit}"), by, &value, &mut other);
        other.retain(|new| !found.iter().any(|known| known.host == new.host));
        found.append(&mut other);
    }
}

/// Paths in `directory` whose names end so.
fn below(root: &Root, directory: &str, end: &str) -> Vec<String> {
    let names = root.list(directory.as_bytes()).ok().flatten();
    let names = names.iter().flat_map(|names| names.iter());
    names
        .filter_map(|(name, _)| std::str::from_utf8(name).ok())
        .filter(|name| name.ends_with(end))
        .map(|name| format!("{directory}/{name}"))
        .collect()
}

fn text(root: &Root, path: &str) -> Option<String> {
    let bytes = root
        .read(path.as_bytes(), bounds::ENVIRONMENT_FILE)
        .ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Homes of the users that passwd names, without their leading slash.
fn homes(root: &Root) -> BTreeSet<String> {
    let passwd = text(root, "etc/passwd").unwrap_or_default();
    let homes = passwd.lines().filter_map(|row| row.split(':').nth(5));
    homes
        .map(|home| home.trim_matches('/').to_owned())
        .filter(|home| !home.is_empty())
        .collect()
}

/// Every line that sets `name` and is no comment.
fn in_file(path: &str, text: &str, name: &str, found: &mut Vec<Override>) {
    for (number, line) in (1_usize..).zip(text.lines()) {
        if let Some(value) = value(line, name) {
            let location = format!("/{path}:{number}");
            push(format!("/{path}"), Some(location), value, found);
        }
    }
}

/// What the line sets `name` to: up to a space or a quote.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let line = line.trim_start();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (before, after) = line.split_once(name)?;
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let after = after.trim_start_matches(['"', '\'']);
    let end = after
        .find(|c: char| c.is_whitespace() || c == '"' || c == '\'')
        .unwrap_or(after.len());
    Some(&after[..end]).filter(|value| !value.is_empty())
}

fn push(place: String, location: Option<String>, value: &str, found: &mut Vec<Override>) {
    if is_awss(value) {
        return;
    }
    let host = Url::parse(value).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        })
    });
    found.push(Override {
        place,
        location,
        host: host.unwrap_or_else(|| "something that is no URL".into()),
    });
}

/// Environments of services that run: what a unit was started with may stand in no file any more. Returns how many
/// could not be read.
fn running(root: &Root, found: &mut Vec<Override>) -> io::Result<usize> {
    let mut services = BTreeSet::new();
    let mut unread = BTreeSet::new();
    for pid in procfs::processes(root)? {
        let process = format!("proc/{pid}");
        let cgroup = text(root, &format!("{process}/cgroup")).unwrap_or_default();
        let Some(service) = service(&cgroup) else {
            continue;
        };
        let handle = root.resolve(process.as_bytes(), false);
        let read = match handle.map(|process| process.handle) {
            Ok(Some(process)) => others::read(&process, b"environ", bounds::ENVIRONMENT_FILE),
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        let environment = match read {
            Ok(bytes) => bytes,
            // Gone meanwhile (ESRCH), or not to be looked into.
            Err(error) => {
                if error.kind() == std::io::ErrorKind::PermissionDenied {
                    unread.insert(service.to_owned());
                }
                continue;
            }
        };
        let environment = String::from_utf8_lossy(&environment);
        let values = environment
            .split('\0')
            .filter_map(|entry| entry.strip_prefix(VARIABLE)?.strip_prefix('='));
        services.extend(values.map(|value| (service.to_owned(), value.to_owned())));
    }
    for (service, value) in services {
        push(format!("the environment of {service}"), None, &value, found);
    }
    Ok(unread.len())
}

/// The system service that a process belongs to, by its cgroup (cgroups(7)).
fn service(cgroup: &str) -> Option<&str> {
    let path = cgroup
        .lines()
        .find(|line| line.contains("/system.slice/"))?;
    path.split('/').find(|part| part.ends_with(".service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_set_the_endpoint() {
        for (line, expected) in [
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://a",
                Some("http://a"),
            ),
            (
                "export AWS_EC2_METADATA_SERVICE_ENDPOINT=\"http://a\"",
                Some("http://a"),
            ),
            (
                "Environment=A=1 \"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://a\" B=2",
                Some("http://a"),
            ),
            (
                "Environment='AWS_EC2_METADATA_SERVICE_ENDPOINT=http://a'",
                Some("http://a"),
            ),
            ("# AWS_EC2_METADATA_SERVICE_ENDPOINT=http://a", None),
            ("; AWS_EC2_METADATA_SERVICE_ENDPOINT=http://a", None),
            ("NOT_AWS_EC2_METADATA_SERVICE_ENDPOINT=http://a", None),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6", None),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT=", None),
        ] {
            assert_eq!(value(line, VARIABLE), expected, "{line}");
        }
        assert_eq!(
            value("ec2_metadata_service_endpoint = http://a", KEY),
            Some("http://a")
        );
        assert_eq!(
            value("ec2_metadata_service_endpoint_mode = IPv6", KEY),
            None
        );
    }

    #[test]
    fn services_by_their_cgroup() {
        for (cgroup, expected) in [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            (
                "0::/system.slice/system-getty.slice/getty@tty1.service",
                Some("getty@tty1.service"),
            ),
            (
                "12:pids:/system.slice/a.service\n1:name=systemd:/x",
                Some("a.service"),
            ),
            ("0::/user.slice/user-0.slice/session-1.scope", None),
            ("0::/", None),
        ] {
            assert_eq!(service(cgroup), expected, "{cgroup}");
        }
    }
}
