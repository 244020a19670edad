//! When an instance was launched, as cloud-init wrote it down.

use agent_core::attributes::FileType;
use agent_core::os::node;
use agent_core::os::root::Root;
use std::io;
use std::os::fd::AsFd;

const INSTANCES: &str = "var/lib/cloud/instances";
/// A link to the present instance's directory.
const PRESENT: &str = "var/lib/cloud/instance";

/// What is left of instances on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Launches {
    /// The present instance and when its first boot ran, seconds since 1970.
    pub(super) present: Option<(String, i64)>,
    /// Ids of others.
    pub(super) others: Vec<String>,
}

/// Reads them below the root.
pub(super) fn read(root: &Root) -> io::Result<Launches> {
    let Some(names) = root.list(INSTANCES.as_bytes())? else {
        return Ok(Launches::default());
    };
    let present = link(root);
    let mut launches = Launches::default();
    for (name, hint) in names.iter() {
        if !matches!(hint, node::Hint::Dir | node::Hint::Unknown) {
            continue;
        }
        let id = String::from_utf8_lossy(name).into_owned();
        match present.as_deref() == Some(&id) {
            true => {
                launches.present = first_boot(root, &id)?.map(|at| (id.clone(), at));
                if launches.present.is_none() {
                    launches.others.push(id);
                }
            }
            false => launches.others.push(id),
        }
    }
    Ok(launches)
}

fn link(root: &Root) -> Option<String> {
    let handle = root.resolve(PRESENT.as_bytes(), false).ok()?.handle?;
    if node::stat(&handle).ok()?.kind != FileType::Link {
        return None;
    }
    let target = node::read_link(handle.as_fd()).ok()?;
    let name = target
        .rsplit(|byte| *byte == b'/')
        .find(|name| !name.is_empty())?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// The oldest of the marks that cloud-init's modules leave when they run for the first time on an instance.
fn first_boot(root: &Root, id: &str) -> io::Result<Option<i64>> {
    let directory = format!("{INSTANCES}/{id}/sem");
    let Some(names) = root.list(directory.as_bytes())? else {
        return Ok(None);
    };
    let mut oldest: Option<i64> = None;
    for (name, _) in names.iter() {
        let path = format!("{directory}/{}", String::from_utf8_lossy(name));
        if let Some(at) = modified(root, &path) {
            oldest = Some(oldest.map_or(at, |before| before.min(at)));
        }
    }
    Ok(oldest)
}

/// When the regular file was last changed, seconds since 1970; `None` for anything else and for an empty file.
pub(super) fn modified(root: &Root, path: &str) -> Option<i64> {
    let handle = root.resolve(path.as_bytes(), true).ok()?.handle?;
    let stat = node::stat(&handle).ok()?;
    (stat.kind == FileType::File && stat.size > 0).then_some(stat.mtime.seconds)
}
