//! What the kernels of the tree were built with: the configuration that a kernel's package leaves beside it.

use super::sysctl::Value;
use crate::settings::context::Context;

/// 1 where the option is built in, 0 where it is not. Of several kernels, of which the machine may be booted with any,
/// the first whose value does not hold; of a running one its own.
pub(super) fn value(
    context: &Context<'_>,
    option: &str,
    holds: &dyn Fn(&str) -> bool,
) -> Option<Value> {
    let mut first = None;
    for path in configurations(context) {
        let text = context.read(&path).ok().flatten().unwrap_or_default();
        let Some((value, line)) = of_text(&String::from_utf8_lossy(&text), option) else {
            continue;
        };
        let value = Value {
            value: value.to_owned(),
            location: format!("/{path}:{line}"),
        };
        let bad = !holds(value.value.as_str());
        if bad || first.is_none() {
            first = Some(value);
        }
        if bad {
            break;
        }
    }
    first
}

/// `boot/config-RELEASE` (Debian, Ubuntu) and `lib/modules/RELEASE/config` (Red Hat).
fn configurations(context: &Context<'_>) -> Vec<String> {
    let running = rustix::system::uname().release().to_bytes().to_vec();
    let mut paths = Vec::new();
    for (directory, prefix, suffix) in [
        ("boot", "config-", ""),
        ("usr/lib/modules", "", "/config"),
        ("lib/modules", "", "/config"),
    ] {
        let names = context.root.list(directory.as_bytes()).ok().flatten();
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            let Some(release) = name.strip_prefix(prefix.as_bytes()) else {
                continue;
            };
            if !context.live() || release == running {
                let name = String::from_utf8_lossy(name);
                paths.push(format!("{directory}/{name}{suffix}"));
            }
        }
    }
    paths
}

/// The option's value and the number of its line.
fn of_text(text: &str, option: &str) -> Option<(&'static str, usize)> {
    text.lines().enumerate().find_map(|(number, line)| {
        let rest = line.strip_prefix("# ").unwrap_or(line);
        let value = match rest.strip_prefix(option)? {
            "=y" if rest == line => "1",
            " is not set" if rest != line => "0",
            _ => return None,
        };
        Some((value, number + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::of_text;

    #[test]
    fn what_a_configuration_says() {
        for (text, expected) in [
            ("CONFIG_A=m\nCONFIG_B=y\n", Some(("1", 2))),
            ("# CONFIG_B is not set", Some(("0", 1))),
            ("# CONFIG_B=y\nCONFIG_B is not set\nCONFIG_BB=y", None),
            ("CONFIG_B=\nCONFIG_B", None),
            ("CONFIG_B=y\0", None),
            ("", None),
        ] {
            assert_eq!(of_text(text, "CONFIG_B"), expected, "{text:?}");
        }
    }
}
