//! A finding: one verdict of one check on one subject, with its evidence. Values only.

use crate::attributes::{Attribute, AttributeSet, Attributes, Digest, Timestamp};
use crate::escape;
use crate::explained::ExplainedBy;
use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a check concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As demanded.
    Pass,
    /// Not as demanded.
    Fail,
    /// Could not look: unreadable, raced, timed out. Never a pass.
    Unknown,
    /// There is nothing to judge.
    NotApplicable,
}

impl Verdict {
    /// The word for it in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
            Verdict::NotApplicable => "not_applicable",
        }
    }
}

/// How much a deviation matters; ordered, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth a look on the day.
    Medium,
    /// Worth a look now.
    High,
    /// Worth being woken for.
    Critical,
}

impl Severity {
    /// All of them, worst first.
    pub const WORST_FIRST: [Severity; 4] = [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ];

    /// The word for it in profiles, JSON and reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub fn from_name(name: &str) -> Option<Severity> {
        Severity::WORST_FIRST.into_iter().find(|s| s.name() == name)
    }
}

/// A check as people know it: what `agent profile show` lists and findings name.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// `area.name`, fixed by the contract.
    pub id: &'static str,
    /// One line for a person.
    pub title: &'static str,
    /// What must hold.
    pub demand: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// How much a deviation matters where the profile says nothing; `None` for files, whose path decides.
    pub severity: Option<Severity>,
    /// What a profile may demand in place of the default.
    pub form: Form,
    /// What mends a deviation, where one sentence does for every distribution.
    pub remedy: Option<&'static str>,
    /// Benchmarks and guides that demand the same.
    pub references: &'static [&'static str],
}

/// The form of the `demand` that a profile may set for a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing can be demanded but what the check demands.
    Nothing,
    /// `true` or `false`.
    Switch,
    /// A whole number within these bounds.
    Number(i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A text; what it says is the check's own matter.
    Text(&'static str),
    /// A list of texts; what they are.
    Texts(&'static str),
}

impl Form {
    /// The form in words, as `profile show` and errors give it; empty where nothing can be demanded.
    pub fn describe(self) -> String {
        match self {
            Form::Nothing => String::new(),
            Form::Switch => "true or false".into(),
            Form::Number(least, i64::MAX) => format!("a whole number from {least}"),
            Form::Number(least, most) => format!("a whole number from {least} to {most}"),
            Form::Word(words) => format!("one of \"{}\"", words.join("\", \"")),
            Form::Text(what) => format!("a text: {what}"),
            Form::Texts(what) => format!("a list of texts: {what}"),
        }
    }

    /// Whether `value` is of this form.
    pub fn fits(self, value: &toml::Value) -> bool {
        match self {
            Form::Nothing => false,
            Form::Switch => value.is_bool(),
            Form::Number(least, most) => value
                .as_integer()
                .is_some_and(|number| (least..=most).contains(&number)),
            Form::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Form::Text(_) => value.is_str(),
            Form::Texts(_) => value
                .as_array()
                .is_some_and(|list| list.iter().all(toml::Value::is_str)),
        }
    }
}

/// A path that is there and was not recorded.
pub static FILES_ADDED: Check = Check {
    id: "files.added",
    title: "Nothing was added",
    demand: "no path below a covered directory that the manifest does not hold",
    why: "what was not baked into the image came from elsewhere",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &["CIS AL2023 1.3.1", "RHEL-09-651010"],
};

/// A recorded path that is gone.
pub static FILES_REMOVED: Check = Check {
    id: "files.removed",
    title: "Nothing was removed",
    demand: "every recorded path is there",
    why: "removing a program or a rule can switch a protection off",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &["CIS AL2023 1.3.1", "RHEL-09-651010"],
};

/// A path that is not as recorded.
pub static FILES_CHANGED: Check = Check {
    id: "files.changed",
    title: "Nothing was changed",
    demand: "each recorded path has the recorded attributes",
    why: "a changed program does what its changer wants",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &["CIS AL2023 1.3.1", "RHEL-09-651010"],
};

/// A path that could not be looked at.
pub static FILES_UNREADABLE: Check = Check {
    id: "files.unreadable",
    title: "Everything could be looked at",
    demand: "each covered path can be read, and holds still while it is read",
    why: "what cannot be read cannot be vouched for",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &[],
};

/// The agreement between the profile in force, the manifest and its seal.
pub static FILES_PROFILE: Check = Check {
    id: "files.profile",
    title: "The profile demands what the manifest was sealed with",
    demand: "no path excluded, and none demanded less of, than under the profile named in the manifest",
    why: "a weakened profile must not hide behind a good seal",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &[],
};

/// The launch record, where it cannot be used.
pub static FILES_LAUNCH_RECORD: Check = Check {
    id: "files.launch_record",
    title: "The launch record belongs to this instance and this manifest",
    demand: "made for this instance under this manifest, holding only paths that the profile marks",
    why: "a forged launch record would excuse any change",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &[],
};

/// The checks that judge files.
pub static FILE_CHECKS: [&Check; 6] = [
    &FILES_ADDED,
    &FILES_REMOVED,
    &FILES_CHANGED,
    &FILES_UNREADABLE,
    &FILES_PROFILE,
    &FILES_LAUNCH_RECORD,
];

/// One verdict of one check on one subject.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which check.
    pub check: &'static Check,
    /// What it concluded.
    pub verdict: Verdict,
    /// How much it matters.
    pub severity: Severity,
    /// A path (`/etc/passwd`, any bytes), or the name of what was judged (`sshd`).
    pub subject: Vec<u8>,
    /// For files: which attributes differ.
    pub changed: AttributeSet,
    /// What should be; an object, or null.
    pub expected: Value,
    /// What is; an object, or null.
    pub observed: Value,
    /// One sentence for a person.
    pub message: String,
    /// `FILE:LINE` where the cause stands.
    pub location: Option<String>,
    /// What to do about it.
    pub remediation: Option<String>,
    /// For files: what explains the change.
    pub explained_by: Option<ExplainedBy>,
    /// The severity without that; set only where one was lowered by it.
    pub unexplained_severity: Option<Severity>,
}

impl Finding {
    /// A finding without evidence yet.
    pub fn new(
        check: &'static Check,
        verdict: Verdict,
        severity: Severity,
        subject: impl Into<Vec<u8>>,
        message: impl Into<String>,
    ) -> Finding {
        Finding {
            check,
            verdict,
            severity,
            subject: subject.into(),
            changed: AttributeSet::NONE,
            expected: Value::Null,
            observed: Value::Null,
            message: message.into(),
            location: None,
            remediation: None,
            explained_by: None,
            unexplained_severity: None,
        }
    }

    /// The same, with what should be and what is (objects of the JSON contract).
    #[must_use]
    pub fn evidence(self, expected: Value, observed: Value) -> Finding {
        Finding {
            expected,
            observed,
            ..self
        }
    }

    /// The same, with where the cause stands (`FILE:LINE`).
    #[must_use]
    pub fn location(self, location: impl Into<String>) -> Finding {
        Finding {
            location: Some(location.into()),
            ..self
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn remediation(self, text: impl Into<String>) -> Finding {
        Finding {
            remediation: Some(text.into()),
            ..self
        }
    }

    /// The object of the JSON contract, `"kind":"finding"`.
    pub fn to_json(&self) -> Value {
        let (subject, whole) = escape::lossless_text(&self.subject);
        let mut object = json!({
            "kind": "finding",
            "check": self.check.id,
            "verdict": self.verdict.name(),
            "severity": self.severity.name(),
            "subject": subject,
            "subject_base64": (!whole).then(|| Base64::encode_string(&self.subject)),
        });
        // Settings have no list of changed attributes; the key is there all the same.
        let changed = match self.check.id.starts_with("files.") && !self.changed.is_empty() {
            true => self.changed.iter().map(Attribute::name).collect(),
            false => Value::Null,
        };
        object["changed"] = changed;
        object["expected"] = self.expected.clone();
        object["observed"] = self.observed.clone();
        object["message"] = json!(self.message);
        object["location"] = json!(self.location);
        object["remediation"] = json!(self.remediation);
        object["explained_by"] = json!(self.explained_by);
        object["unexplained_severity"] = json!(self.unexplained_severity);
        object["references"] = json!(self.check.references);
        object
    }
}

/// The attributes in `keep`, as the JSON of `expected` and `observed` shows them.
pub fn evidence(attributes: &Attributes, keep: AttributeSet) -> Value {
    let mut object = Map::new();
    for attribute in keep.iter() {
        let value = match attribute {
            Attribute::Type => Some(json!(attributes.kind.name())),
            Attribute::Mode => attributes.mode.map(|m| json!(format!("{m:04o}"))),
            Attribute::Uid => attributes.uid.map(|id| json!(id)),
            Attribute::Gid => attributes.gid.map(|id| json!(id)),
            Attribute::Size => attributes.size.map(|n| json!(n)),
            Attribute::Mtime => attributes.mtime.map(|t| json!(rfc3339(t))),
            Attribute::Link => attributes
                .link
                .as_deref()
                .map(|target| json!(escape::lossless_text(target).0)),
            Attribute::Nlink => attributes.nlink.map(|n| json!(n)),
            Attribute::Xattrs => attributes.xattrs.as_ref().map(|list| {
                let digests = list.iter().map(|x| {
                    let name = escape::lossless_text(&x.name).0;
                    (name, json!(escape::hex(&x.sha256)))
                });
                Value::Object(digests.collect())
            }),
            Attribute::Flags => attributes.flags.map(|flags| json!(flags.to_string())),
            Attribute::Device => attributes
                .device
                .map(|(major, minor)| json!(format!("{major}:{minor}"))),
            Attribute::Sha256 => {
                // A digest of another kind goes by its own name.
                match &attributes.digest {
                    Some(Digest::Md5(bytes)) => {
                        object.insert("md5".into(), json!(escape::hex(bytes)));
                        None
                    }
                    Some(Digest::Sha256(bytes)) => Some(json!(escape::hex(bytes))),
                    None => None,
                }
            }
        };
        if let Some(value) = value {
            object.insert(attribute.name().into(), value);
        }
    }
    Value::Object(object)
}

/// The time in UTC to the nanosecond (RFC 3339); seconds since 1970 where the year has not four digits.
pub fn rfc3339(time: Timestamp) -> String {
    let nanoseconds = i32::try_from(time.nanoseconds).unwrap_or(0);
    match jiff::Timestamp::new(time.seconds, 0)
        .and_then(|t| t.checked_add(jiff::SignedDuration::new(0, nanoseconds)))
    {
        Ok(timestamp) => format!("{timestamp:.9}"),
        Err(_) => format!("{}.{:09}", time.seconds, time.nanoseconds),
    }
}
