//! Which host this is, and which distribution a tree holds.

use crate::os::root::Root;
use crate::profile::release::OsRelease;
use rustix::io::Errno;
use std::io;

/// Larger than any such file has reason to be.
const LIMIT: u64 = 64 * 1024;

/// Reads `/etc/os-release`, else `/usr/lib/os-release`; empty where a tree has neither.
pub fn os_release(root: &Root) -> io::Result<OsRelease> {
    for path in ["etc/os-release", "usr/lib/os-release"] {
        let read = match root.read(path.as_bytes(), LIMIT) {
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

fn is_nowhere(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::LOOP | Errno::NOTDIR)
    )
}

/// What tells one host from another. An empty string where the host has no such thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Host name.
    pub hostname: String,
    /// machine-id(5).
    pub machine_id: String,
    /// EC2 instance id, from DMI's board_asset_tag: set by the hypervisor, not by the guest.
    pub instance_id: String,
}

impl Identity {
    /// Reads the identity of the tree; what only a running host has stays empty for a mounted image.
    pub fn read(root: &Root) -> Identity {
        let first_line = |path: &str| {
            let bytes = root.read(path.as_bytes(), LIMIT).ok().flatten();
            let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
            text.lines().next().unwrap_or_default().trim().to_owned()
        };
        let mut identity = Identity {
            hostname: first_line("etc/hostname"),
            machine_id: first_line("etc/machine-id"),
            instance_id: String::new(),
        };
        // systemd writes this word into images whose first boot is still to come.
        if identity.machine_id == "uninitialized" {
            identity.machine_id.clear();
        }
        if root.is_live() {
            let name = rustix::system::uname();
            identity.hostname = name.nodename().to_string_lossy().into_owned();
            let tag = first_line("sys/class/dmi/id/board_asset_tag");
            if tag.starts_with("i-") {
                identity.instance_id = tag;
            }
        }
        identity
    }

    /// What a launch record is bound to: the instance id, else the machine id; `None` if neither is known.
    pub fn binding(&self) -> Option<String> {
        [&self.instance_id, &self.machine_id]
            .into_iter()
            .find(|id| !id.is_empty())
            .cloned()
    }
}
