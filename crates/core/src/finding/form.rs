//! How the parts of a finding are written that are not what serde would make of them.

use super::Check;
use crate::attributes::{Attribute, AttributeSet};
use crate::escape;
use base64ct::{Base64, Encoding};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// In a finding a check is its id.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// `subject` as text; where that does not give all of its bytes, they stand in `subject_base64`.
pub(super) mod subject {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Keys {
        subject: String,
        subject_base64: Option<String>,
    }

    pub(in super::super) fn serialize<S: Serializer>(
        subject: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let (text, whole) = escape::lossless_text(subject);
        let keys = Keys {
            subject: text,
            subject_base64: (!whole).then(|| Base64::encode_string(subject)),
        };
        keys.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let keys = Keys::deserialize(deserializer)?;
        match keys.subject_base64 {
            None => Ok(keys.subject.into_bytes()),
            Some(bytes) => Base64::decode_vec(&bytes)
                .map_err(|_| D::Error::custom("subject_base64 is not base64")),
        }
    }
}

/// The names of the attributes; null where there are none.
pub(super) mod changed {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        changed: &AttributeSet,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match changed.is_empty() {
            true => serializer.serialize_none(),
            false => serializer.collect_seq(changed.iter().map(Attribute::name)),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<AttributeSet, D::Error> {
        let names: Option<Vec<String>> = Option::deserialize(deserializer)?;
        let attribute = |name: String| {
            Attribute::from_name(&name)
                .ok_or_else(|| D::Error::custom(format!("there is no attribute {name:?}")))
        };
        names.into_iter().flatten().map(attribute).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FILES_CHANGED, Finding, Severity, Verdict};
    use super::*;
    use crate::benchmarks::Benchmarks;
    use serde_json::{Value, json};

    fn finding(subject: &[u8]) -> Finding {
        let mut finding = Finding::new(
            &FILES_CHANGED,
            Verdict::Fail,
            Severity::High,
            subject,
            "changed",
        )
        .evidence(json!({ "size": 1 }), json!({ "size": 2 }))
        .location("/a:1")
        .remediation("mend it");
        finding.changed = AttributeSet::NONE.with(Attribute::Size);
        finding
    }

    #[test]
    fn it_is_the_object_of_the_contract() {
        let object = finding(b"/a\xff").to_json(Benchmarks::default());
        let expected = r#"{"kind":"finding","check":"files.changed","verdict":"fail","severity":"high","subject":"/a\\xff","subject_base64":"L2H/","changed":["size"],"expected":{"size":1},"observed":{"size":2},"message":"changed","location":"/a:1","remediation":"mend it","waived_by":null,"lines":null,"explained_by":null,"unexplained_severity":null,"references":["PCI DSS 11.5.2","NIST SP 800-53 SI-7"]}"#;
        assert_eq!(object.to_string(), expected);
        let bare = Finding::new(&FILES_CHANGED, Verdict::Pass, Severity::Low, "/a", "as is");
        let expected = r#"{"kind":"finding","check":"files.changed","verdict":"pass","severity":"low","subject":"/a","subject_base64":null,"changed":null,"expected":null,"observed":null,"message":"as is","location":null,"remediation":null,"waived_by":null,"lines":null,"explained_by":null,"unexplained_severity":null,"references":["PCI DSS 11.5.2","NIST SP 800-53 SI-7"]}"#;
        assert_eq!(bare.to_json(Benchmarks::default()).to_string(), expected);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        for subject in [&b"/a"[..], b"/a\xff", b"/a\\xff", b"", b"/a\n\""] {
            let finding = finding(subject);
            let text = serde_json::to_vec(&finding).expect("it is written");
            let read: Finding<String> = serde_json::from_slice(&text).expect("it is read");
            assert_eq!(read, finding.by_id());
        }
    }

    #[test]
    fn another_build_may_write_less_and_more() {
        let finding = finding(b"/a");
        let mut object = finding.to_json(Benchmarks::default());
        object["of_a_later_build"] = json!({ "a": [1, null] });
        let read = |object: &Value| serde_json::from_value::<Finding<String>>(object.clone()).ok();
        assert_eq!(read(&object), Some(finding.by_id()));
        let least = json!({
            "check": "a.b", "verdict": "unknown", "severity": "low", "subject": "x", "message": "m",
        });
        let read_least = read(&least).expect("it is read");
        let check = read_least.check.clone();
        let expected = Finding::new(&FILES_CHANGED, Verdict::Unknown, Severity::Low, "x", "m");
        assert_eq!(read_least, expected.with_check(check));
        for (key, value) in [
            ("subject_base64", json!("?")),
            ("changed", json!(["no such attribute"])),
            ("verdict", json!("perhaps")),
            ("subject", Value::Null),
        ] {
            let mut wrong = object.clone();
            wrong[key] = value;
            assert_eq!(read(&wrong), None, "{key}");
        }
    }
}
