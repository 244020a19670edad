//! What is told of a path that was touched and is as recorded.

use super::Outcome;
use crate::files::plan::Plan;
use crate::files::probe::{Directory, Target};
use crate::files::remote;
use crate::files::scope::PathPolicy;
use agent_core::attributes::Attribute;
use agent_core::bounds;
use agent_core::os::node;
use std::os::fd::AsFd;

/// What is to be told of a path other than a directory that is as recorded, if it was touched.
pub(super) fn told(target: &Target, policy: PathPolicy, plan: &Plan) -> Option<Outcome> {
    let Target::Entry {
        directory,
        name,
        remote,
        ..
    } = target
    else {
        return None;
    };
    let path = target.path();
    if !policy.demand.attributes.has(Attribute::Sha256) || !plan.tells(&path) {
        return None;
    }
    // What has gone since has touched its path again.
    let ctime = |directory: &Directory, name: &[u8]| {
        let handle = node::open_handle(directory.fd.as_fd(), name).ok()?;
        Some(node::stat(&handle).ok()?.ctime)
    };
    let ctime = match remote {
        None => ctime(directory, name)?,
        Some(device) => {
            let (directory, name) = (directory.clone(), name.clone());
            let answer = remote::ask(bounds::ANSWER, *device, move |_| ctime(&directory, &name));
            answer.ok()??
        }
    };
    Some(Outcome::Holds { path, ctime })
}
