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

impl OsRelease {
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
