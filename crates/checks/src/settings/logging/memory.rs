//! Whether the directory of the journal is memory: by fstab(5), by units of mounts, by what is mounted on the running host,
//! and by `systemd.volatile=` (kernel-command-line(7)).

use crate::settings::boot;
use crate::settings::context::Context;
use crate::settings::systemd::UnitState;

/// What the directory lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// What outlives the next boot, as far as anything says.
    Disk,
    /// What does not, and by what that is known.
    Memory(String),
    /// Cannot be told.
    Unknown(String),
}

/// Where the journal is, and what that may lie in.
const PLACES: [&str; 3] = ["/var/log/journal", "/var/log", "/var"];
/// Units that mount there.
const UNITS: [&str; 3] = ["var-log-journal.mount", "var-log.mount", "var.mount"];

/// What /var/log/journal lies on.
pub(super) fn holds(context: &Context<'_>) -> Kept {
    if let Some(why) = volatile(context).or_else(|| elsewhere(context)) {
        return Kept::Memory(why);
    }
    let fstab = lines(context, "etc/fstab");
    for (number, line) in (1_usize..).zip(fstab.lines()) {
        if let Some((_, true)) = mount(line).filter(|(place, _)| PLACES.contains(place)) {
            return Kept::Memory(format!("/etc/fstab:{number}"));
        }
    }
    if context.live()
        && let Some(line) = over(&lines(context, "proc/self/mounts"))
    {
        return Kept::Memory(format!("{line} (/proc/self/mounts)"));
    }
    let mut doubt = None;
    for unit in UNITS {
        let last = |key: &str| {
            let mut all = context.units().values(context.root, unit, "Mount", key);
            all.pop().map(|setting| setting.value).unwrap_or_default()
        };
        if !in_memory(&last("What"), &last("Type"), &last("Options")) {
            continue;
        }
        match context.units().state(context.root, unit) {
            UnitState::Started(by) => return Kept::Memory(format!("{unit}, by {by}")),
            UnitState::Perhaps(_, why) => {
                doubt.get_or_insert(format!("{unit} mounts memory for the journal: {why}"));
            }
            _ => {}
        }
    }
    doubt.map_or(Kept::Disk, Kept::Unknown)
}

fn lines(context: &Context<'_>, path: &str) -> String {
    let text = context.read(path).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The place of a row of fstab(5) or of /proc/self/mounts, and whether memory is mounted there.
fn mount(line: &str) -> Option<(&str, bool)> {
    let mut words = line.split_ascii_whitespace();
    let source = words.next().filter(|source| !source.starts_with('#'))?;
    let (place, kind) = (words.next()?, words.next()?);
    let place = match place.trim_end_matches('/') {
        "" => "/",
        place => place,
    };
    Some((
        place,
        in_memory(source, kind, words.next().unwrap_or_default()),
    ))
}

/// Whether what is mounted is memory: itself, bound from where memory is, or with its changes there.
fn in_memory(source: &str, kind: &str, options: &str) -> bool {
    let of_memory = |path: &str| {
        ["/run", "/dev/shm"].iter().any(|memory| {
            let rest = path.strip_prefix(memory);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let mut options = options.split(',');
    matches!(kind, "tmpfs" | "ramfs")
        || of_memory(source)
        || options.any(|option| option.strip_prefix("upperdir=").is_some_and(of_memory))
}

/// The mount on which the journal's directory lies, where that is memory; the last of several at one place lies on top.
fn over(table: &str) -> Option<&str> {
    let mut found: Option<(&str, &str, bool)> = None;
    for line in table.lines() {
        let Some((place, memory)) = mount(line) else {
            continue;
        };
        let known = found.map_or(0, |(_, known, _)| known.len());
        if (place == "/" || PLACES.contains(&place)) && place.len() >= known {
            found = Some((line, place, memory));
        }
    }
    found.filter(|(.., memory)| *memory).map(|(line, ..)| line)
}

/// A link of the directory, or of one that it is in, to where memory is.
fn elsewhere(context: &Context<'_>) -> Option<String> {
    let found = context.root.resolve(b"var/log/journal", true).ok()?;
    let is_memory = found.path.starts_with(b"run/") || found.path.starts_with(b"dev/shm/");
    is_memory.then(|| {
        let path = String::from_utf8_lossy(&found.path).into_owned();
        format!("/var/log/journal leads to /{path}")
    })
}

/// Whether the machine is booted with nothing of /var kept, by any line.
fn volatile(context: &Context<'_>) -> Option<String> {
    let lines = boot::command_lines(context);
    lines.into_iter().find_map(|(place, line)| {
        let parameters = boot::parameters(&line);
        let mut words = parameters.iter().rev();
        let (name, value) = words.find(|(name, _)| name == "systemd.volatile")?;
        let is_on = match value.as_deref() {
            None | Some("state" | "overlay") => true,
            Some(value) => boot::is_true(value),
        };
        let shown = value.as_deref().unwrap_or("yes");
        is_on.then(|| format!("{name}={shown} ({place})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_memory() {
        for (line, expected) in [
            ("tmpfs /var/log tmpfs size=1g 0 0", true),
            ("none /var/ ramfs", true),
            ("/run/x /var/log/journal none bind", true),
            ("/dev/shm /var/log none bind", true),
            (
                "overlay /var overlay lowerdir=/var,upperdir=/run/u,workdir=/run/w",
                true,
            ),
            ("/dev/sda2 /var/log ext4 defaults", false),
            ("/runner /var none bind", false),
        ] {
            let found = mount(line).map(|(_, memory)| memory);
            assert_eq!(found, Some(expected), "{line}");
        }
        assert_eq!(mount("# tmpfs /var tmpfs"), None);
    }

    #[test]
    fn the_last_mount_that_holds_it_counts() {
        let disk = "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n";
        let log = "tmpfs /var/log tmpfs rw 0 0\n";
        let own = "/dev/sdb1 /var/log/journal ext4 rw 0 0\n";
        assert_eq!(over(disk), None);
        assert_eq!(over(&format!("{disk}{log}")), Some(log.trim()));
        assert_eq!(over(&format!("{disk}{log}{own}")), None);
        assert_eq!(
            over(&format!("{own}{disk}tmpfs /var/log/x tmpfs rw\n")),
            None
        );
    }
}
