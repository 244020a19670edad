//! Which host this is, and which distribution a tree holds.

use crate::benchmarks::Benchmarks;
use crate::bounds;
use crate::host::Host;
use crate::os::root::Root;
use crate::release::OsRelease;
use rustix::io::Errno;
use std::io;

/// Reads `/etc/os-release`, else `/usr/lib/os-release`; empty where a tree has neither.
pub fn os_release(root: &Root) -> io::Result<OsRelease> {
    for path in ["etc/os-release", "usr/lib/os-release"] {
        let read = match root.read(path.as_bytes(), bounds::SHORT_FILE) {
            // Links that go round in a circle, or through a file, lead to nothing.
            Err(error) if is_nowhere(&error) => None,
            read => read?,
        };
        if let Some(bytes) = read {
            return Ok(OsRelease::parse(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(OsRelease::default())
}

/// The modes of the profiles that AppArmor has loaded on the running host (`enforce`, `complain` and so on); `None`
/// where the kernel shows none.
///
/// `policy` is a link that only the kernel follows, to a file system that is mounted nowhere: not a way that a
/// [`Root`] goes. What `profiles` beside it says is the same, and for those alone who may change it.
pub fn apparmor_modes() -> io::Result<Option<Vec<String>>> {
    let entries = match std::fs::read_dir("/sys/kernel/security/apparmor/policy/profiles") {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut modes = Vec::new();
    for entry in entries {
        match std::fs::read_to_string(entry?.path().join("mode")) {
            Ok(mode) => modes.push(mode.trim().to_owned()),
            // It was taken out a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(modes))
}

fn is_nowhere(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::LOOP | Errno::NOTDIR)
    )
}

/// What the tree says of itself; what only a running host has stays empty for a mounted image.
///
/// The metadata service is not asked: that is for the checks of the instance.
pub fn read(root: &Root, release: &OsRelease) -> Host {
    let first_line = |path: &str| {
        let bytes = root
            .read(path.as_bytes(), bounds::SHORT_FILE)
            .ok()
            .flatten();
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        text.lines().next().unwrap_or_default().trim().to_owned()
    };
    let os = format!("{} {}", release.id, release.version_id);
    let mut host = Host {
        hostname: first_line("etc/hostname"),
        machine_id: first_line("etc/machine-id"),
        os: os.trim().to_owned(),
        benchmarks: Benchmarks::of(release),
        ..Host::default()
    };
    // systemd writes this word into images whose first boot is still to come.
    if host.machine_id == "uninitialized" {
        host.machine_id.clear();
    }
    if root.is_live() {
        let name = rustix::system::uname();
        host.hostname = name.nodename().to_string_lossy().into_owned();
        host.boot_id = first_line("proc/sys/kernel/random/boot_id");
        host.instance_id = asset_tag(root).unwrap_or_default();
    }
    host
}

/// DMI's board_asset_tag where it is an instance id: on Nitro, written by the hypervisor ("Detect whether a host is
/// an EC2 instance", EC2 user guide).
pub fn asset_tag(root: &Root) -> Option<String> {
    let bytes = root.read(
        b"sys/devices/virtual/dmi/id/board_asset_tag",
        bounds::SHORT_FILE,
    );
    let text = String::from_utf8(bytes.ok()??).ok()?;
    let tag = text.trim();
    let id = tag.strip_prefix("i-")?;
    let hexadecimal = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_file_longer_than_any_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("etc")).expect("made");
        let file = std::fs::File::create(directory.path().join("etc/os-release")).expect("made");
        let root = Root::open(directory.path()).expect("a root");
        for (more, good) in [(0, true), (1, false)] {
            file.set_len(bounds::SHORT_FILE + more).expect("a hole");
            assert_eq!(os_release(&root).is_ok(), good, "{more}");
        }
    }
}
