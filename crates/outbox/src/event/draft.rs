//! An event before it has its place in the chain: the parts that all classes share, and the limits.

use super::source::EventSource;
use super::{OCSF_VERSION, PRODUCT};
use agent_core::finding::Severity;
use serde_json::{Map, Value, json};
use std::io;

/// What a CloudWatch subscription and ASFF (240 KB) still take.
// Own bound: the receivers'.
pub const MAX_BYTES: usize = 200_000;
/// CloudWatch Logs Insights stops at 200 fields (100 in older texts).
// Own bound: the receiver's.
pub const MAX_LEAVES: usize = 100;
/// Leaves that sealing adds: sequence, uid, logged_time, chain id, prev, and of a first event the reason
/// and what it comes after.
const SEAL_LEAVES: usize = 9;
const SEAL_BYTES: usize = 1024;

/// An event without sequence, uid and chain.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) object: Map<String, Value>,
    /// What OCSF has no place for. It stands last.
    pub(super) unmapped: Map<String, Value>,
    /// When it came about, in milliseconds since 1970.
    pub time: i64,
}

/// An OCSF class and what is being done in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub(super) uid: u64,
    pub(super) name: &'static str,
    pub(super) category: u64,
    pub(super) activity: u64,
    pub(super) activity_name: &'static str,
}

impl Class {
    fn type_uid(&self) -> u64 {
        self.uid.saturating_mul(100).saturating_add(self.activity)
    }
}

/// `severity_id` 1: nobody needs to look.
pub(super) const INFORMATIONAL: (u64, &str) = (1, "Informational");

/// `severity_id` and its caption.
pub(super) fn severity(severity: Severity) -> (u64, &'static str) {
    match severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

impl Draft {
    /// The beginning of every event. What people ask for first stands first: tools that stop at so many
    /// fields keep it.
    pub(super) fn new(
        class: Class,
        severity: (u64, &str),
        status: (u64, &str),
        message: &str,
        now: i64,
    ) -> Draft {
        let object = json!({
            "time": now,
            "class_uid": class.uid,
            "class_name": class.name,
            "category_uid": class.category,
            "activity_id": class.activity,
            "activity_name": class.activity_name,
            "type_uid": class.type_uid(),
            "severity_id": severity.0,
            "severity": severity.1,
            "status_id": status.0,
            "status": status.1,
            "message": message,
        });
        let object = match object {
            Value::Object(object) => object,
            _ => Map::new(),
        };
        Draft {
            object,
            unmapped: Map::new(),
            time: now,
        }
    }

    pub(super) fn with(mut self, key: &str, value: Value) -> Draft {
        self.object.insert(key.into(), value);
        self
    }

    /// Puts `value` under `unmapped`, where OCSF has no place for it. Null is left out.
    pub(super) fn unmapped(mut self, key: &str, value: Value) -> Draft {
        if !value.is_null() {
            self.unmapped.insert(key.into(), value);
        }
        self
    }

    /// The end of every event: product, host and cloud; and, if it is too large, less of what is
    /// largest. A field goes whole or stays whole.
    pub(super) fn finish(mut self, source: &EventSource) -> Draft {
        let host = &source.host;
        let mut profiles = vec!["host"];
        if let Some(cloud) = cloud(source) {
            profiles.insert(0, "cloud");
            self.object.insert("cloud".into(), cloud);
        }
        self.object.insert("device".into(), device(source));
        let mut metadata = json!({
            "version": OCSF_VERSION,
            "product": { "name": PRODUCT, "vendor_name": PRODUCT, "version": env!("CARGO_PKG_VERSION") },
            "profiles": profiles,
            "log_name": "integrity",
        });
        if !host.boot_id.is_empty() {
            metadata["correlation_uid"] = json!(host.boot_id);
        }
        self.object.insert("metadata".into(), metadata);
        self.trim();
        self
    }

    /// Leaves out what is largest and matters least until the event is within the limits.
    fn trim(&mut self) {
        let mut left_out = Vec::new();
        let mut fits = self.fits();
        for path in [
            &["observables"][..],
            &["unmapped", "expected"],
            &["unmapped", "observed"],
            &["remediation", "references"],
            &["compliance", "standards"],
            &["resources"],
            &["actor"],
            &["evidences"],
            &["unmapped", "subject_base64"],
            &["compliance", "requirements"],
            &["remediation"],
        ] {
            if fits {
                break;
            }
            let removed = match path {
                ["unmapped", rest @ ..] => remove(&mut self.unmapped, rest),
                path => remove(&mut self.object, path),
            };
            if removed {
                left_out.push(path.join("."));
                self.unmapped
                    .insert("left_out".into(), json!(left_out.join(" ")));
                fits = self.fits();
            }
        }
        if !fits && let Some(Value::String(message)) = self.object.get_mut("message") {
            // Long names are all that is left. A cut message says so.
            let cut = message
                .char_indices()
                .map(|(at, _)| at)
                .take_while(|at| *at <= 4096)
                .last();
            message.truncate(cut.unwrap_or(0));
            message.push_str(" …");
        }
    }

    /// The object as it is, on one line.
    pub fn text(self) -> Vec<u8> {
        let mut object = self.object;
        if !self.unmapped.is_empty() {
            object.insert("unmapped".into(), Value::Object(self.unmapped));
        }
        Value::Object(object).to_string().into_bytes()
    }

    fn fits(&self) -> bool {
        let mut length = Length(0);
        for object in [&self.object, &self.unmapped] {
            if serde_json::to_writer(&mut length, object).is_err() {
                return false;
            }
        }
        let Length(bytes) = length;
        let leaves = [
            leaves_of(&self.object),
            leaves_of(&self.unmapped),
            SEAL_LEAVES,
        ];
        leaves.into_iter().fold(0, usize::saturating_add) <= MAX_LEAVES
            && bytes.saturating_add(SEAL_BYTES) <= MAX_BYTES
    }
}

/// Counts what is written, and keeps none of it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn remove(object: &mut Map<String, Value>, path: &[&str]) -> bool {
    match path {
        [] => false,
        [last] => object.shift_remove(*last).is_some(),
        [first, rest @ ..] => match object.get_mut(*first) {
            Some(Value::Object(inner)) => remove(inner, rest),
            _ => false,
        },
    }
}

/// Fields as Insights counts them: arrays become `a.0.b`.
pub fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(object) => leaves_of(object),
        Value::Array(list) => list.iter().map(leaves).sum(),
        _ => 1,
    }
}

fn leaves_of(object: &Map<String, Value>) -> usize {
    object.values().map(leaves).sum()
}

/// The account and the place in the cloud; `None` off it.
fn cloud(source: &EventSource) -> Option<Value> {
    if source.host.cloud.is_none() && source.host.instance_id.is_empty() {
        return None;
    }
    let mut object = json!({ "provider": "AWS" });
    if let Some(cloud) = &source.host.cloud {
        for (key, value) in [("region", &cloud.region), ("zone", &cloud.zone)] {
            if !value.is_empty() {
                object[key] = json!(value);
            }
        }
        if !cloud.account_id.is_empty() {
            object["account"] = json!({ "uid": cloud.account_id, "type_id": 10 });
        }
    }
    Some(object)
}

/// Which host it is, in as few fields as OCSF allows.
pub(super) fn device_id(source: &EventSource) -> Value {
    let host = &source.host;
    match (host.instance_id.as_str(), host.machine_id.as_str()) {
        ("", "") => json!({ "type_id": 1, "hostname": hostname(source) }),
        ("", machine) => json!({ "type_id": 1, "uid": machine }),
        (instance, _) => json!({ "type_id": 6, "instance_uid": instance }),
    }
}

fn hostname(source: &EventSource) -> &str {
    match source.host.hostname.as_str() {
        "" => "localhost",
        name => name,
    }
}

fn device(source: &EventSource) -> Value {
    let host = &source.host;
    let virtual_machine = !host.instance_id.is_empty();
    let uid = [&host.instance_id, &host.machine_id]
        .into_iter()
        .find(|id| !id.is_empty());
    let mut device = json!({
        "type_id": if virtual_machine { 6 } else { 1 },
        "hostname": hostname(source),
    });
    if let Some(uid) = uid {
        device["uid"] = json!(uid);
    }
    let cloud = host.cloud.as_deref();
    let mut put = |key: &str, value: &str| {
        if !value.is_empty() {
            device[key] = json!(value);
        }
    };
    put("instance_uid", &host.instance_id);
    put("ip", &source.ip);
    if let Some(cloud) = cloud {
        put("region", &cloud.region);
        put("model", &cloud.instance_type);
        if !cloud.image_id.is_empty() {
            device["image"] = json!({ "uid": cloud.image_id });
        }
    }
    if !host.os.is_empty() {
        let (name, version) = host.os.rsplit_once(' ').unwrap_or((&host.os, ""));
        device["os"] = json!({ "name": name, "type_id": 200 });
        if !version.is_empty() {
            device["os"]["version"] = json!(version);
        }
    }
    device
}

/// The instance as a resource, by its ARN where the account is known.
pub(super) fn resources(source: &EventSource) -> Option<Value> {
    let id = &source.host.instance_id;
    if id.is_empty() {
        return None;
    }
    let mut resource = json!({ "name": id, "type": "AWS::EC2::Instance" });
    if let Some(cloud) = source.host.cloud.as_deref()
        && !cloud.account_id.is_empty()
    {
        let partition = match cloud.region.split('-').next() {
            Some("cn") => "aws-cn",
            _ if cloud.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        resource["uid"] = json!(format!(
            "arn:{partition}:ec2:{}:{}:instance/{id}",
            cloud.region, cloud.account_id
        ));
    }
    Some(json!([resource]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_goes_whole() {
        let class = Class {
            uid: 6008,
            name: "Application Error",
            category: 6,
            activity: 1,
            activity_name: "General Error",
        };
        let long = "x".repeat(300 * 1024);
        let many: Vec<u32> = (0..300).collect();
        for (observables, message) in [(json!(long), "m"), (json!(many), "m"), (json!(1), &*long)] {
            let draft = Draft::new(class, INFORMATIONAL, (1, "Success"), message, 5)
                .with("observables", observables)
                .finish(&EventSource::default());
            assert!(draft.fits());
            assert_eq!(draft.unmapped["left_out"], "observables");
        }
    }
}
