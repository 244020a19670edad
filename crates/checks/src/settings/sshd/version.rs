//! Which OpenSSH a tree holds: its package database says, else the program itself.

use super::history::{NEWEST, Number};
use agent_core::bounds;
use agent_core::os::root::Root;
use std::io::Read;

/// Where sshd lies.
const PROGRAMS: [&str; 4] = [
    "usr/sbin/sshd",
    "usr/bin/sshd",
    "usr/local/sbin/sshd",
    "sbin/sshd",
];

/// The version, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major and minor, as `(9, 2)`.
    pub number: Number,
    /// Where it was read, for a person.
    pub source: &'static str,
}

/// Whether there is an sshd.
pub fn installed(root: &Root) -> bool {
    PROGRAMS.iter().any(|path| {
        root.resolve(path.as_bytes(), true)
            .is_ok_and(|found| found.handle.is_some())
    })
}

/// The version of the tree's sshd; the newest known where nothing tells.
pub fn read(root: &Root) -> Version {
    if let Some(number) = from_packages(root) {
        return Version {
            number,
            source: "the package database",
        };
    }
    if let Some(number) = from_program(root) {
        return Version {
            number,
            source: "the program",
        };
    }
    Version {
        number: NEWEST,
        source: "nothing in the tree; the newest known is taken",
    }
}

/// Distributions of both families call the package so; its version is OpenSSH's with what they add.
const PACKAGE: &str = "openssh-server";

fn from_packages(root: &Root) -> Option<Number> {
    let version = agent_packages::named(root, PACKAGE).ok()??.version;
    number(version.split_once(':').map_or(&version, |(_, rest)| rest))
}

fn from_program(root: &Root) -> Option<Number> {
    let path = PROGRAMS
        .iter()
        .find(|path| matches!(root.open_file(path.as_bytes()), Ok(Some(_))))?;
    let mut bytes = Vec::new();
    let file = root.open_file(path.as_bytes()).ok()??;
    file.take(bounds::SSHD_PROGRAM)
        .read_to_end(&mut bytes)
        .ok()?;
    let needle = b"OpenSSH_";
    memchr::memmem::find_iter(&bytes, needle).find_map(|at| {
        let tail = bytes.get(at + needle.len()..)?;
        number(&String::from_utf8_lossy(&tail[..tail.len().min(16)]))
    })
}

/// `9.2p1…` as numbers.
pub fn number(text: &str) -> Option<Number> {
    let (major, rest) = text.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers() {
        assert_eq!(super::number("9.2p1-2+deb12u3"), Some((9, 2)));
        assert_eq!(super::number("10.0p2"), Some((10, 0)));
        assert_eq!(super::number("x"), None);
    }
}
