//! A unit's own view of the files: what it puts over those that its sshd reads (systemd.exec(5), "Sandboxing" and "Paths").

use super::called::name;
use super::config::Config;
use crate::settings::boot;
use crate::settings::context::Context;
use crate::settings::systemd::UNTOLD;
use std::path::Path;

/// Settings that give the unit another root, or files over /usr, /opt and /etc.
const ROOTS: [&str; 5] = [
    "RootDirectory",
    "RootImage",
    "ExtensionImages",
    "ExtensionDirectories",
    "RootMStack",
];
/// Settings that put something over a path, and whether the path is the second of two.
const COVERS: [(&str, bool); 5] = [
    ("TemporaryFileSystem", false),
    ("InaccessiblePaths", false),
    ("BindPaths", true),
    ("BindReadOnlyPaths", true),
    ("MountImages", true),
];
/// What every sshd reads beside its configuration: itself, accounts, PAM.
const READ: [&str; 11] = [
    "/etc/ssh",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/pam.d",
    "/etc/pam.conf",
    "/etc/security",
    "/usr/etc/ssh",
    "/usr/sbin/sshd",
    "/root",
];
/// Settings that hide what a stock unit does not read, and what they hide.
const HIDES: [(&str, &[&str]); 2] = [
    ("ProtectHome", &["/home", "/root", "/run/user"]),
    ("PrivateTmp", &["/tmp", "/var/tmp"]),
];

/// Whether the unit puts anything over files, whatever it is.
pub(super) fn has_own(context: &Context<'_>, unit: &str) -> bool {
    let keys = COVERS.iter().map(|(key, _)| *key).chain(ROOTS);
    let mut keys = keys.chain(HIDES.iter().map(|(key, _)| *key));
    keys.any(|key| {
        let settings = context.units().values(context.root, unit, "Service", key);
        !settings.is_empty()
    })
}

/// Why the sshd of the unit reads other files than those that are judged, and the line that makes it so.
pub(super) fn veil(context: &Context<'_>, unit: &str, config: &Config) -> Option<(String, String)> {
    let values = |key: &str| context.units().values(context.root, unit, "Service", key);
    let said = |key: &str| format!("{unit} has {key}=, under which its sshd reads other files");
    for key in ROOTS {
        // Of a single value the last counts; `/` is the host's own root.
        let last = values(key).pop().filter(|setting| setting.value != "/");
        if let Some(setting) = last {
            return Some((said(key), setting.location));
        }
    }
    let own = config.files.iter().chain(&config.directories);
    let own: Vec<&str> = own.map(String::as_str).collect();
    for (key, hidden) in HIDES {
        let last = values(key).pop();
        let last = last.filter(|setting| !boot::is_false(&setting.value));
        let is_hidden = || {
            hidden
                .iter()
                .any(|path| own.iter().any(|own| meet(path, own)))
        };
        if let Some(setting) = last.filter(|_| is_hidden()) {
            return Some((said(key), setting.location));
        }
    }
    let covers: Vec<(&str, bool, _)> = COVERS
        .into_iter()
        .flat_map(|(key, second)| values(key).into_iter().map(move |one| (key, second, one)))
        .collect();
    if covers.is_empty() {
        return None;
    }
    let read = READ.iter().map(|path| (*path).to_owned());
    let own = own.iter().map(|path| (*path).to_owned());
    let read = read.chain(own).chain(homes(context)).chain(named(config));
    let read: Vec<String> = read.flat_map(|path| spellings(context, path)).collect();
    covers.into_iter().find_map(|(key, second, setting)| {
        let value = context
            .units()
            .specified(context.root, unit, &setting.value);
        let covered = targets(&value, second).into_iter();
        let mut covered = covered.flat_map(|path| spellings(context, path));
        let is_read =
            |path: &String| path.contains(UNTOLD) || read.iter().any(|read| meet(path, read));
        let first = covered.find(is_read)?;
        let first = first.replace(UNTOLD, "?");
        let why =
            format!("{unit} has {key}= over {first}: its sshd reads other files than the host");
        Some((why, setting.location))
    })
}

/// The path, and the one that links on it lead to.
fn spellings(context: &Context<'_>, path: String) -> Vec<String> {
    let found = context.root.resolve(path.as_bytes(), true).ok();
    let found = found.map(|found| format!("/{}", String::from_utf8_lossy(&found.path)));
    let found = found.filter(|found| *found != path);
    std::iter::once(path).chain(found).collect()
}

/// Files that the configuration names, as far as it spells them out.
fn named(config: &Config) -> impl Iterator<Item = String> {
    let keywords = [
        "authorizedkeysfile",
        "trustedusercakeys",
        "authorizedprincipalsfile",
        "authorizedkeyscommand",
    ];
    let lines = keywords.into_iter().flat_map(|name| config.lines_of(name));
    let values = lines.flat_map(|line| &line.values);
    let absolute = values.filter(|value| value.starts_with('/'));
    absolute.map(|value| {
        let end = value.find(['%', ' ']).unwrap_or(value.len());
        super::include::directory(value.get(..end).unwrap_or(value))
    })
}

/// Where system accounts have homes in which no sshd looks for keys: file systems of the kernel, and what is gone at boot.
const STATELESS: [&str; 5] = ["/dev", "/proc", "/sys", "/run", "/var/run"];

/// Homes of accounts that may log in, but those that stand for none.
fn homes(context: &Context<'_>) -> Vec<String> {
    let users = context.users().ok();
    let rows = users
        .into_iter()
        .flat_map(|users| users.passwd.iter().flatten());
    let is_open = |shell: &[u8]| {
        let shell = String::from_utf8_lossy(shell);
        !matches!(name(&shell), "nologin" | "false")
    };
    let rows = rows.filter(|row| is_open(row.field(6)));
    let homes = rows.map(|row| String::from_utf8_lossy(row.field(5)).into_owned());
    let is_kept = |home: &String| {
        let below = |top: &&str| Path::new(home).starts_with(top);
        home.starts_with('/') && !home.trim_matches('/').is_empty() && !STATELESS.iter().any(below)
    };
    homes.filter(is_kept).collect()
}

/// The paths that a value covers: `[-+]SOURCE:TARGET:OPTIONS`, or `[-+]TARGET:OPTIONS`.
fn targets(value: &str, second: bool) -> Vec<String> {
    let words = crate::settings::systemd::words(value, crate::settings::systemd::Escapes::C);
    let target = |word: String| {
        let bare = word.trim_start_matches(['-', '+']);
        let mut parts = bare.split(':');
        let first = parts.next().unwrap_or_default();
        let path = match second {
            true => parts
                .next()
                .filter(|path| !path.is_empty())
                .unwrap_or(first),
            false => first,
        };
        path.to_owned()
    };
    words.into_iter().map(target).collect()
}

/// Whether one path lies below the other, or is it.
fn meet(one: &str, other: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
        names.map(str::to_owned).collect()
    };
    parts(one)
        .iter()
        .zip(&parts(other))
        .all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::sshd::build::Build;
    use crate::settings::testing::within;
    use std::fs;

    /// Accounts of people, and of the system as Debian has them.
    const PASSWD: &str = "ann:x:7:7::/srv/ann:/bin/sh\nx:x:8:8::/:/bin/sh\neve:x:9:9::/srv/eve:\n\
        bin:x:2:2:bin:/bin:/usr/sbin/nologin\nsys:x:3:3:sys:/dev:/usr/sbin/nologin\n\
        news:x:9:9:news:/var/spool/news:/bin/false\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
        uuidd:x:101:102::/run/uuidd:/usr/sbin/nologin\n\
        dev:x:102:103::/dev/:/bin/sh\nmet:x:103:104::/run/met:/bin/sh\n";

    #[test]
    fn what_a_unit_puts_over_files_of_sshd() {
        for (setting, veiled) in [
            ("TemporaryFileSystem=/etc/ssh/sshd_config.d", true),
            ("TemporaryFileSystem=/var/lib/x /etc:ro", true),
            ("TemporaryFileSystem=/etc/ssh\nTemporaryFileSystem=", false),
            ("BindPaths=/x:/etc/ssh/sshd_config", true),
            ("BindPaths=/etc/ssh:/x", false),
            ("BindReadOnlyPaths=-/root", true),
            ("BindReadOnlyPaths=/x:/srv/ann/.ssh", true),
            ("BindPaths=/run/sshd", false),
            ("BindReadOnlyPaths=/dev/log", false),
            ("InaccessiblePaths=-/dev/shm", false),
            ("InaccessiblePaths=/dev/sda", false),
            ("BindPaths=/run/uuidd", false),
            ("BindPaths=/run/met", false),
            ("InaccessiblePaths=/bin/x /var/spool/news", false),
            ("InaccessiblePaths=/srv", true),
            ("InaccessiblePaths=/srv/eve/.ssh", true),
            ("BindPaths=/x:/etc/link", true),
            ("BindPaths=/x:/opt/keys", true),
            ("BindPaths=/x:/etc/%p", true),
            ("InaccessiblePaths=/etc/ssh/sshd_config.d", true),
            ("InaccessiblePaths=/boot", false),
            ("MountImages=/a.raw:/etc/pam.d", true),
            ("RootDirectory=/srv", true),
            ("RootDirectory=/", false),
            ("RootImage=/a.raw", true),
            ("ExtensionImages=/a.raw", true),
            ("ExtensionDirectories=/a", true),
            (
                "ProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nReadOnlyPaths=/etc",
                false,
            ),
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            let put = |path: &str, text: &str| {
                let path = directory.path().join(path);
                fs::create_dir_all(path.parent().expect("a parent")).expect("made");
                fs::write(path, text).expect("written");
            };
            put("etc/passwd", PASSWD);
            put(
                "etc/ssh/sshd_config",
                "Include /etc/ssh/sshd_config.d/*.conf\nAuthorizedKeysFile /opt/keys/%u\n",
            );
            put(
                "etc/systemd/system/ssh.service",
                &format!("[Service]\n{setting}\n"),
            );
            std::os::unix::fs::symlink("ssh", directory.path().join("etc/link")).expect("linked");
            let found = within(directory.path(), |context| {
                let build = Build::of((9, 2), true, None);
                let config = Config::read(context.root, "/etc/ssh/sshd_config", &[], build);
                veil(context, "ssh.service", &config.expect("a configuration"))
            });
            assert_eq!(found.is_some(), veiled, "{setting}");
        }
    }

    #[test]
    fn what_hides_a_file_that_is_included() {
        assert!(meet("/tmp", "/tmp/x") && meet("/etc/ssh/", "/etc") && meet("/", "/a"));
        assert!(!meet("/etc/ssh", "/etc/sshd") && !meet("/home", "/root"));
    }
}
