//! Whether there is a login prompt on ttyS0, the line of the EC2 serial console.

use super::units;
use crate::settings::context::Context;

const UNIT: &str = "serial-getty@ttyS0.service";

/// What is known of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// A login prompt, and what brings it: `FILE:LINE`, or a file.
    Yes(String),
    /// None.
    No(&'static str),
    /// Nothing in the tree tells.
    Unknown,
}

/// Looks at the unit and at the kernel's command lines.
pub(super) fn prompt(context: &Context<'_>) -> Prompt {
    let root = context.root;
    if units::masked(root, UNIT) || units::masked(root, "serial-getty@.service") {
        return Prompt::No("serial-getty@ttyS0.service is masked");
    }
    if let Some(path) = units::wanted(root, UNIT) {
        return Prompt::Yes(path);
    }
    let lines = command_lines(context);
    if lines.is_empty() {
        return Prompt::Unknown;
    }
    match lines
        .iter()
        .find(|(_, line)| console(line) && getty_auto(line))
    {
        Some((place, _)) => Prompt::Yes(place.clone()),
        None => Prompt::No("the kernel has no console on ttyS0"),
    }
}

/// The kernel's command line, or on a tree all that it may be booted with, each with its place.
pub(super) fn command_lines(context: &Context<'_>) -> Vec<(String, String)> {
    match context.live() {
        true => live(context),
        false => tree(context),
    }
}

/// The command line of the running kernel.
fn live(context: &Context<'_>) -> Vec<(String, String)> {
    let read = context.root.read(b"proc/cmdline", 1 << 16).ok().flatten();
    read.map(|line| {
        (
            "/proc/cmdline".to_owned(),
            String::from_utf8_lossy(&line).into_owned(),
        )
    })
    .into_iter()
    .collect()
}

/// Every command line that the tree may be booted with, with its place.
fn tree(context: &Context<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |path: String, keep: &dyn Fn(&str) -> Option<String>| {
        let bytes = context.read(&path).ok().flatten().unwrap_or_default();
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            if let Some(kept) = keep(line.trim()) {
                found.push((format!("/{path}:{}", number + 1), kept));
            }
        }
    };
    let menu = |line: &str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        matches!(first, "linux" | "linux16" | "linuxefi").then(|| line.to_owned())
    };
    let variable = |line: &str| {
        let (key, value) = line.split_once('=')?;
        matches!(key, "GRUB_CMDLINE_LINUX" | "GRUB_CMDLINE_LINUX_DEFAULT")
            .then(|| value.trim_matches(['"', '\'']).to_owned())
    };
    let entry = |line: &str| {
        let rest = line.strip_prefix("options")?;
        rest.starts_with([' ', '\t']).then(|| rest.to_owned())
    };
    for path in ["boot/grub/grub.cfg", "boot/grub2/grub.cfg"] {
        add(path.into(), &menu);
    }
    add("etc/default/grub".into(), &variable);
    for (directory, suffix) in [
        ("etc/default/grub.d", ".cfg"),
        ("boot/loader/entries", ".conf"),
    ] {
        let names = context.root.list(directory.as_bytes()).ok().flatten();
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name);
            if name.ends_with(suffix) {
                match suffix {
                    ".cfg" => add(format!("{directory}/{name}"), &variable),
                    _ => add(format!("{directory}/{name}"), &entry),
                }
            }
        }
    }
    found
}

/// Whether the line makes ttyS0 a console of the kernel (kernel-parameters.txt).
fn console(line: &str) -> bool {
    words(line).any(|word| {
        word.strip_prefix("console=")
            .is_some_and(|value| value.split(',').next() == Some("ttyS0"))
    })
}

/// Whether systemd-getty-generator(8) is left on.
fn getty_auto(line: &str) -> bool {
    !words(line).any(|word| {
        word.strip_prefix("systemd.getty_auto=")
            .is_some_and(|value| matches!(value, "0" | "no" | "false" | "off"))
    })
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_console_of_the_kernel_counts() {
        for (line, expected) in [
            ("root=x console=ttyS0", true),
            ("console=tty0 console=ttyS0,115200n8", true),
            ("earlyprintk=ttyS0", false),
            ("console=ttyS01", false),
            ("netconsole=ttyS0", false),
            ("console=ttyS1", false),
        ] {
            assert_eq!(console(line), expected, "{line}");
        }
        assert!(!getty_auto("console=ttyS0 systemd.getty_auto=no"));
    }
}
