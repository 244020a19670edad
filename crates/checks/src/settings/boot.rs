//! What the kernel is booted with: its command line.

use super::context::Context;

/// The command line of the running kernel; of a tree every one that it may be booted with. Each with its place.
pub fn command_lines(context: &Context<'_>) -> Vec<(String, String)> {
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

/// The parameters of a command line.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']))
}

/// Whether systemd takes the value for no (`parse_boolean`).
pub fn is_false(value: &str) -> bool {
    ["0", "no", "n", "false", "f", "off"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether systemd takes the value for yes.
pub fn is_true(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"]
        .iter()
        .any(|word| value.trim().eq_ignore_ascii_case(word))
}
