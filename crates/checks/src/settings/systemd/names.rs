//! The names under which a unit is known, and the directories of drop-ins that go with them (systemd.unit(5)).

use super::{Listing, template};
use agent_core::os::node::{self, Hint};
use agent_core::os::root::Root;
use std::os::fd::AsFd;

/// Where enabling a unit puts its aliases, and where those are that come with systemd.
const ALIASES: [&str; 2] = ["etc/systemd/system", "run/systemd/system"];
/// Links from one name to another.
// Own bound: of links, as the kernel has one.
const MAX_LINKS: usize = 8;

/// The unit's own name, the one that a link of its name leads to, and aliases that an administrator made of that. The
/// drop-ins of all of them count.
pub(super) fn aliases(root: &Root, listing: &Listing, unit: &str) -> Vec<String> {
    let mut found = vec![unit.to_owned()];
    let mut real = unit.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(target) = target(root, listing, &real).filter(|target| !found.contains(target))
        else {
            break;
        };
        found.push(target.clone());
        real = target;
    }
    let links = listing
        .0
        .iter()
        .filter(|(directory, _)| ALIASES.contains(directory));
    for (directory, names) in links {
        for (name, hint) in names {
            if !matches!(hint, Hint::Other | Hint::Unknown) {
                continue;
            }
            let Some(target) = base(root, &format!("{directory}/{name}")) else {
                continue;
            };
            let alias = match target == real {
                true => Some(name.clone()),
                false if template(&real).is_some_and(|template| template == target) => {
                    instance(name, &real)
                }
                false => None,
            };
            if let Some(alias) =
                alias.filter(|alias| !found.contains(alias) && same_kind(alias, unit))
            {
                found.push(alias);
            }
        }
    }
    found
}

/// The name that the unit's file, or its template's, is a link to, where that is another one of its kind.
fn target(root: &Root, listing: &Listing, unit: &str) -> Option<String> {
    let own = std::iter::once(unit.to_owned()).chain(template(unit));
    let path = own.filter_map(|name| listing.paths(&name).next()).next()?;
    let target = base(root, &path)?;
    let target = match target.contains("@.") {
        true => instance(&target, unit)?,
        false => target,
    };
    (target != unit && same_kind(&target, unit)).then_some(target)
}

/// The last part of what a link leads to.
fn base(root: &Root, path: &str) -> Option<String> {
    let handle = root.resolve(path.as_bytes(), false).ok()?.handle?;
    let target = node::read_link(handle.as_fd()).ok()?;
    let target = String::from_utf8_lossy(&target).into_owned();
    Some(target.rsplit('/').next().unwrap_or_default().to_owned())
}

/// `getty@tty2.service` for the template `getty@.service` and the instance `autovt@tty2.service`.
fn instance(template: &str, of: &str) -> Option<String> {
    let (_, instance) = of.split_once('@')?;
    let (name, rest) = template.split_once('@')?;
    rest.starts_with('.').then(|| format!("{name}@{instance}"))
}

fn same_kind(one: &str, other: &str) -> bool {
    let kind = |name: &str| name.rsplit_once('.').map(|(_, kind)| kind.to_owned());
    kind(one) == kind(other)
}

/// Names whose directories `NAME.d` hold drop-ins of the unit: its own, its template's, and those cut off behind each of
/// its dashes, as `serial-.service` for `serial-getty@ttyS0.service`.
pub(super) fn holders(unit: &str) -> Vec<String> {
    let mut found = vec![unit.to_owned()];
    found.extend(template(unit));
    let Some((name, kind)) = unit.rsplit_once('.') else {
        return found;
    };
    let (mut prefix, instance) = match name.split_once('@') {
        Some((prefix, instance)) => (prefix, Some(instance)),
        None => (name, None),
    };
    while let Some(at) = prefix.trim_end_matches('-').rfind('-') {
        prefix = &prefix[..=at];
        found.push(format!("{prefix}.{kind}"));
        if let Some(instance) = instance {
            found.push(format!("{prefix}@{instance}.{kind}"));
            found.push(format!("{prefix}@.{kind}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::holders;

    #[test]
    fn names_of_drop_ins() {
        assert_eq!(
            holders("serial-getty@ttyS0.service"),
            [
                "serial-getty@ttyS0.service",
                "serial-getty@.service",
                "serial-.service",
                "serial-@ttyS0.service",
                "serial-@.service"
            ]
        );
        assert_eq!(
            holders("a-b-c.service"),
            ["a-b-c.service", "a-b-.service", "a-.service"]
        );
        assert_eq!(holders("ssh.service"), ["ssh.service"]);
    }
}
