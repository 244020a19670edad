//! What is started at boot: all that default.target leads to, by settings, links and aliases, and what timers, paths,
//! sockets, devices and the ends of started units may start later.

use super::found;
use super::line::{Lines, Share};
use super::listing::Listing;
use super::node::{self, HOLDERS, Node};
use super::presets::Presets;
use super::{events, names};
use agent_core::os::root::Root;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Targets that no ordinary start of the machine reaches: links to them start nothing at boot.
const ELSEWHERE: [&str; 22] = [
    "rescue.target",
    "emergency.target",
    "shutdown.target",
    "reboot.target",
    "poweroff.target",
    "halt.target",
    "kexec.target",
    "soft-reboot.target",
    "exit.target",
    "final.target",
    "umount.target",
    "ctrl-alt-del.target",
    "sleep.target",
    "suspend.target",
    "hibernate.target",
    "hybrid-sleep.target",
    "suspend-then-hibernate.target",
    "system-update.target",
    "system-update-pre.target",
    "factory-reset.target",
    "initrd.target",
    "runlevel0.target",
];
/// What systemd starts without being asked.
const ALWAYS: [&str; 4] = ["-.slice", "system.slice", "-.mount", "init.scope"];
/// What generators, devices, log-ins and other programs start, and links and settings do not show.
const BY_EVENTS: [&str; 18] = [
    "bluetooth.target",
    "cloud-config.target",
    "cloud-init.target",
    "network.target",
    "network-online.target",
    "network-pre.target",
    "nss-lookup.target",
    "nss-user-lookup.target",
    "printer.target",
    "remote-fs.target",
    "remote-fs-pre.target",
    "smartcard.target",
    "sound.target",
    "time-set.target",
    "time-sync.target",
    "usb-gadget.target",
    "user@0.service",
    "autovt@tty2.service",
];
/// Targets of the command line that are followed, each by itself.
// Own bound: of boot entries that start at different targets; those behind it are taken for possible.
const MAX_TARGETS: usize = 4;

/// A unit that boot leads to.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    /// The link, or `FILE:LINE`.
    pub(super) place: String,
    /// Why it cannot be told; `None` where it is started for certain.
    pub(super) doubt: Option<String>,
}

/// All that boot leads to, by the names to which all others of a unit lead.
#[derive(Debug, Default)]
pub(super) struct Boot {
    pub(super) reached: BTreeMap<String, Reached>,
    /// What is linked to a unit that boot does not lead to: the link, and whether that is what ordinary starts never reach.
    pub(super) elsewhere: BTreeMap<String, (String, bool)>,
}

/// A unit to be gone to: name, place, doubt.
type Step = (String, String, Option<String>);

struct Walk<'a> {
    root: &'a Root,
    listing: &'a Listing,
    lines: &'a Lines,
    /// What has been read.
    nodes: BTreeMap<String, Node>,
}

impl Boot {
    pub(super) fn read(root: &Root, listing: &Listing, lines: &Lines, presets: &Presets) -> Boot {
        let mut walk = Walk {
            root,
            listing,
            lines,
            nodes: BTreeMap::new(),
        };
        let (mut reached, mut pending) = walk.for_certain();
        walk.conflicts(&mut reached);
        let known: Vec<String> = reached.keys().cloned().collect();
        for unit in known {
            pending.extend(walk.doubtful(&unit));
        }
        let told =
            |to: &str, place: String, why: &str| (to.to_owned(), place, Some(why.to_owned()));
        let by_events = BY_EVENTS.iter();
        pending.extend(by_events.map(|unit| {
            told(
                unit,
                (*unit).to_owned(),
                "devices, log-ins or generators may start it",
            )
        }));
        let devices = events::by_devices(root).into_iter();
        pending
            .extend(devices.map(|(unit, place)| told(&unit, place, "a rule of udev may start it")));
        let holders = holders(listing).into_iter();
        let holders = holders.filter(|(unit, _)| node::needs_no_file(unit));
        pending.extend(holders.map(|(unit, path)| {
            told(unit, format!("/{path}"), "a device or a mount may start it")
        }));
        let enabled = presets.enabled(root, listing).into_iter();
        pending.extend(
            enabled
                .map(|(unit, place)| told(&unit, place, "a preset enables it at the first boot")),
        );
        walk.go(pending.into(), &mut reached, true);
        let known = reached.keys();
        let here: BTreeSet<String> = known
            .filter(|unit| walk.node(unit).there)
            .cloned()
            .collect();
        let elsewhere = elsewhere(root, listing, &here);
        Boot { reached, elsewhere }
    }
}

impl Walk<'_> {
    fn real(&self, unit: &str) -> String {
        names::real(self.root, self.listing, unit)
    }

    fn node(&mut self, unit: &str) -> &Node {
        if !self.nodes.contains_key(unit) {
            let node = match self.lines.masks(unit) {
                Share::All => Node::default(),
                _ => node::read(self.root, self.listing, unit),
            };
            self.nodes.insert(unit.to_owned(), node);
        }
        self.nodes.entry(unit.to_owned()).or_default()
    }

    /// What is started whatever entry the machine boots by; and what only some entries start.
    fn for_certain(&mut self) -> (BTreeMap<String, Reached>, Vec<Step>) {
        let line = || "the kernel's command line".to_owned();
        let mut always: Vec<Step> = Vec::new();
        let mut perhaps: Vec<Step> = Vec::new();
        always.extend(ALWAYS.map(|unit| (unit.to_owned(), unit.to_owned(), None)));
        let some = || Some("not all boot entries start it".to_owned());
        for (unit, share) in self.lines.wants() {
            match share {
                Share::All => always.push((unit.to_owned(), line(), None)),
                _ => perhaps.push((unit.to_owned(), line(), some())),
            }
        }
        let targets = self.lines.targets();
        let certain = targets.len() <= MAX_TARGETS;
        let mut reached: Option<BTreeMap<String, Reached>> = None;
        for target in targets.iter().take(MAX_TARGETS) {
            let mut steps: VecDeque<Step> = always.iter().cloned().collect();
            // Without it, or where it is masked, systemd goes to rescue.target: a tree that lacks it is a part of one.
            steps.push_back((target.clone(), target.clone(), None));
            let mut of_target = BTreeMap::new();
            self.go(steps, &mut of_target, false);
            let mut both = BTreeMap::new();
            for (unit, found) in of_target {
                match &reached {
                    Some(before) if !before.contains_key(&unit) => {
                        perhaps.push((unit, found.place, some()));
                    }
                    _ => drop(both.insert(unit, found)),
                }
            }
            let before = reached.take().into_iter().flatten();
            perhaps.extend(
                before
                    .filter(|(unit, _)| !both.contains_key(unit))
                    .map(|(unit, found)| (unit, found.place, some())),
            );
            reached = Some(both);
        }
        let mut reached = reached.unwrap_or_default();
        if !certain {
            let more = targets.into_iter().skip(MAX_TARGETS);
            perhaps.extend(more.map(|target| (target.clone(), target, some())));
            let before = std::mem::take(&mut reached).into_iter();
            perhaps.extend(before.map(|(unit, found)| (unit, found.place, some())));
        }
        (reached, perhaps)
    }

    /// Goes on to all that the steps lead to: by what starts for certain, or by all.
    fn go(
        &mut self,
        mut pending: VecDeque<Step>,
        reached: &mut BTreeMap<String, Reached>,
        all: bool,
    ) {
        while let Some((name, place, doubt)) = pending.pop_front() {
            let unit = self.real(&name);
            let Entry::Vacant(entry) = reached.entry(unit.clone()) else {
                continue;
            };
            entry.insert(Reached {
                place,
                doubt: doubt.clone(),
            });
            let edges = self.node(&unit).edges.iter();
            let later = |to: &str| all && !ELSEWHERE.contains(&to);
            let edges = edges.filter(|edge| edge.doubt.is_none() || later(&edge.to));
            pending.extend(edges.map(|edge| {
                let doubt = doubt.clone().or_else(|| edge.doubt.clone());
                (edge.to.clone(), edge.place.clone(), doubt)
            }));
        }
    }

    /// What a unit that is started may start later. What only failures and ends of the machine lead to is no start of it.
    fn doubtful(&mut self, unit: &str) -> Vec<Step> {
        let edges = self.node(unit).edges.iter();
        edges
            .filter(|edge| edge.doubt.is_some() && !ELSEWHERE.contains(&edge.to.as_str()))
            .map(|edge| (edge.to.clone(), edge.place.clone(), edge.doubt.clone()))
            .collect()
    }

    /// Of two started units that conflict one is left out.
    fn conflicts(&mut self, reached: &mut BTreeMap<String, Reached>) {
        let known: Vec<String> = reached.keys().cloned().collect();
        for unit in known {
            let named: Vec<String> = self.node(&unit).conflicts.clone();
            for name in named {
                let other = self.real(&name);
                if let Some(found) = reached.get_mut(&other) {
                    let why = format!("{unit} is started too, and conflicts with it");
                    found.doubt.get_or_insert(why);
                }
            }
        }
    }
}

/// Directories of links, each with the unit that they belong to.
fn holders(listing: &Listing) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    for (directory, names) in &listing.0 {
        for name in names.keys() {
            if let Some((unit, suffix)) = name.rsplit_once('.')
                && HOLDERS.contains(&suffix)
            {
                found.push((unit, format!("{directory}/{name}")));
            }
        }
    }
    found
}

/// What is linked to units that are not reached, or are none.
fn elsewhere(
    root: &Root,
    listing: &Listing,
    reached: &BTreeSet<String>,
) -> BTreeMap<String, (String, bool)> {
    let mut found: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let mut seen: BTreeSet<(&str, String)> = BTreeSet::new();
    for (holder, directory) in holders(listing) {
        if reached.contains(&names::real(root, listing, holder)) {
            continue;
        }
        let never = ELSEWHERE.contains(&holder);
        for (name, _) in super::names(root, &directory) {
            let path = format!("{directory}/{name}");
            if !seen.insert((holder, name.clone())) || !found::pulls(root, &path) {
                continue;
            }
            let unit = names::real(root, listing, &name);
            let known = found
                .entry(unit)
                .or_insert_with(|| (format!("/{path}"), never));
            if known.1 && !never {
                *known = (format!("/{path}"), never);
            }
        }
    }
    found
}
