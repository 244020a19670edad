//! What lowers a severity and what never does: one table, which docs/changes.md shows.

use crate::recorded::PackageStatus;
use agent_core::attributes::AttributeSet;

/// What is known of a changed path.
#[derive(Clone, Debug)]
pub struct Case {
    /// Whether the path is a key, a source or another setting of trust of the package manager's.
    pub is_trust: bool,
    /// How the contents (of a link: its target) stand to what the package shipped.
    pub content: Content,
    /// Whether a signature by a recorded key vouches for what the package shipped.
    pub signed: bool,
    /// Whether sources and settings of the package manager are as recorded.
    pub settings_hold: bool,
    /// How the package stands to what was recorded.
    pub package_status: PackageStatus,
    /// Whether the path now gives a privilege that it did not give as recorded: setuid, setgid, a capability.
    pub new_privilege: bool,
    /// Attributes that changed and are not the package's.
    pub beyond: AttributeSet,
}

/// See [`Case::content`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// As shipped.
    Same,
    /// Not as shipped.
    Differs,
    /// Nothing says what was shipped.
    Unknown,
}

/// A rule that keeps a severity. The first that holds is told.
#[derive(Debug)]
pub struct Rule {
    /// What is told, and stands in docs/changes.md.
    pub keeps: &'static str,
    holds: fn(&Case) -> bool,
}

/// The table. What none of its rules holds for is lowered to `low`.
pub static TABLE: [Rule; 11] = [
    Rule {
        keeps: "it is a key, a source or a setting by which the package manager decides whom to believe",
        holds: |case| case.is_trust,
    },
    Rule {
        keeps: "it is not what the installed package shipped",
        holds: |case| case.content == Content::Differs,
    },
    Rule {
        keeps: "nothing says what the installed package shipped there",
        holds: |case| case.content == Content::Unknown,
    },
    Rule {
        keeps: "no signature by a recorded key vouches for it",
        holds: |case| !case.signed,
    },
    Rule {
        keeps: "a source or setting of the package manager is not as recorded",
        holds: |case| !case.settings_hold,
    },
    Rule {
        keeps: "the manifest does not say which packages there were",
        holds: |case| case.package_status == PackageStatus::Unrecorded,
    },
    Rule {
        keeps: "the package is new on this host",
        holds: |case| case.package_status == PackageStatus::New,
    },
    Rule {
        keeps: "the package is older than it was before",
        holds: |case| matches!(case.package_status, PackageStatus::Older(_)),
    },
    Rule {
        keeps: "the package is the version that was recorded: no update explains what is different now",
        holds: |case| case.package_status == PackageStatus::Same,
    },
    Rule {
        keeps: "it gives a new privilege: setuid, setgid or a capability",
        holds: |case| case.new_privilege,
    },
    Rule {
        keeps: "an attribute that changed is not as shipped: a maintainer script or somebody else set it, which is not signed",
        holds: |case| !case.beyond.is_empty(),
    },
];

/// Why the severity stays; `None` where it is lowered to `low`.
pub fn kept(case: &Case) -> Option<&'static str> {
    let rule = TABLE.iter().find(|rule| (rule.holds)(case))?;
    Some(rule.keeps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::attributes::Attribute;

    fn explained() -> Case {
        Case {
            is_trust: false,
            content: Content::Same,
            signed: true,
            settings_hold: true,
            package_status: PackageStatus::Known,
            new_privilege: false,
            beyond: AttributeSet::NONE,
        }
    }

    #[test]
    fn each_rule_alone_keeps_the_severity() {
        assert_eq!(kept(&explained()), None);
        let cases = [
            Case {
                is_trust: true,
                ..explained()
            },
            Case {
                content: Content::Differs,
                ..explained()
            },
            Case {
                content: Content::Unknown,
                ..explained()
            },
            Case {
                signed: false,
                ..explained()
            },
            Case {
                settings_hold: false,
                ..explained()
            },
            Case {
                package_status: PackageStatus::Unrecorded,
                ..explained()
            },
            Case {
                package_status: PackageStatus::New,
                ..explained()
            },
            Case {
                package_status: PackageStatus::Older("2".into()),
                ..explained()
            },
            Case {
                package_status: PackageStatus::Same,
                ..explained()
            },
            Case {
                new_privilege: true,
                ..explained()
            },
            Case {
                beyond: AttributeSet::NONE.with(Attribute::Mode),
                ..explained()
            },
        ];
        for (case, rule) in cases.iter().zip(&TABLE) {
            assert_eq!(kept(case), Some(rule.keeps), "{case:?}");
        }
    }

    #[test]
    fn the_docs_show_the_table() {
        let docs = include_str!("../../../docs/changes.md");
        let mut rest = docs;
        for rule in &TABLE {
            let at = rest.find(rule.keeps);
            rest = &rest[at.unwrap_or_else(|| panic!("in its place: {}", rule.keeps))..];
        }
    }
}
