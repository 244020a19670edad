//! Environments of services: what units say, the files that they name, and what runs.

use super::access_keys::scan;
use super::places::Reader;
use agent_core::bounds;
use agent_core::os::root::Root;

/// Where units lie, with their drop-ins one level deeper.
const UNITS: [&str; 8] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/etc/systemd/user",
    "/usr/lib/systemd/user",
    "/etc/systemd/system.control",
];
const MAX_NAMED: usize = 10_000;

/// Reads every unit and drop-in.
pub(super) fn units(reader: &mut Reader<'_, '_>) {
    for directory in UNITS {
        let mut drop_ins = Vec::new();
        let unit = |name: &[u8]| name.ends_with(b".service");
        reader.directory(directory, &unit, &mut |path| {
            if path.ends_with(".d") {
                drop_ins.push(path);
            }
        });
        for directory in drop_ins {
            reader.directory(&directory, &|name| name.ends_with(b".conf"), &mut |_| {});
        }
    }
    if reader.named() >= MAX_NAMED {
        let why = format!(
            "units name {MAX_NAMED} files of environments, and further ones are not looked at"
        );
        reader.gap("/etc/systemd/system", why);
    }
}

/// Whether the file is a unit or a drop-in of one.
pub(super) fn is_unit(path: &str) -> bool {
    (path.ends_with(".service") || path.ends_with(".conf")) && path.contains("/systemd/")
}

/// Adds the files that `EnvironmentFile=` lines name (systemd.exec(5)).
pub(super) fn named(unit: &[u8], named: &mut Vec<String>) {
    for at in memchr::memmem::find_iter(unit, b"EnvironmentFile") {
        let line = unit[at..].split(|byte| *byte == b'\n').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        if let Some((_, value)) = line.split_once('=') {
            let value = value.trim().trim_start_matches('-');
            // Names with specifiers differ by instance; those in /etc/default are read anyway.
            let plain = value.starts_with('/') && !value.contains('%');
            if plain && named.len() < MAX_NAMED {
                named.push(value.to_owned());
            }
        }
    }
}

/// Reads the environment that each process was started with (proc_pid_environ(5)).
pub(super) fn processes(reader: &mut Reader<'_, '_>) {
    let root = reader.root();
    let names = match root.list(b"proc") {
        Ok(names) => names,
        Err(error) => return reader.gap("/proc", error),
    };
    let mut told: Vec<String> = Vec::new();
    let (mut seen, mut hidden, mut cut) = (0usize, 0usize, 0usize);
    for (name, _) in names.iter().flat_map(|names| names.iter()) {
        let Ok(pid) = String::from_utf8_lossy(name).parse::<u32>() else {
            continue;
        };
        seen += 1;
        let directory = format!("proc/{pid}");
        let keys = match root.open_file(format!("{directory}/environ").as_bytes()) {
            Ok(Some(file)) => scan(file, bounds::ENVIRONMENT),
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        cut += usize::from(matches!(keys, Ok((_, false))));
        match keys {
            Ok((keys, _)) if keys.is_empty() => {}
            Ok((keys, _)) => {
                let subject = whose(root, &directory);
                // Of a service's many processes one is enough.
                if !told.contains(&subject) {
                    reader.tell(&subject, None, &keys);
                    told.push(subject);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => hidden += 1,
            // It ended meanwhile.
            Err(_) => {}
        }
    }
    // This one at least is a process.
    if seen == 0 {
        let why = "/proc shows no process: is it mounted?";
        reader.gap("environments of processes", why);
    }
    if cut > 0 {
        let why = format!("longer than is looked at for {cut}");
        reader.gap("environments of processes", why);
    }
    if hidden > 0 {
        let why = format!("permission denied for {hidden}");
        reader.gap("environments of processes", why);
    }
}

/// `environment of NAME.service`, else of the program: what stays the same when the process is started again.
fn whose(root: &Root, directory: &str) -> String {
    let text = |name: &str| {
        let bytes = root.read(format!("{directory}/{name}").as_bytes(), 1 << 16);
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
