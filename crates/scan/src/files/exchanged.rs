//! Mounts that are of the recorded type and show another file system. A manifest knows no devices, whose numbers differ
//! from boot to boot: what a place showed before, or shows process 1, tells.
//!
//! One memory for the process, which has one mount table.

use agent_core::os::mounts::{Layer, Mounts};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What is known of the running host's mounts; nothing in a process that neither goes on nor looks from beside.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

#[derive(Debug)]
enum Known {
    /// By place, what lay on top when it was seen first.
    Before(HashMap<Vec<u8>, Layer>),
    /// As process 1 has them.
    OfFirstProcess(Mounts),
}

/// For a process that goes on: what is mounted from now on is remembered as it is seen first.
pub fn remember() {
    *known() = Some(Known::Before(HashMap::new()));
}

/// For a process that looks once: whoever started it may have given it mounts of its own. Nothing is known where process 1
/// has another root, or its table cannot be read.
pub fn go_by_first_process() {
    *known() = Mounts::of_first_process().ok().map(Known::OfFirstProcess);
}

/// Whether what lies on a place of the running host, lowest first, is another file system than is known of it.
pub(super) fn is_other(place: &[u8], layers: &[Layer]) -> bool {
    let (Some(known), Some(top)) = (&mut *known(), layers.last()) else {
        return false;
    };
    known.is_other(place, top)
}

impl Known {
    fn is_other(&mut self, place: &[u8], top: &Layer) -> bool {
        match self {
            Known::Before(places) => match places.get(place) {
                Some(before) => !is_same_again(before, top),
                None => {
                    places.insert(place.to_vec(), top.clone());
                    false
                }
            },
            Known::OfFirstProcess(mounts) => {
                let there = mounts.layers(place).last();
                there.is_none_or(|there| there.device != top.device)
            }
        }
    }
}

/// Whether what was unmounted and mounted again may be the same file system. Of one on no block device nothing tells but
/// btrfs, which names its own; another number is what each new mount of such a type has.
fn is_same_again(before: &Layer, now: &Layer) -> bool {
    match (now.device, before.device) {
        ((0, _), (0, _)) if now.fstype == "btrfs" => now.source == before.source,
        ((0, _), (0, _)) => true,
        (now, before) => now == before,
    }
}

fn known() -> std::sync::MutexGuard<'static, Option<Known>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(fstype: &str, source: &str, device: (u32, u32)) -> Layer {
        Layer {
            fstype: fstype.into(),
            source: source.into(),
            shown: "/".into(),
            device,
            idmapped: false,
        }
    }

    #[test]
    fn another_device_is_another_file_system_and_the_same_one_again_is_not() {
        let mut known = Known::Before(HashMap::new());
        let mut is_other = |place: &str, layer| known.is_other(place.as_bytes(), &layer);
        let (good, evil) = ((7, 0), (7, 1));
        assert!(!is_other("opt", layer("ext4", "/dev/loop0", good)));
        assert!(is_other("opt", layer("ext4", "/dev/loop0", evil)));
        assert!(!is_other("opt", layer("ext4", "/dev/other", good)), "again");
        assert!(
            !is_other("srv", layer("ext4", "/dev/loop0", evil)),
            "elsewhere"
        );
        assert!(!is_other("tmp", layer("tmpfs", "tmpfs", (0, 50))));
        assert!(!is_other("tmp", layer("tmpfs", "tmpfs", (0, 51))));
        assert!(is_other("tmp", layer("tmpfs", "tmpfs", evil)));
        assert!(!is_other("b", layer("btrfs", "/dev/sda1", (0, 60))));
        assert!(!is_other("b", layer("btrfs", "/dev/sda1", (0, 61))));
        assert!(is_other("b", layer("btrfs", "/dev/loop3", (0, 62))));
    }

    #[test]
    fn who_looks_once_goes_by_the_first_process() {
        let mut known = Known::OfFirstProcess(Mounts::default());
        assert!(known.is_other(b"opt", &layer("ext4", "/dev/loop0", (7, 0))));
    }
}
