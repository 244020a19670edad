//! Whether SELinux is the security module that a kernel starts: of those that exclude one another the first of its list
//! (security/lsm_init.c; admin-guide/LSM).

use super::mac::Enforced;
use crate::settings::boot;
use crate::settings::context::Context;

/// Modules of which a kernel starts one (LSM_FLAG_EXCLUSIVE).
const EXCLUSIVE: [&str; 3] = ["selinux", "apparmor", "smack"];
/// Where the configurations of kernels lie: directory, and what follows the kernel's release in a name below it.
const MODULES: [&str; 2] = ["usr/lib/modules", "lib/modules"];
/// Distributions whose kernels start it by themselves.
const STARTED_BY: [&str; 4] = ["rhel", "fedora", "centos", "amzn"];

/// What keeps the next boot of a tree from starting SELinux: `None` where nothing does.
pub(super) fn selinux_not_started(context: &Context<'_>) -> Option<Enforced> {
    // What runs shows it.
    if context.live() || named_on_every_line(context) {
        return None;
    }
    let mut first = None;
    let mut any = false;
    for path in configurations(context) {
        match context.read(&path) {
            Ok(Some(text)) => {
                any = true;
                if !starts_selinux(&String::from_utf8_lossy(&text)) {
                    first.get_or_insert(path);
                }
            }
            Ok(None) => {}
            Err(error) => return Some(Enforced::Unknown(format!("/{path}: {error}"))),
        }
    }
    let unless = "lsm= or security= of the kernel's command line does not name it";
    match (first, any) {
        (Some(path), _) => Some(Enforced::No(
            format!("the kernel starts another security module, and {unless}"),
            Some(format!("/{path}")),
        )),
        (None, true) => None,
        (None, false) if is_started_by_distribution(context) => None,
        (None, false) => Some(Enforced::Unknown(format!(
            "whether the kernel starts it is not known: {unless}, and no configuration of a kernel is there"
        ))),
    }
}

/// Whether each command line chooses it; what chooses another is told before.
fn named_on_every_line(context: &Context<'_>) -> bool {
    let names = |line: &String| {
        let parameters = boot::parameters(line);
        let last = |wanted: &str| {
            let mut all = parameters.iter().rev();
            let found = all.find(|(name, value)| name == wanted && value.is_some());
            found.and_then(|(_, value)| value.as_deref())
        };
        match (last("lsm"), last("security")) {
            (Some(list), _) => is_first(list),
            (None, one) => one == Some("selinux"),
        }
    };
    let lines = boot::whole_lines(context);
    !lines.is_empty() && lines.iter().all(names)
}

/// Whether of the modules of a list that exclude one another it is the first.
pub(super) fn is_first(list: &str) -> bool {
    let mut names = list.split(',').map(str::trim);
    names.find(|name| EXCLUSIVE.contains(name)) == Some("selinux")
}

fn configurations(context: &Context<'_>) -> Vec<String> {
    let names = |directory: &str| {
        let names = context.root.list(directory.as_bytes()).ok().flatten();
        let names = names.iter().flat_map(|names| names.iter());
        let names = names.map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        names.collect::<Vec<String>>()
    };
    let boot = names("boot").into_iter();
    let mut found: Vec<String> = boot
        .filter(|name| name.starts_with("config-"))
        .map(|name| format!("boot/{name}"))
        .collect();
    for directory in MODULES {
        let releases = names(directory).into_iter();
        found.extend(releases.map(|release| format!("{directory}/{release}/config")));
    }
    found
}

/// Whether a kernel of that configuration starts it by itself. CONFIG_LSM is of 5.1, and what was before names one.
fn starts_selinux(configuration: &str) -> bool {
    let value = |name: &str| {
        let mut lines = configuration.lines();
        lines.find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix('=')?;
            Some(value.trim().trim_matches('"'))
        })
    };
    let built = value("CONFIG_SECURITY_SELINUX") == Some("y");
    let chosen = match value("CONFIG_LSM") {
        Some(list) => is_first(list),
        None => value("CONFIG_DEFAULT_SECURITY") == Some("selinux"),
    };
    built && chosen
}

fn is_started_by_distribution(context: &Context<'_>) -> bool {
    let release = context.release;
    let lineage = release.lineage();
    let is_suse = lineage
        .iter()
        .any(|id| id.starts_with("sle") || id.contains("suse"));
    let version = release.version_id.split('.').next().unwrap_or_default();
    let is_new = version.parse::<u32>().is_ok_and(|version| version >= 16);
    lineage.iter().any(|id| STARTED_BY.contains(id)) || (is_suse && is_new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_of_kernels() {
        let selinux = "CONFIG_SECURITY_SELINUX=y\n";
        for (text, starts) in [
            (
                "CONFIG_LSM=\"lockdown,yama,integrity,selinux,bpf,landlock\"\n",
                true,
            ),
            // Debian 12.
            (
                "CONFIG_LSM=\"landlock,lockdown,yama,loadpin,safesetid,integrity,apparmor,selinux,smack,tomoyo,bpf\"\n",
                false,
            ),
            ("CONFIG_LSM=\"landlock\"\n", false),
            ("CONFIG_DEFAULT_SECURITY=\"selinux\"\n", true),
            ("CONFIG_DEFAULT_SECURITY=\"apparmor\"\n", false),
            ("", false),
        ] {
            assert_eq!(
                starts_selinux(&format!("{selinux}{text}")),
                starts,
                "{text}"
            );
            assert!(!starts_selinux(text));
        }
    }
}
