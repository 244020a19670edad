//! Environments of services: what units say, the files that they name, and what runs.

use super::access_keys::scan;
use super::places::KeySearch;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::os::root::Root;
use agent_core::os::{others, procfs};

/// Where units lie, with their drop-ins one level deeper (systemd.unit(5), "Unit File Load Path").
const UNITS: [&str; 20] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
    // Of users' own managers.
    "/etc/xdg/systemd/user",
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/share/systemd/user",
    "/usr/share/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
];

/// Reads every unit and drop-in.
pub(super) fn units(search: &mut KeySearch<'_, '_>) {
    for directory in UNITS {
        let mut drop_ins = Vec::new();
        let unit = |name: &[u8]| name.ends_with(b".service");
        search.directory(directory, &unit, &mut |path| {
            if path.ends_with(".d") {
                drop_ins.push(path);
            }
        });
        for directory in drop_ins {
            search.directory(&directory, &|name| name.ends_with(b".conf"), &mut |_| {});
        }
    }
    let most = bounds::ENVIRONMENT_FILES;
    if search.named() >= most {
        let why =
            format!("units name {most} files of environments, and further ones are not looked at");
        search.gap("/etc/systemd/system", why);
    }
}

/// Whether the file is a unit or a drop-in of one.
pub(super) fn is_unit(path: &str) -> bool {
    (path.ends_with(".service") || path.ends_with(".conf")) && path.contains("/systemd/")
}

/// Adds the files that `EnvironmentFile=` lines name (systemd.exec(5)).
pub(super) fn named(unit: &[u8], named: &mut Vec<String>) {
    for at in memchr::memmem::find_iter(unit, b"EnvironmentFile") {
        let line = bytes::until(bytes::behind(unit, at), b'\n');
        let line = String::from_utf8_lossy(line);
        if let Some((_, value)) = line.split_once('=') {
            let value = value.trim().trim_start_matches('-');
            // Names with specifiers differ by instance; those in /etc/default are read anyway.
            let plain = value.starts_with('/') && !value.contains('%');
            if plain && named.len() < bounds::ENVIRONMENT_FILES {
                named.push(value.to_owned());
            }
        }
    }
}

/// Reads the environment that each process was started with (proc_pid_environ(5)).
pub(super) fn processes(search: &mut KeySearch<'_, '_>) {
    let root = search.root();
    let processes = match procfs::processes(root) {
        Ok(processes) => processes,
        Err(error) => return search.gap("environments of processes", error),
    };
    let mut told: Vec<String> = Vec::new();
    let (mut seen, mut hidden, mut cut) = (0usize, 0usize, 0usize);
    for pid in processes {
        let directory = format!("proc/{pid}");
        let process = root.resolve(directory.as_bytes(), false);
        let keys = match process.map(|process| process.handle) {
            Ok(Some(process)) => {
                others::open(&process, b"environ").and_then(|file| scan(file, bounds::ENVIRONMENT))
            }
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        if keys.is_ok() {
            seen = seen.saturating_add(1);
        }
        if matches!(keys, Ok((_, false))) {
            cut = cut.saturating_add(1);
        }
        match keys {
            Ok((keys, _)) if keys.is_empty() => {}
            Ok((keys, _)) => {
                let subject = whose(root, &directory);
                // Of a service's many processes one is enough.
                if !told.contains(&subject) {
                    search.tell(&subject, None, &keys);
                    told.push(subject);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                hidden = hidden.saturating_add(1);
            }
            // It ended meanwhile.
            Err(_) => {}
        }
    }
    // This one at least is a process.
    if seen == 0 && hidden == 0 {
        let why = "/proc shows the environment of no process";
        search.gap("environments of processes", why);
    }
    if cut > 0 {
        let why = format!("longer than is looked at for {cut}");
        search.gap("environments of processes", why);
    }
    if hidden > 0 {
        let why = format!("permission denied for {hidden}");
        search.gap("environments of processes", why);
    }
}

/// `environment of NAME.service`, else of the program: what stays the same when the process is started again.
fn whose(root: &Root, directory: &str) -> String {
    let text = |name: &str| {
        let bytes = root.read(format!("{directory}/{name}").as_bytes(), bounds::SHORT_FILE);
        let bytes = bytes.ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let groups = text("cgroup");
    let unit = groups
        .lines()
        .flat_map(|line| line.rsplit('/'))
        .find(|part| part.ends_with(".service"));
    match unit {
        Some(unit) => format!("environment of {unit}"),
        None => format!("environment of {}", text("comm").trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::within;
    use std::fs::{self, File};

    /// What is said of a tree by a look at the environments of services, or of processes.
    fn gaps(make: impl FnOnce(&std::path::Path), look: fn(&mut KeySearch<'_, '_>)) -> Vec<String> {
        let directory = tempfile::tempdir().expect("a directory");
        make(directory.path());
        within(directory.path(), |context| {
            let mut emit = |_| {};
            let mut search = KeySearch::new(context, &mut emit, Vec::new());
            look(&mut search);
            search.into_gaps().into_iter().map(|gap| gap.why).collect()
        })
    }

    #[test]
    fn files_beyond_the_bound_that_units_name_are_told() {
        let most = bounds::ENVIRONMENT_FILES;
        for (files, told) in [(most - 1, 0), (most, 1)] {
            let unit = |tree: &std::path::Path| {
                let units = tree.join("etc/systemd/system");
                fs::create_dir_all(&units).expect("made");
                let lines: String = (0..files)
                    .map(|n| format!("EnvironmentFile=/e{n}\n"))
                    .collect();
                fs::write(units.join("a.service"), lines).expect("written");
            };
            let gaps = gaps(unit, units);
            assert_eq!(gaps.len(), told, "{gaps:?}");
        }
    }

    #[test]
    fn units_of_portable_services_are_read() {
        let unit = |tree: &std::path::Path| {
            let units = tree.join("etc/systemd/system.attached/a.service.d");
            fs::create_dir_all(&units).expect("made");
            let most = bounds::ENVIRONMENT_FILES;
            let lines: String = (0..most)
                .map(|n| format!("EnvironmentFile=/e{n}\n"))
                .collect();
            fs::write(units.join("a.conf"), lines).expect("written");
        };
        assert_eq!(gaps(unit, units).len(), 1);
    }

    #[test]
    fn an_environment_longer_than_any_is_told() {
        for (more, told) in [(0, 0), (1, 1)] {
            let process = |tree: &std::path::Path| {
                fs::create_dir_all(tree.join("proc/7")).expect("made");
                let environment = File::create(tree.join("proc/7/environ")).expect("made");
                environment
                    .set_len(bounds::ENVIRONMENT + more)
                    .expect("a hole");
            };
            let gaps = gaps(process, processes);
            assert_eq!(gaps.len(), told, "{gaps:?}");
            assert!(gaps.iter().all(|gap| gap.contains("longer than")));
        }
    }
}
