//! The names under which a unit is known, and the directories of drop-ins that go with them (systemd.unit(5)).

use super::found::{self, Found};
use super::listing::Listing;
use super::{directories, template};
use agent_core::os::node::{self, Hint};
use agent_core::os::root::Root;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

/// Links from one name to another.
// Own bound: of links, as systemd has one (FOLLOW_MAX).
const MAX_LINKS: usize = 8;

/// Links of units to units, by the names.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Name to the name that it is a link to.
    to: BTreeMap<String, String>,
    /// A name at which links end, to those that lead there.
    from: BTreeMap<String, Vec<String>>,
}

impl Links {
    /// Reads those of the strongest file of each name.
    pub(super) fn read(root: &Root, listing: &Listing) -> Links {
        let mut links = Links::default();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for (directory, names) in &listing.0 {
            for (name, hint) in names {
                if name.contains('.') && seen.insert(name) && is_link(*hint) {
                    let target = target(root, directory, name);
                    links.to.extend(target.map(|target| (name.clone(), target)));
                }
            }
        }
        let ends: Vec<(String, String)> = links
            .to
            .keys()
            .map(|name| {
                (
                    links.end(name, |name| links.to.get(name).cloned()),
                    name.clone(),
                )
            })
            .collect();
        for (end, name) in ends {
            links.from.entry(end).or_default().push(name);
        }
        links
    }

    fn end(&self, name: &str, next: impl Fn(&str) -> Option<String>) -> String {
        let mut name = name.to_owned();
        for _ in 0..MAX_LINKS {
            match next(&name) {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }
}

fn is_link(hint: Hint) -> bool {
    matches!(hint, Hint::Other | Hint::Unknown)
}

/// Where links of the name lead, name by name: the unit's own is the last one.
fn chain(root: &Root, listing: &Listing, unit: &str) -> Vec<String> {
    let links = listing.links(root);
    // An instance without a file of its own goes where its template goes.
    let next = |name: &str| match listing.paths(name).next() {
        Some(_) => links.to.get(name).cloned(),
        None => instance(links.to.get(&template(name)?)?, name),
    };
    let mut found = vec![unit.to_owned()];
    for _ in 0..MAX_LINKS {
        let next = found.last().and_then(|name| next(name));
        match next.filter(|target| !found.contains(target)) {
            Some(target) => found.push(target),
            None => break,
        }
    }
    found
}

/// The name that all names of the unit lead to.
pub(super) fn real(root: &Root, listing: &Listing, unit: &str) -> String {
    let mut chain = chain(root, listing, unit);
    chain.pop().unwrap_or_else(|| unit.to_owned())
}

/// The unit's own file: that of the name that its names lead to, else of that one's template, in the strongest directory
/// that has one; and what it is. An instance is mostly a link to its template: the file is the same.
pub(super) fn fragment(root: &Root, listing: &Listing, unit: &str) -> Option<(String, Found)> {
    let mut chain = chain(root, listing, unit);
    let real = chain.pop()?;
    let template = template(&real);
    let names = [Some(real), template].into_iter().flatten();
    names
        .flat_map(|name| listing.paths(&name).collect::<Vec<_>>())
        .map(|path| {
            let found = found::found(root, &path);
            (path, found)
        })
        .find(|(_, found)| *found != Found::Nothing)
}

/// The unit's own name, the one that links of its name lead to, and all others that lead there. The drop-ins of all of them
/// count.
pub(super) fn aliases(root: &Root, listing: &Listing, unit: &str) -> Vec<String> {
    let links = listing.links(root);
    let mut found = chain(root, listing, unit);
    let real = found.last().cloned().unwrap_or_default();
    let own = links.from.get(&real).into_iter().flatten().cloned();
    let of_template = template(&real).and_then(|template| links.from.get(&template));
    let of_template = of_template.into_iter().flatten();
    let of_template = of_template.filter_map(|name| instance(name, &real));
    let mut known: BTreeSet<String> = found.iter().cloned().collect();
    for alias in own.chain(of_template) {
        if known.insert(alias.clone()) {
            found.push(alias);
        }
    }
    found
}

/// The name that a link in a directory of units leads to, where that is a unit in such a directory: what lies elsewhere is
/// read under the link's own name alone.
fn target(root: &Root, directory: &str, name: &str) -> Option<String> {
    let handle = root
        .resolve(format!("{directory}/{name}").as_bytes(), false)
        .ok()?
        .handle?;
    let target = node::read_link(handle.as_fd()).ok()?;
    let target = String::from_utf8_lossy(&target).into_owned();
    let whole = match target.starts_with('/') {
        true => target,
        false => format!("{directory}/{target}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let (base, parts) = parts.split_last()?;
    let parent = format!("{}/", parts.join("/"));
    let inside = directories(root).any(|directory| parent.starts_with(&format!("{directory}/")));
    // `foo@tty1.service` may lead to a template: to its instance, then.
    let instance_of = |base: &str| match base.contains("@.") && !name.contains("@.") {
        true => instance(base, name),
        false => Some(base.to_owned()),
    };
    let target = instance_of(base).filter(|_| inside)?;
    (target != name && same_kind(&target, name)).then_some(target)
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
