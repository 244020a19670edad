//! A finding: one verdict of one check on one subject, with its evidence. Values only.

mod file_checks;
mod form;

pub use file_checks::{
    FILE_CHECKS, FILES_ADDED, FILES_AMENDMENT, FILES_CHANGED, FILES_LAUNCH_RECORD, FILES_MOUNT,
    FILES_PROFILE, FILES_REMOVED, FILES_UNREADABLE,
};

use crate::attributes::{Attribute, AttributeSet, Attributes, NOBODY, Timestamp};
use crate::benchmarks::Benchmarks;
use crate::escape;
use crate::explained::ExplainedBy;
use crate::waiver::WaivedBy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a check concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Guides that demand the same on every distribution; numbers of benchmarks are the [`Benchmarks`]' matter.
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

/// One verdict of one check on one subject. By serde it is the object of the JSON contract but for its `references`, and
/// stored so too.
///
/// `C` is the check: its definition; or its id (`String`), where it is read again, by a build that may not have the check.
///
/// What is added must be an `Option`, or have a default: then stored findings that lack it can still be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename = "finding")]
pub struct Finding<C = &'static Check> {
    /// Which check.
    pub check: C,
    /// What it concluded.
    pub verdict: Verdict,
    /// How much it matters.
    pub severity: Severity,
    /// A path (`/etc/passwd`, any bytes), or the name of what was judged (`sshd`).
    #[serde(flatten, with = "form::subject")]
    pub subject: Vec<u8>,
    /// For files: which attributes differ.
    #[serde(default, with = "form::changed")]
    pub changed: AttributeSet,
    /// What should be; an object, or null.
    #[serde(default)]
    pub expected: Value,
    /// What is; an object, or null.
    #[serde(default)]
    pub observed: Value,
    /// One sentence for a person.
    pub message: String,
    /// `FILE:LINE` where the cause stands.
    pub location: Option<String>,
    /// What to do about it.
    pub remediation: Option<String>,
    /// Who answers for it, where the profile waives it.
    pub waived_by: Option<Box<WaivedBy>>,
    /// For files whose text is kept: the lines that changed, masked where they look like secrets.
    pub lines: Option<Vec<String>>,
    /// For files: what explains the change.
    pub explained_by: Option<ExplainedBy>,
    /// The severity without that; set only where one was lowered by it.
    pub unexplained_severity: Option<Severity>,
}

impl<C> Finding<C> {
    /// A finding without evidence yet, whatever names its check. See [`Finding::new`].
    pub fn of(
        check: C,
        verdict: Verdict,
        severity: Severity,
        subject: impl Into<Vec<u8>>,
        message: impl Into<String>,
    ) -> Finding<C> {
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
            waived_by: None,
            lines: None,
            explained_by: None,
            unexplained_severity: None,
        }
    }

    /// The same, with what should be and what is (objects of the JSON contract).
    #[must_use]
    pub fn evidence(self, expected: Value, observed: Value) -> Finding<C> {
        Finding {
            expected,
            observed,
            ..self
        }
    }

    /// The same, with where the cause stands (`FILE:LINE`).
    #[must_use]
    pub fn location(self, location: impl Into<String>) -> Finding<C> {
        Finding {
            location: Some(location.into()),
            ..self
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn remediation(self, text: impl Into<String>) -> Finding<C> {
        Finding {
            remediation: Some(text.into()),
            ..self
        }
    }

    /// The same of another check, or of the same under another name.
    pub fn with_check<D>(self, check: D) -> Finding<D> {
        Finding {
            check,
            verdict: self.verdict,
            severity: self.severity,
            subject: self.subject,
            changed: self.changed,
            expected: self.expected,
            observed: self.observed,
            message: self.message,
            location: self.location,
            remediation: self.remediation,
            waived_by: self.waived_by,
            lines: self.lines,
            explained_by: self.explained_by,
            unexplained_severity: self.unexplained_severity,
        }
    }
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
        Finding::of(check, verdict, severity, subject, message)
    }

    /// The same, with the id in the place of the check.
    pub fn by_id(&self) -> Finding<String> {
        self.clone().with_check(self.check.id.to_owned())
    }

    /// The object of the JSON contract, `"kind":"finding"`, with the numbers of those benchmarks.
    pub fn to_json(&self, benchmarks: Benchmarks) -> Value {
        // Strings, numbers and lists of them always can be written.
        let mut object = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(object) = &mut object {
            object.insert(
                "references".into(),
                json!(benchmarks.references(self.check)),
            );
        }
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
            Attribute::Uid => attributes.uid.map(account),
            Attribute::Gid => attributes.gid.map(account),
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
            Attribute::Flags => {
                // What lsattr(1) shows as V, with what was sealed.
                let seal = attributes.verity.as_deref();
                if let Some(seal) = seal {
                    object.insert("verity".into(), json!(seal));
                }
                let seal = seal.map_or("", |_| "V");
                attributes
                    .flags
                    .map(|flags| json!(format!("{flags}{seal}")))
            }
            Attribute::Device => attributes
                .device
                .map(|(major, minor)| json!(format!("{major}:{minor}"))),
            Attribute::Sha256 => {
                // A digest of another kind goes by its own name.
                if let Some(digest) = &attributes.digest {
                    let name = digest.algorithm().name();
                    object.insert(name.into(), json!(escape::hex(digest.bytes())));
                }
                None
            }
        };
        if let Some(value) = value {
            object.insert(attribute.name().into(), value);
        }
    }
    Value::Object(object)
}

/// A number of an account; null for one that the host lacks.
fn account(id: u32) -> Value {
    match id {
        NOBODY => Value::Null,
        id => json!(id),
    }
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
