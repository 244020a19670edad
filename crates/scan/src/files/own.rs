//! The agent's own sealed files: manifest, seal, kept texts, amendments. They are judged by seal and digest, never
//! compared as files: none of them can hold its own digest. No profile has to say so, and none can say otherwise.

/// The directory that holds them, below /usr/share and below /etc.
const AGENT: &[u8] = b"host-integrity-agent";
/// Those below /usr/share/host-integrity-agent.
const SEALED: [&[u8]; 3] = [
    b"manifest.mtree",
    b"manifest.mtree.sig",
    b"manifest.mtree.text",
];
/// That below /etc/host-integrity-agent, with all that lies in it: whoever opens amendments tells what else is there.
const AMENDMENTS: &[u8] = b"amendments";

/// Where a directory stands with respect to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OwnPlace {
    /// None of them lies below it.
    #[default]
    Elsewhere,
    /// `/`
    Root,
    /// `/usr`
    Usr,
    /// `/usr/share`
    UsrShare,
    /// `/usr/share/host-integrity-agent`
    Sealed,
    /// `/etc`
    Etc,
    /// `/etc/host-integrity-agent`
    Configured,
}

impl OwnPlace {
    /// Where the entry `name` of the directory stands.
    pub(super) fn enter(self, name: &[u8]) -> OwnPlace {
        match (self, name) {
            (OwnPlace::Root, b"usr") => OwnPlace::Usr,
            (OwnPlace::Usr, b"share") => OwnPlace::UsrShare,
            (OwnPlace::UsrShare, AGENT) => OwnPlace::Sealed,
            (OwnPlace::Root, b"etc") => OwnPlace::Etc,
            (OwnPlace::Etc, AGENT) => OwnPlace::Configured,
            _ => OwnPlace::Elsewhere,
        }
    }

    /// Whether the entry `name` of the directory is one of them.
    pub(super) fn is_own(self, name: &[u8]) -> bool {
        match self {
            OwnPlace::Sealed => SEALED.contains(&name),
            OwnPlace::Configured => name == AMENDMENTS,
            _ => false,
        }
    }

    /// Whether one of them may come or go in the directory, so that its times and links say nothing.
    pub(super) fn holds_own(self) -> bool {
        matches!(self, OwnPlace::Sealed | OwnPlace::Configured)
    }
}

/// Whether the path, relative to the root, is one of them or lies in their directory.
pub(super) fn is_own(path: &[u8]) -> bool {
    let mut place = OwnPlace::Root;
    path.split(|byte| *byte == b'/').any(|name| {
        let found = place.is_own(name);
        place = place.enter(name);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn these_and_no_others() {
        for own in [
            "usr/share/host-integrity-agent/manifest.mtree",
            "usr/share/host-integrity-agent/manifest.mtree.sig",
            "usr/share/host-integrity-agent/manifest.mtree.text",
            "etc/host-integrity-agent/amendments",
            "etc/host-integrity-agent/amendments/a.mtree",
        ] {
            assert!(is_own(own.as_bytes()), "{own}");
        }
        for other in [
            "",
            "usr/share/host-integrity-agent",
            "usr/share/host-integrity-agent/manifest.mtree.old",
            "usr/share/host-integrity-agent/amendments",
            "etc/host-integrity-agent/profile.toml",
            "etc/amendments",
            "opt/etc/host-integrity-agent/amendments",
        ] {
            assert!(!is_own(other.as_bytes()), "{other}");
        }
    }
}
