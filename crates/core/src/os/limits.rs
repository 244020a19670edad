//! Limits of the process that the agent asks the kernel to change.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the number of open descriptors to what is allowed, so that deep trees and many readers fit.
///
/// A refusal changes nothing: whoever runs out later says so on the path concerned.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).unwrap_or_default();
    }
}

/// Descriptors that the process may have open.
pub fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}
