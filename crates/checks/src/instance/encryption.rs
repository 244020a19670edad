//! Whether dm-crypt lies below the file systems, by /proc/self/mountinfo and /sys.

use super::checks::ENCRYPTION;
use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::root::Root;
use serde_json::json;

/// File systems of an image that nobody writes to: snaps, installation media.
const READ_ONLY: [&str; 3] = ["squashfs", "iso9660", "erofs"];
/// What comes with the image, and holds no data of its own.
const SYSTEM: [&str; 5] = ["/", "/usr", "/boot", "/boot/efi", "/efi"];
/// What firmware and boot loader must read.
const BOOT: [&str; 3] = ["/boot", "/boot/efi", "/efi"];
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    place: String,
    /// `MAJOR:MINOR`
    device: String,
    /// As `/dev/nvme1n1`.
    source: String,
}

/// `encryption`.
pub(super) fn look(context: &Context<'_>) -> Finding {
    let demand = context.demand(&ENCRYPTION).and_then(toml::Value::as_str);
    let say =
        |verdict, message: String| context.finding(&ENCRYPTION, verdict, "file systems", message);
    let text = match context.read("proc/self/mountinfo") {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => return say(Verdict::Unknown, "there is no /proc/self/mountinfo".into()),
        Err(error) => return say(Verdict::Unknown, error.to_string()),
    };
    let passed_over: &[&str] = match demand {
        Some("all") => &BOOT,
        _ => &SYSTEM,
    };
    let mut mounts = mounts(&text);
    mounts.retain(|mount| !passed_over.contains(&mount.place.as_str()));
    let plain: Vec<&str> = mounts
        .iter()
        .filter(|mount| !is_encrypted(context.root, mount))
        .map(|mount| mount.place.as_str())
        .collect();
    let count = mounts.len();
    let (verdict, message) = match (demand, plain.first(), count) {
        (_, _, 0) => (
            Verdict::NotApplicable,
            "no file system for data is mounted from a block device".to_owned(),
        ),
        (_, None, _) => (
            Verdict::Pass,
            format!("dm-crypt lies below all {count} file systems for data"),
        ),
        (None, Some(_), _) => (
            Verdict::NotApplicable,
            "encryption by EBS cannot be seen from the guest, and the profile demands none in it"
                .into(),
        ),
        (Some(_), Some(first), _) => (
            Verdict::Fail,
            format!(
                "no dm-crypt below {first}, and {} of {count} file systems",
                plain.len()
            ),
        ),
    };
    say(verdict, message).evidence(json!({ "plain": [] }), json!({ "plain": plain }))
}

/// File systems on block devices that somebody writes to, each once (proc_pid_mountinfo(5)).
fn mounts(text: &str) -> Vec<Mount> {
    let mut all: Vec<Mount> = Vec::new();
    for line in text.lines() {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let mut after = after.split(' ');
        let (kind, source) = (after.next(), after.next());
        let mut before = before.split(' ').skip(2);
        let (device, root, place) = (before.next(), before.next(), before.next());
        let (Some(kind), Some(source), Some(device), Some(_), Some(place)) =
            (kind, source, device, root, place)
        else {
            continue;
        };
        // A bind mount shows the same file system at a second place.
        let seen = all.iter().any(|mount| mount.device == device);
        if source.starts_with("/dev/") && !READ_ONLY.contains(&kind) && !seen {
            all.push(Mount {
                place: place.to_owned(),
                device: device.to_owned(),
                source: source.to_owned(),
            });
        }
    }
    all
}

fn is_encrypted(root: &Root, mount: &Mount) -> bool {
    let by_number = format!("sys/dev/block/{}", mount.device);
    let there = |path: &str| {
        let found = root.resolve(path.as_bytes(), true);
        found.is_ok_and(|found| found.handle.is_some())
    };
    // btrfs has numbers of its own: the name of the device is left.
    let place = match there(&by_number) {
        true => by_number,
        false => {
            let device = root.resolve(mount.source.as_bytes(), true);
            let path = device.map(|device| device.path).unwrap_or_default();
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            format!("sys/class/block/{}", String::from_utf8_lossy(name))
        }
    };
    lies_on_crypt(root, &place, bounds::DEVICE_DEPTH)
}

/// Cryptsetup names these devices in the same way, and they hide nothing: dm-verity and dm-integrity.
const NO_CRYPT: [&[u8]; 2] = [b"CRYPT-VERITY-", b"CRYPT-INTEGRITY-"];

/// Whether the device is dm-crypt's (its UUID in device mapper says so), or all it consists of are.
fn lies_on_crypt(root: &Root, place: &str, depth: u32) -> bool {
    let uuid = root.read(format!("{place}/dm/uuid").as_bytes(), bounds::SHORT_FILE);
    let uuid = uuid.ok().flatten().unwrap_or_default();
    if uuid.starts_with(b"CRYPT-") && !NO_CRYPT.iter().any(|other| uuid.starts_with(other)) {
        return true;
    }
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    let below = root
        .list(format!("{place}/slaves").as_bytes())
        .ok()
        .flatten();
    below.is_some_and(|below| {
        !below.is_empty()
            && below.iter().all(|(name, _)| {
                let place = format!("sys/class/block/{}", String::from_utf8_lossy(name));
                lies_on_crypt(root, &place, depth)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const MOUNTINFO: &str = "\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw
30 22 0:26 / /tmp rw - tmpfs tmpfs rw
31 22 259:3 / /boot/efi rw - vfat /dev/nvme0n1p15 rw
32 22 253:0 / /data rw - xfs /dev/mapper/data rw
33 22 259:4 / /plain rw - ext4 /dev/nvme2n1 rw
34 22 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro
35 22 259:4 /sub /again rw - ext4 /dev/nvme2n1 rw
36 22 0:40 / /pool rw - btrfs /dev/mapper/pool rw
";

    #[test]
    fn mounts_that_hold_data() {
        let places: Vec<String> = mounts(MOUNTINFO)
            .into_iter()
            .map(|mount| mount.place)
            .collect();
        assert_eq!(places, ["/", "/boot/efi", "/data", "/plain", "/pool"]);
        assert_eq!(mounts("nonsense\n - \n"), []);
    }

    #[test]
    fn dm_crypt_is_found_however_deep_it_lies() {
        let directory = tempfile::tempdir().expect("a directory");
        let make = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, text).expect("a file");
        };
        // A volume group on dm-crypt, and one half of which is plain.
        make("sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123-data\n");
        make("sys/class/block/dm-1/dm/uuid", "LVM-abc\n");
        make("sys/class/block/dm-1/slaves/dm-0", "");
        make("sys/class/block/dm-2/dm/uuid", "LVM-def\n");
        make("sys/class/block/dm-2/slaves/dm-0", "");
        make("sys/class/block/dm-2/slaves/nvme9n1", "");
        make("sys/class/block/nvme9n1/size", "1\n");
        make("sys/dev/block/253:0/dm/uuid", "CRYPT-PLAIN-x\n");
        make("sys/class/block/dm-3/dm/uuid", "CRYPT-VERITY-0123-usr\n");
        make("sys/class/block/dm-3/slaves/nvme9n1", "");
        make("sys/class/block/dm-4/dm/uuid", "CRYPT-INTEGRITY-data\n");
        make("sys/class/block/dm-4/slaves/dm-0", "");
        make("dev/dm-1", "");
        fs::create_dir(directory.path().join("dev/mapper")).expect("a directory");
        std::os::unix::fs::symlink("../dm-1", directory.path().join("dev/mapper/pool"))
            .expect("a link");
        let root = Root::open(directory.path()).expect("a tree");
        for (device, source, encrypted) in [
            ("253:0", "/dev/mapper/data", true),
            ("253:9", "/dev/nvme9n1", false),
            ("0:40", "/dev/mapper/pool", true),
            ("0:41", "/dev/mapper/gone", false),
        ] {
            let mount = Mount {
                place: "/x".into(),
                device: device.into(),
                source: source.into(),
            };
            assert_eq!(is_encrypted(&root, &mount), encrypted, "{device}");
        }
        assert!(!lies_on_crypt(
            &root,
            "sys/class/block/dm-2",
            bounds::DEVICE_DEPTH
        ));
        // What verifies or protects blocks encrypts none, and may lie on what does.
        for (device, encrypted) in [("dm-3", false), ("dm-4", true)] {
            let place = format!("sys/class/block/{device}");
            let found = lies_on_crypt(&root, &place, bounds::DEVICE_DEPTH);
            assert_eq!(found, encrypted, "{device}");
        }
        // What lies deeper than anybody stacks devices is not seen to be encrypted.
        assert!(!lies_on_crypt(&root, "sys/class/block/dm-1", 0));
        assert!(lies_on_crypt(&root, "sys/class/block/dm-1", 1));
    }
}
