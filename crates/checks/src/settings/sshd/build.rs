//! What decides how a configuration is read: the version of OpenSSH, and what its distribution built in.

use super::history::{self, DISABLES_ALL, FIRST_STARTUPS, NEWEST, Number};

/// One build of OpenSSH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// Its version, at most the newest that is known here.
    pub number: Number,
    /// Whether the program is newer than what is known here: it may know words that [`Build::number`] does not.
    pub newer: bool,
    /// Whether Debian or a distribution of its family made it.
    pub debian: bool,
    /// Whether it has GSSAPI and Kerberos.
    pub gssapi: bool,
    /// Whether DisableForwarding switches off X11 and agent forwarding too (CVE-2025-32728): since 10.0, and where a
    /// distribution brought the mending to an older version.
    pub disables_all: bool,
}

/// Since this release openssh-server of Debian has neither GSSAPI nor Kerberos: major, minor, revision.
const DEBIAN_WITHOUT_GSSAPI: (Number, u32) = ((10, 4), 5);

/// Keywords of Debian's and the Red Hat family's patch for GSSAPI key exchange.
const KEY_EXCHANGE: [&str; 3] = [
    "gssapikeyexchange",
    "gssapikexalgorithms",
    "gssapistorecredentialsonrekey",
];

/// Keywords that only the Red Hat family's patches have.
const RED_HAT: [&str; 3] = ["rsaminsize", "gssapienablek5users", "gssusesessionccache"];

/// Packages of the Debian family with the mending of CVE-2025-32728: what their versions begin with, and the first
/// number behind that (DSA-5912-1, DLA-4156-1, USN-7457-1).
const MENDED: [(&str, u32); 5] = [
    ("8.2p1-4ubuntu0.", 13),
    ("8.4p1-5+deb11u", 5),
    ("8.9p1-3ubuntu0.", 13),
    ("9.2p1-2+deb12u", 6),
    ("9.6p1-3ubuntu13.", 11),
];

impl Build {
    /// The build of a package; `version` is that of the package, without an epoch.
    pub(super) fn of_package(number: Number, debian: bool, version: &str) -> Build {
        let digits = |text: &str| {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            text[..end].parse::<u32>().ok()
        };
        let revision = version
            .rsplit_once('-')
            .and_then(|(_, revision)| digits(revision));
        let mended = MENDED.iter().any(|(start, first)| {
            let own = version.strip_prefix(start).and_then(digits);
            own.is_some_and(|own| own >= *first)
        });
        let build = Build::of(number, debian, revision);
        Build {
            disables_all: build.disables_all || debian && mended,
            ..build
        }
    }

    /// The build of that version as the Debian family makes it, or as others do. `revision` is the number behind
    /// the hyphen of a Debian version; without one the latest is taken.
    pub fn of(number: Number, debian: bool, revision: Option<u32>) -> Build {
        let (since, first) = DEBIAN_WITHOUT_GSSAPI;
        let without = number > since || number == since && revision.is_none_or(|own| own >= first);
        Build {
            number: number.min(NEWEST),
            newer: number > NEWEST,
            debian,
            gssapi: !(debian && without),
            disables_all: number >= DISABLES_ALL,
        }
    }

    /// Whether IPQoS takes words of ToS without effect: since 10.1, and Debian's 10.0.
    pub(super) fn passes_over_tos(self) -> bool {
        self.number >= FIRST_STARTUPS || self.debian && self.number == (10, 0)
    }

    /// What holds where no line says anything; `upstream` is what OpenSSH's own build has.
    pub(super) fn default(self, keyword: &str, upstream: &'static str) -> &'static str {
        match keyword {
            "sshdsessionpath" if self.debian => "/usr/lib/openssh/sshd-session",
            "sshdauthpath" if self.debian => "/usr/lib/openssh/sshd-auth",
            "ipqos" if self.debian && self.number == (10, 0) => "ef cs1",
            _ => upstream,
        }
    }

    /// Whether it knows the word.
    pub(super) fn knows(self, word: &str) -> bool {
        history::knows(self.number, word)
            && (self.gssapi || !KEY_EXCHANGE.contains(&word))
            && !(self.debian && RED_HAT.contains(&word))
    }

    /// Whether it reads the keyword, says that it is not supported, and goes on whatever the value.
    pub(super) fn ignores(self, word: &str) -> bool {
        !self.gssapi && (word.starts_with("gssapi") || word.starts_with("kerberos"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_left_gssapi_out() {
        for (number, debian, revision, gssapi) in [
            ((10, 4), true, Some(4), true),
            ((10, 4), true, Some(5), false),
            ((10, 6), true, None, false),
            ((10, 6), false, None, true),
            ((9, 2), true, None, true),
        ] {
            let build = Build::of(number, debian, revision);
            assert_eq!(build.gssapi, gssapi, "{number:?} {debian} {revision:?}");
            assert_eq!(build.knows("gssapikeyexchange"), gssapi);
        }
        for (version, disables) in [
            ("8.4p1-5+deb11u3", false),
            ("9.2p1-2+deb12u5", false),
            ("9.2p1-2+deb12u10", true),
            ("9.6p1-3ubuntu13.11", true),
        ] {
            let build = Build::of_package((9, 2), true, version);
            assert_eq!(build.disables_all, disables, "{version}");
        }
        let newer = Build::of((11, 2), false, None);
        assert_eq!((newer.number, newer.newer), (NEWEST, true));
    }
}
