//! What the kernel's command line sets before the first program starts (admin-guide/kernel-parameters).

use super::security_modules;
use super::sysctl::Value;
use crate::settings::boot;
use crate::settings::context::Context;

/// The value of a parameter as `kernel.sysrq`, where a command line sets it. Of several lines, of which the machine may be
/// booted with any, the first whose value does not hold.
pub(super) fn value(
    context: &Context<'_>,
    key: &str,
    holds: &dyn Fn(&str) -> bool,
) -> Option<Value> {
    let mut first = None;
    for (location, line) in boot::command_lines(context) {
        let Some(value) = of_line(&line, key) else {
            continue;
        };
        let bad = !holds(&value);
        if bad || first.is_none() {
            first = Some(Value { value, location });
        }
        if bad {
            break;
        }
    }
    first
}

fn of_line(line: &str, key: &str) -> Option<String> {
    let path = key.replace('.', "/");
    let parameters = boot::parameters(line);
    // `sysctl.` words come last of all, in their order (do_sysctl_args); each dot in them is a slash.
    let set = parameters.iter().rev().find_map(|(name, value)| {
        let name = name.strip_prefix("sysctl")?.strip_prefix(['.', '/'])?;
        let value = value
            .as_ref()
            .filter(|value| boot::number(value).is_some())?;
        (name.replace('.', "/") == path).then(|| value.clone())
    });
    let is_aslr = key == "kernel.randomize_va_space";
    set.or_else(|| (is_aslr && has_flag(&parameters, "norandmaps")).then(|| "0".to_owned()))
}

/// Where a command line has a word that switches something on by being there.
pub(super) fn flag(context: &Context<'_>, flag: &str) -> Option<String> {
    let mut lines = boot::command_lines(context).into_iter();
    lines
        .find(|(_, line)| has_flag(&boot::parameters(line), flag))
        .map(|(place, _)| place)
}

/// Words of `__setup` are compared as far as they go, `-` and `_` being one (parameqn).
fn has_flag(parameters: &[(String, Option<String>)], flag: &str) -> bool {
    let plain = |name: &String| name.replace('-', "_").starts_with(flag);
    parameters.iter().any(|(name, _)| plain(name))
}

/// The words that switch a security module off, as `selinux=0`, and where.
pub(super) fn switched_off(context: &Context<'_>, module: &str) -> Option<(String, String)> {
    boot::command_lines(context)
        .into_iter()
        .find_map(|(place, line)| {
            let parameters = boot::parameters(&line);
            // Of words of one name the last counts.
            let last = |wanted: &str| {
                let mut all = parameters.iter().rev();
                let found = all.find(|(name, value)| name == wanted && value.is_some());
                found.and_then(|(_, value)| value.clone())
            };
            let zero = |name: &str| {
                let value = last(name)?;
                (boot::number(&value) == Some(0)).then(|| format!("{name}={value}"))
            };
            let list = || match (last("lsm"), last("security")) {
                (Some(list), _) => {
                    let named = match module {
                        "selinux" => security_modules::is_first(&list),
                        module => list.split(',').any(|name| name == module),
                    };
                    (!named).then(|| format!("lsm={list}"))
                }
                (None, Some(one)) => (one != module).then(|| format!("security={one}")),
                (None, None) => None,
            };
            let permissive = || (module == "selinux").then(|| zero("enforcing")).flatten();
            let word = zero(module).or_else(permissive).or_else(list)?;
            let word = agent_core::escape::terminal_text(&word).into_owned();
            Some((word, place))
        })
}

/// Modules that the kernel itself refuses, on every line: `module_blacklist=`, of which the last counts, each name
/// as the module bears it.
pub(super) fn refused(context: &Context<'_>, module: &str) -> bool {
    let lines = boot::whole_lines(context);
    let refuses = |line: &String| {
        let parameters = boot::parameters(line);
        let mut all = parameters.iter().rev();
        let list = all.find(|(name, _)| name.replace('-', "_") == "module_blacklist");
        let list = list.and_then(|(_, list)| list.as_ref());
        list.is_some_and(|list| list.split(',').any(|name| name == module))
    };
    !lines.is_empty() && lines.iter().all(refuses)
}

#[cfg(test)]
mod tests {
    use super::of_line;

    #[test]
    fn what_a_line_sets() {
        for (line, expected) in [
            ("ro sysctl.kernel.randomize_va_space=0", Some("0")),
            ("sysctl/kernel/randomize_va_space=0", Some("0")),
            ("sysctl.kernel/randomize_va_space=\"0\"", Some("0")),
            (
                "sysctl.kernel.randomize_va_space=0 sysctl.kernel.randomize_va_space=2",
                Some("2"),
            ),
            (
                "sysctl.kernel.randomize_va_space=0 sysctl.kernel.randomize_va_space=no",
                Some("0"),
            ),
            ("sysctl.kernel.randomize-va-space=0", None),
            ("sysctl.kernel.randomize_va_space", None),
            ("sysctlkernel.randomize_va_space=0", None),
            ("-- sysctl.kernel.randomize_va_space=0", None),
            ("\"x sysctl.kernel.randomize_va_space=0\"", None),
            ("norandmaps", Some("0")),
            ("norandmaps=1", Some("0")),
            ("sysctl.kernel.randomize_va_space=2 norandmaps", Some("2")),
        ] {
            let value = of_line(line, "kernel.randomize_va_space");
            assert_eq!(value.as_deref(), expected, "{line}");
        }
    }
}
