//! Whether a package manager is at work, by the locks that it holds.
//!
//! The kernel is asked who holds a lock for writing (F_GETLK, fcntl_locking(2)): a file that is merely there, a query
//! that holds it for reading, and whoever waits for it are no transaction. cloud-init takes no lock; it is at work while
//! one of its services has a process.

use agent_core::os::root::Root;
use agent_core::paths::split;
use agent_core::task;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};
use std::os::fd::AsFd;

/// A package transaction that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The program that holds the lock: `dpkg`, `apt-get`, `dnf`, `rpm`, … as its `comm` says, or `cloud-init`;
    /// `unknown` where that cannot be read.
    pub holder: String,
    /// Its process id; 0 if it lives in another process namespace.
    pub pid: u32,
    /// Whose lock it holds.
    pub manager: Manager,
}

/// Whose work a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// dpkg, whoever runs it.
    Dpkg,
    /// rpm, whoever runs it.
    Rpm,
    /// cloud-init, which may run one of the others.
    CloudInit,
}

/// Held for writing for as long as packages are unpacked and configured, and not while lists are fetched or the
/// database is asked. dnf and yum install through librpm, which takes rpm's.
const LOCKS: [(&str, Manager); 5] = [
    // apt, aptitude, packagekit, unattended-upgrades: around all runs of dpkg (since dpkg 1.19.1).
    ("var/lib/dpkg/lock-frontend", Manager::Dpkg),
    ("var/lib/dpkg/lock", Manager::Dpkg),
    ("var/lib/rpm/.rpm.lock", Manager::Rpm),
    ("usr/lib/sysimage/rpm/.rpm.lock", Manager::Rpm),
    // dnf 5
    ("run/dnf/rpmtransaction.lock", Manager::Rpm),
];

/// Of cloud-init, up to 24.2 and from 24.3.
const SERVICES: [&str; 6] = [
    "cloud-init-local.service",
    "cloud-init.service",
    "cloud-init-main.service",
    "cloud-init-network.service",
    "cloud-config.service",
    "cloud-final.service",
];
/// Where systemd's groups stand: unified, legacy, hybrid.
const GROUPS: [&str; 3] = [
    "sys/fs/cgroup/system.slice",
    "sys/fs/cgroup/systemd/system.slice",
    "sys/fs/cgroup/unified/system.slice",
];
/// Larger than any list of processes.
// Own bound: beyond it no transaction is seen, and so nothing waits for one.
const MOST: u64 = 1 << 20;

/// The transaction that is under way, if one is. Costs some system calls: ask before judging, not in a loop.
pub fn under_way(root: &Root) -> Option<Transaction> {
    LOCKS
        .iter()
        .find_map(|(path, manager)| Some((holder(root, path.as_bytes())?, *manager)))
        .map(|(pid, manager)| Transaction {
            holder: name(pid).unwrap_or_else(|| "unknown".to_owned()),
            pid,
            manager,
        })
        .or_else(|| cloud_init(root))
}

/// Who holds the lock for writing.
fn holder(root: &Root, path: &[u8]) -> Option<u32> {
    let (directory, name) = split(path);
    task::at_file(directory, name);
    let file = root.open_file(path).ok()??;
    // What would be in the way of reading is held for writing.
    let question = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::ReadLock,
        offset_type: FlockOffsetType::Set,
    };
    let held = fcntl_getlk(file.as_fd(), &question).ok()??;
    let pid = held.pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    Some(u32::try_from(pid).unwrap_or(0))
}

fn name(pid: u32) -> Option<String> {
    let comm = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&comm).trim_end().to_owned())
}

fn cloud_init(root: &Root) -> Option<Transaction> {
    let first = |group: &str, service: &str| {
        let path = format!("{group}/{service}/cgroup.procs");
        let text = root.read(path.as_bytes(), MOST).ok()??;
        String::from_utf8(text).ok()?.lines().next()?.parse().ok()
    };
    let pid = GROUPS
        .iter()
        .flat_map(|group| SERVICES.iter().map(move |service| (group, service)))
        .find_map(|(group, service)| first(group, service))?;
    Some(Transaction {
        holder: "cloud-init".to_owned(),
        pid,
        manager: Manager::CloudInit,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    /// A process that holds a lock until it is dropped.
    struct Holder(Child);

    impl Holder {
        fn new(tree: &Tree, path: &str, how: &str) -> Holder {
            let script = format!(
                "import fcntl, sys, time\n\
                 f = open(sys.argv[1], 'r+')\n{how}\n\
                 print('held', flush=True)\ntime.sleep(600)"
            );
            let mut child = Command::new("python3")
                .args(["-c", &script])
                .arg(tree.root().path().join(path))
                .stdout(Stdio::piped())
                .spawn()
                .expect("python3");
            let out = child.stdout.take().expect("piped");
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line).expect("a line");
            assert_eq!(line, "held\n");
            Holder(child)
        }
    }

    impl Drop for Holder {
        fn drop(&mut self) {
            self.0.kill().unwrap_or_default();
            self.0.wait().map(|_| ()).unwrap_or_default();
        }
    }

    #[test]
    fn a_lock_held_for_writing_is_a_transaction_and_nothing_else_is() {
        let tree = Tree::new();
        assert_eq!(under_way(&tree.root()), None);
        for (lock, _) in LOCKS {
            tree.write(lock, "");
        }
        assert_eq!(under_way(&tree.root()), None, "files that are there");
        for (lock, manager) in LOCKS {
            let cases = [
                ("fcntl.lockf(f, fcntl.LOCK_EX)", true),
                // As dpkg does it: the whole file, by the other interface to the same locks.
                (
                    "import struct; fcntl.fcntl(f, fcntl.F_SETLK, struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 0, 0))",
                    true,
                ),
                ("fcntl.lockf(f, fcntl.LOCK_SH)", false),
                ("pass", false),
            ];
            for (how, expected) in cases {
                let holder = Holder::new(&tree, lock, how);
                let found = under_way(&tree.root());
                let pid = found.as_ref().map(|found| found.pid);
                assert_eq!(pid, expected.then(|| holder.0.id()), "{lock}: {how}");
                let whose = found.as_ref().map(|found| found.manager);
                assert_eq!(whose, expected.then_some(manager));
                let name = found.map(|found| found.holder);
                assert!(name.is_none_or(|name| name.starts_with("python3")));
            }
        }
        assert_eq!(under_way(&tree.root()), None, "the holders are gone");
    }

    #[test]
    fn cloud_init_is_at_work_while_it_has_a_process() {
        let tree = Tree::new();
        for group in GROUPS {
            let file = format!("{group}/cloud-final.service/cgroup.procs");
            tree.write(&file, "");
            assert_eq!(under_way(&tree.root()), None);
            tree.write(&file, "4711\n4712\n");
            let found = under_way(&tree.root()).expect("a transaction");
            assert_eq!((found.holder.as_str(), found.pid), ("cloud-init", 4711));
            tree.write(&file, "");
        }
    }
}
