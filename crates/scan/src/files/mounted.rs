//! What is mounted at covered paths, and what of it was not when the tree was recorded.

use super::deviation::{Deviation, DeviationKind};
use super::exchanged;
use super::scope::{PathPolicy, Scope};
use agent_baseline::manifest::header::Mounted;
use agent_core::finding::Severity;
use agent_core::os::device_mapper::verity_name;
use agent_core::os::mounts::{self, Layer, Mounts};
use agent_core::os::root::Root;
use agent_core::paths::{is_within, split};

/// What lies on a place until something is mounted there on first use: says nothing of itself.
const AUTOFS: &str = "autofs";

/// Something that is mounted at a covered path, or above one.
#[derive(Clone, Debug)]
pub struct MountPoint {
    /// Relative to the root.
    pub path: Vec<u8>,
    /// The file systems that lie there, lowest first.
    pub layers: Vec<Layer>,
    /// What is to be done with the path.
    pub policy: PathPolicy,
}

/// What was mounted when the tree was recorded.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordedMounts<'a> {
    /// By the manifest; empty where it does not say.
    pub manifest: &'a [Mounted],
    /// By the launch record.
    pub launch: &'a [Mounted],
}

/// All that is mounted below a root at paths that the rules cover or that lead to such, in the order of a walk; `None`
/// where the mount table cannot be read. What lies below something that is not crossed is not seen.
pub fn places(root: &Root, scope: &Scope) -> Option<Vec<MountPoint>> {
    let mounts = Mounts::now();
    let base = mounts::place_of(root.as_fd()).filter(|_| mounts.is_known())?;
    let mut places: Vec<MountPoint> = Vec::new();
    let mut shut: Option<Vec<u8>> = None;
    for place in mounts.within(&base) {
        let path = place.strip_prefix(&base[..]).unwrap_or(place);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let below = |shut: &Vec<u8>| is_within(path, shut);
        if path.is_empty() || shut.as_ref().is_some_and(below) {
            continue;
        }
        let Some(policy) = scope.at(path) else {
            continue;
        };
        let layers = mounts.layers(place).iter().enumerate();
        let hides = layers.filter(|(n, layer)| {
            let looked_at = policy.demand.cross_mounts;
            layer.fstype != AUTOFS && !(looked_at && shows_itself(&mounts, place, *n, layer))
        });
        let layers: Vec<Layer> = hides.map(|(_, layer)| layer.clone()).collect();
        if !policy.demand.cross_mounts {
            shut = Some(path.to_vec());
        }
        if !layers.is_empty() {
            places.push(MountPoint {
                path: path.to_vec(),
                layers,
                policy,
            });
        }
    }
    Some(places)
}

/// Whether a layer shows what lay there anyway: a place bound onto itself, as systemd does for a service that may not
/// write everywhere (ProtectSystem= of systemd.exec(5)). It hides nothing.
fn shows_itself(mounts: &Mounts, place: &[u8], number: usize, layer: &Layer) -> bool {
    let same = |below: &Layer, shown: &str| {
        below.device == layer.device
            && below.fstype == layer.fstype
            && below.idmapped == layer.idmapped
            && shown == layer.shown
    };
    if let Some(below) = number
        .checked_sub(1)
        .and_then(|n| mounts.layers(place).get(n))
    {
        return same(below, &below.shown);
    }
    let mut above = split(place).0;
    while mounts.layers(above).is_empty() && !above.is_empty() {
        above = split(above).0;
    }
    let rest = place.strip_prefix(above).unwrap_or(place);
    let rest = String::from_utf8_lossy(rest.strip_prefix(b"/").unwrap_or(rest));
    let below = mounts.layers(above).last();
    below.is_some_and(|below| {
        same(
            below,
            &format!("{}/{rest}", below.shown.trim_end_matches('/')),
        )
    })
}

/// The covered mounts whose device calls itself dm-verity, and how it is named. A mount above which an overlay lies, or
/// whose image is a file, has no such device and is not among them.
pub fn on_verity(root: &Root, scope: &Scope) -> Vec<(Vec<u8>, String)> {
    let mounts = Mounts::now();
    let Some(base) = mounts::place_of(root.as_fd()) else {
        return Vec::new();
    };
    let lowest = mounts.over(&base).map(|mount| (Vec::new(), mount));
    let within = mounts.within(&base).into_iter().filter_map(|place| {
        let path = place.strip_prefix(&base[..]).unwrap_or(place);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let is_covered = !path.is_empty() && scope.at(path).is_some();
        is_covered.then_some((path.to_vec(), mounts.at(place)?))
    });
    lowest
        .into_iter()
        .chain(within)
        .filter_map(|(path, mount)| Some((path, verity_name(root, mount.device)?)))
        .collect()
}

/// What a manifest says of mounts: the root's file system, and those at covered paths. Nothing where the mount table
/// cannot be read.
pub fn lines(root: &Root, scope: &Scope) -> Vec<Mounted> {
    let mounts = Mounts::now();
    let (Some(base), Some(places)) = (mounts::place_of(root.as_fd()), places(root, scope)) else {
        return Vec::new();
    };
    let mut above = &base[..];
    while mounts.layers(above).is_empty() && !above.is_empty() {
        above = split(above).0;
    }
    // In a change of root that is no mount point the table does not show it.
    let root = mounts.layers(above).last();
    let mut lines = vec![Mounted {
        path: Vec::new(),
        fstype: root.map_or("unknown", |layer| &layer.fstype).to_owned(),
        // Nobody compares the root's.
        shown: String::from("/"),
    }];
    for place in &places {
        let layers = place.layers.iter();
        lines.extend(layers.map(|layer| line(&place.path, layer)));
    }
    lines
}

/// What a manifest or a launch record says of a layer.
pub(super) fn line(path: &[u8], layer: &Layer) -> Mounted {
    Mounted {
        path: path.to_vec(),
        fstype: layer.fstype.clone(),
        shown: layer.shown.clone(),
    }
}

/// What the mount table tells of a tree.
#[derive(Debug, Default)]
pub(super) struct News {
    /// What was not mounted when the tree was recorded, each as severe as what it may hide.
    pub deviations: Vec<Deviation>,
    /// What is mounted and crossed, where nobody recorded what was.
    pub unrecorded: Vec<Vec<u8>>,
    /// Whether the record and the table answer for all of it: else the walk says what it meets.
    pub is_settled: bool,
}

/// Compares what is mounted with what was. `planned`: which paths are judged.
pub(super) fn news(
    root: &Root,
    scope: &Scope,
    recorded: RecordedMounts<'_>,
    planned: &dyn Fn(&[u8]) -> bool,
) -> News {
    let Some(places) = places(root, scope) else {
        return News {
            deviations: unknown(scope, recorded)
                .filter(|_| planned(b""))
                .into_iter()
                .collect(),
            ..News::default()
        };
    };
    let mut news = News {
        is_settled: !recorded.manifest.is_empty(),
        ..News::default()
    };
    for place in places.into_iter().filter(|place| planned(&place.path)) {
        if recorded.manifest.is_empty() && !recorded.holds(&place) {
            if place.policy.demand.cross_mounts {
                news.unrecorded.push(place.path);
            }
            continue;
        }
        let kind = match recorded.holds(&place) {
            false => DeviationKind::Mounted(place.layers),
            true if root.is_live() && exchanged::is_other(&place.path, &place.layers) => {
                DeviationKind::Exchanged(place.layers)
            }
            true => continue,
        };
        let mut policy = place.policy;
        policy.demand.severity = scope.worst_within(&place.path, policy.demand.severity);
        news.deviations.push(Deviation {
            path: place.path,
            policy,
            kind,
        });
    }
    news
}

/// That nobody can tell what is mounted, where that was recorded.
fn unknown(scope: &Scope, recorded: RecordedMounts<'_>) -> Option<Deviation> {
    let mut policy = scope
        .root_policy()
        .filter(|_| !recorded.manifest.is_empty())?;
    policy.demand.severity = scope.worst_within(b"", Severity::High);
    Some(Deviation {
        path: Vec::new(),
        policy,
        kind: DeviationKind::MountsUnknown,
    })
}

impl RecordedMounts<'_> {
    /// Whether such a layer lay on the place at that height, counted from 1, or says nothing of itself.
    pub fn has(&self, path: &[u8], layer: &Layer, height: usize) -> bool {
        let by = |lines: &[Mounted]| {
            let mut here = lines.iter().filter(|mounted| mounted.path == path);
            here.nth(height.saturating_sub(1))
                .is_some_and(|mounted| is_as(layer, mounted))
        };
        layer.fstype == AUTOFS || by(self.launch) || by(self.manifest)
    }

    /// Whether what lies on the place now lay there when it was recorded; less is no mount that is new.
    fn holds(&self, place: &MountPoint) -> bool {
        let by = |lines: &[Mounted]| {
            let here = lines.iter().filter(|mounted| mounted.path == place.path);
            let was: Vec<&Mounted> = here.collect();
            let mut now = place.layers.iter().zip(&was);
            was.len() >= place.layers.len() && now.all(|(now, was)| is_as(now, was))
        };
        // The record's word comes before the manifest's.
        by(self.launch) || by(self.manifest)
    }
}

/// Whether a layer is as one was recorded: of that type, that directory of its file system, with its own owners.
fn is_as(layer: &Layer, recorded: &Mounted) -> bool {
    layer.fstype == recorded.fstype && layer.shown == recorded.shown && !layer.idmapped
}
