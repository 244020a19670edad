//! Whether a package manager is at work, by the locks that it holds.

use crate::os::root::Root;

/// A package transaction that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The program that holds the lock: `dpkg`, `apt-get`, `dnf`, `rpm`, `cloud-init`, … as its `comm` says.
    pub holder: String,
    /// Its process id.
    pub pid: u32,
}

/// The transaction that is under way on the running host, if one is. Costs a few system calls: ask before judging,
/// not in a loop. A file that is merely there is no lock, and a lock of ours would be none either.
pub fn under_way(root: &Root) -> Option<Transaction> {
    let _ = root;
    todo!()
}
