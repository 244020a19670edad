//! Which distribution a tree holds: the part of os-release(5) that profiles are chosen by, and how long it is supported.

/// The fields of os-release(5) that are of use here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`, as `debian`.
    pub id: String,
    /// `VERSION_ID`, as `12`; empty on rolling distributions.
    pub version_id: String,
    /// `ID_LIKE`: what it descends from, nearest first.
    pub id_like: Vec<String>,
    /// `SUPPORT_END`, as `2029-06-30`: the day on which support ends, where the distribution says it.
    pub support_end: String,
}

/// Distributions that are rebuilt from another one, count versions as it does, and do not say so in `ID_LIKE`: Oracle
/// Linux names `fedora` alone (oraclelinux-release 10), the variants of SLES and openSUSE Leap name `suse`.
const REBUILDS: [(&str, &str); 5] = [
    ("ol", "rhel"),
    ("sles_sap", "sles"),
    ("sle_hpc", "sles"),
    ("sled", "sles"),
    ("opensuse-leap", "sles"),
];

impl OsRelease {
    /// The distribution, what it is a rebuild of, what it descends from, nearest first.
    pub fn lineage(&self) -> Vec<&str> {
        let mut ids = vec![self.id.as_str()];
        let rebuilt = REBUILDS.iter().filter(|(id, _)| *id == self.id);
        ids.extend(rebuilt.map(|(_, of)| *of));
        ids.extend(self.id_like.iter().map(String::as_str));
        ids
    }

    /// Whether its `VERSION_ID` is `wanted`, or begins with it as a whole part: `9.6` is a `9`, `90` is none.
    pub fn is_version(&self, wanted: &str) -> bool {
        self.version_id
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Parses the text of an os-release(5) file; unknown lines are passed over.
    pub fn parse(text: &str) -> OsRelease {
        let mut release = OsRelease::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else {
                continue;
            };
            let value = value.trim_matches(['"', '\'']).to_owned();
            match key {
                "ID" => release.id = value,
                "VERSION_ID" => release.version_id = value,
                "SUPPORT_END" => release.support_end = value,
                "ID_LIKE" => {
                    release.id_like = value.split_whitespace().map(str::to_owned).collect();
                }
                _ => {}
            }
        }
        release
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_with_and_without_quotes() {
        let text = "NAME=\"Rocky Linux\"\nID=\"rocky\"\nVERSION_ID='9.4'\nID_LIKE=\"rhel centos fedora\"\n# x\n";
        let release = OsRelease::parse(text);
        assert_eq!(release.id, "rocky");
        assert_eq!(release.version_id, "9.4");
        assert_eq!(release.id_like, ["rhel", "centos", "fedora"]);
    }
}
