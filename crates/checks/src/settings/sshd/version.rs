//! Which OpenSSH a tree holds: its package database says, else the program itself.

use super::build::Build;
use super::history::{NEWEST, Number};
use agent_core::bounds;
use agent_core::bytes;
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
    /// How it reads a configuration.
    pub build: Build,
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

impl Version {
    /// As `9.2`.
    pub fn shown(&self) -> String {
        let (major, minor) = self.number;
        format!("{major}.{minor}")
    }
}

/// Whether the tree's packages are Debian's.
fn is_debian(root: &Root) -> bool {
    agent_packages::detect(root) == agent_packages::DatabaseKind::Dpkg
}

/// The build of that version as the tree's distribution makes it.
pub fn build_of(root: &Root, number: Number) -> Build {
    Build::of(number, is_debian(root), None)
}

/// The version of the tree's sshd; the newest known where nothing tells.
pub fn read(root: &Root) -> Version {
    if let Some((number, version)) = from_packages(root) {
        let with = GSSAPI.iter().any(|name| package(root, name).is_some());
        let build = Build::of_package(number, is_debian(root), &version);
        return Version {
            number,
            build: Build {
                gssapi: build.gssapi || with,
                ..build
            },
            source: "the package database",
        };
    }
    let (number, source) = match from_program(root) {
        Some(number) => (number, "the program"),
        None => (NEWEST, "nothing in the tree; the newest known is taken"),
    };
    Version {
        number,
        build: build_of(root, number),
        source,
    }
}

/// Distributions of both families call the package so; its version is OpenSSH's with what they add.
const PACKAGE: &str = "openssh-server";
/// Debian's build with GSSAPI, which takes the other one's place.
const GSSAPI: [&str; 1] = ["openssh-server-gssapi"];

/// Version of the package, without an epoch.
fn package(root: &Root, name: &str) -> Option<String> {
    let version = agent_packages::named(root, name).ok()??.version;
    Some(match version.split_once(':') {
        Some((_, version)) => version.to_owned(),
        None => version,
    })
}

fn from_packages(root: &Root) -> Option<(Number, String)> {
    GSSAPI.iter().chain([&PACKAGE]).find_map(|name| {
        let version = package(root, name)?;
        Some((number(&version)?, version))
    })
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
        let tail = bytes::behind(&bytes, at).strip_prefix(needle)?;
        number(&String::from_utf8_lossy(bytes::first(tail, 16)))
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
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    #[test]
    fn a_version_beyond_what_is_searched_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(directory.path().join("usr/sbin")).expect("made");
        let root = Root::open(directory.path()).expect("a tree");
        for (more, expected) in [(-16, Some((9, 9))), (1, None)] {
            let program = directory.path().join("usr/sbin/sshd");
            let mut file = std::fs::File::create(program).expect("a program");
            let at = bounds::SSHD_PROGRAM.saturating_add_signed(more);
            file.seek(SeekFrom::Start(at)).expect("a sparse file");
            file.write_all(b"OpenSSH_9.9p1\0").expect("written");
            assert_eq!(from_program(&root), expected, "{more}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(super::number("9.2p1-2+deb12u3"), Some((9, 2)));
        assert_eq!(super::number("10.0p2"), Some((10, 0)));
        assert_eq!(super::number("x"), None);
    }
}
