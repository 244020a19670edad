//! What device mapper says of a file system's device, by sysfs (Documentation/ABI/testing/sysfs-block-dm of Linux).
//!
//! Name and UUID are what their maker wrote. What a target does stands in its table, which takes CAP_SYS_ADMIN to ask for.

use super::mounts::Device;
use super::root::Root;
use crate::bounds;

/// What cryptsetup begins the UUID of a dm-verity device with.
const VERITY: &str = "CRYPT-VERITY-";

/// The name of a device that calls itself dm-verity; `None` for every other.
pub fn verity_name(root: &Root, (major, minor): Device) -> Option<String> {
    let read = |what: &str| {
        let path = format!("sys/dev/block/{major}:{minor}/dm/{what}");
        let text = root.read(path.as_bytes(), bounds::SHORT_FILE).ok()??;
        Some(String::from_utf8_lossy(text.trim_ascii()).into_owned())
    };
    read("uuid").filter(|uuid| uuid.starts_with(VERITY))?;
    read("name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_what_calls_itself_verity_has_a_name() {
        let tree = tempfile::tempdir().expect("a directory");
        for (minor, uuid, name) in [
            (0, "CRYPT-VERITY-0123-usr\n", "usr\n"),
            (1, "CRYPT-LUKS2-0123-data\n", "data\n"),
        ] {
            let place = tree.path().join(format!("sys/dev/block/253:{minor}/dm"));
            fs::create_dir_all(&place).expect("made");
            fs::write(place.join("uuid"), uuid).expect("written");
            fs::write(place.join("name"), name).expect("written");
        }
        let root = Root::open(tree.path()).expect("a root");
        assert_eq!(verity_name(&root, (253, 0)).as_deref(), Some("usr"));
        assert_eq!(verity_name(&root, (253, 1)), None);
        assert_eq!(verity_name(&root, (253, 2)), None);
    }
}
