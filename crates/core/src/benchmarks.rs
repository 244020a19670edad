//! Which recommendations of which benchmarks ask for what a check asks for, on the distribution at hand. Values only.
//!
//! The numbers are facts out of ComplianceAsCode's controls: `crates/core/tools/benchmarks` makes `numbers.txt`.

use crate::finding::Check;
use crate::release::OsRelease;
use std::sync::LazyLock;

static NUMBERS: &str = include_str!("benchmarks/numbers.txt");

static ALL: LazyLock<Vec<Benchmark>> = LazyLock::new(|| parse(NUMBERS));

/// A benchmark for one distribution in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benchmark {
    /// `ID` of os-release(5) that it is for.
    pub id: &'static str,
    /// `VERSION_ID`, or its leading parts.
    pub version: &'static str,
    /// The document and its version.
    pub document: &'static str,
    /// How many recommendations the document has; `None` where that was not counted.
    pub recommendations: Option<usize>,
    /// What stands before a number of it, as `CIS Debian 12`; empty where numbers stand for themselves.
    prefix: &'static str,
    /// Lines of a check and its numbers.
    rows: Vec<(&'static str, &'static str)>,
}

impl Benchmark {
    /// The checks that it has numbers for.
    pub fn checks(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().map(|(check, _)| *check)
    }

    /// Its numbers for a check, as people cite them.
    pub fn cited(&self, check: &str) -> impl Iterator<Item = String> {
        let row = self.rows.iter().find(|(id, _)| *id == check);
        let numbers = row.map_or("", |(_, numbers)| numbers).split_whitespace();
        numbers.map(|number| match self.prefix {
            "" => number.to_owned(),
            prefix => format!("{prefix} {number}"),
        })
    }
}

/// The benchmarks that are known, those for one distribution side by side.
pub fn all() -> &'static [Benchmark] {
    &ALL
}

/// Those for one distribution. None for one that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Benchmarks(&'static [Benchmark]);

impl Benchmarks {
    /// Those for the distribution in its version; where it has none of its own, those for what it is a rebuild of or
    /// descends from, in the same version.
    pub fn of(release: &OsRelease) -> Benchmarks {
        let found = release.lineage().into_iter().find_map(|id| {
            let is_for = |b: &Benchmark| b.id == id && release.is_version(b.version);
            let start = ALL.iter().position(is_for)?;
            let from = ALL.get(start..)?;
            from.get(..from.iter().take_while(|b| is_for(b)).count())
        });
        Benchmarks(found.unwrap_or_default())
    }

    /// What a finding of that check cites: the benchmarks' numbers, then what the check names for every distribution.
    pub fn references(self, check: &Check) -> Vec<String> {
        let numbers = self.0.iter().flat_map(|b| b.cited(check.id));
        let always = check.references.iter().map(|text| (*text).to_owned());
        numbers.chain(always).collect()
    }
}

/// Sections with a head `[KEY] ID VERSION; document; recommendations; prefix`, and a line for each check.
fn parse(text: &'static str) -> Vec<Benchmark> {
    let mut all: Vec<Benchmark> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(benchmark) = head(line) {
            all.push(benchmark);
        } else if let (Some(last), Some(row)) = (all.last_mut(), line.split_once(' ')) {
            last.rows.push(row);
        }
    }
    all
}

fn head(line: &'static str) -> Option<Benchmark> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let mut fields = rest.split(';').map(str::trim);
    let (id, version) = fields.next()?.split_once(' ')?;
    Some(Benchmark {
        id,
        version,
        document: fields.next()?,
        recommendations: fields.next()?.parse().ok(),
        prefix: fields.next()?,
        rows: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{FILES_CHANGED, Form};

    fn release(id: &str, version: &str, like: &str) -> OsRelease {
        OsRelease {
            id: id.into(),
            version_id: version.into(),
            id_like: like.split_whitespace().map(str::to_owned).collect(),
            ..OsRelease::default()
        }
    }

    static ROOT: Check = Check {
        id: "sshd.permit_root_login",
        title: "",
        demand: "",
        why: "",
        severity: None,
        form: Form::Nothing,
        remedy: None,
        references: &["a guide"],
    };

    /// Numbers as the benchmarks themselves have them (CIS Debian 13 1.0.0, AL2023 1.0.0; DISA STIG RHEL 9).
    #[test]
    fn numbers_are_those_of_this_distribution() {
        for (id, version, like, expected) in [
            ("debian", "12", "", vec!["CIS Debian 12 5.1.20"]),
            ("debian", "13", "", vec!["CIS Debian 13 5.1.21"]),
            (
                "amzn",
                "2023",
                "fedora",
                vec!["CIS AL2023 4.2.7", "AZLX-23-001240"],
            ),
            (
                "rhel",
                "9.6",
                "fedora",
                vec!["CIS RHEL 9 5.1.20", "RHEL-09-255045"],
            ),
            // A rebuild with no benchmark of its own here; two that have one.
            (
                "rocky",
                "9.6",
                "rhel centos fedora",
                vec!["CIS RHEL 9 5.1.20", "RHEL-09-255045"],
            ),
            (
                "almalinux",
                "9.6",
                "rhel centos fedora",
                vec!["CIS AlmaLinux 9 5.1.20"],
            ),
            ("ol", "9.6", "fedora", vec!["OL09-00-002345"]),
            (
                "ol",
                "10.0",
                "fedora",
                vec!["CIS RHEL 10 5.1.20", "RHEL-10-700620"],
            ),
            // Nothing is cited of another distribution, or of another version.
            ("amzn", "2027", "fedora", vec![]),
            ("debian", "", "", vec![]),
            ("debian", "130", "", vec![]),
            ("ubuntu", "26.04", "debian", vec![]),
            ("", "", "", vec![]),
        ] {
            let mut cited = Benchmarks::of(&release(id, version, like)).references(&ROOT);
            assert_eq!(cited.pop().as_deref(), Some("a guide"));
            assert_eq!(cited, expected, "{id} {version}");
        }
    }

    #[test]
    fn file_findings_cite_pci_dss_and_nist_everywhere() {
        for release in [release("debian", "12", ""), release("alpine", "3.23", "")] {
            let cited = Benchmarks::of(&release).references(&FILES_CHANGED);
            for expected in ["PCI DSS 11.5.2", "NIST SP 800-53 SI-7"] {
                assert!(cited.iter().any(|text| text == expected), "{cited:?}");
            }
        }
    }

    #[test]
    fn the_table_is_read_whole() {
        let lines = NUMBERS.lines();
        let told = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let heads = NUMBERS.lines().filter(|line| line.starts_with('[')).count();
        let rows: usize = all().iter().map(|b| b.rows.len()).sum();
        assert_eq!(lines.filter(told).count(), heads + rows);
        assert_eq!(all().len(), heads);
        for benchmark in all() {
            let numbers = benchmark.checks().flat_map(|check| benchmark.cited(check));
            assert!(numbers.count() >= benchmark.rows.len());
            assert!(!benchmark.document.is_empty() && !benchmark.id.is_empty());
        }
    }
}
