//! Where events come from: the host, and what it is judged by. Values only.

use agent_core::finding::Check;
use agent_core::host::Host;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What every event says of its origin. Replaceable while the agent runs, since the metadata service
/// may answer late and a reload may bring another manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSource {
    /// The host.
    pub host: Host,
    /// IPv4 or IPv6 address of the host, if one is known; empty otherwise.
    pub ip: String,
    /// What files and settings are judged by.
    pub digests: Digests,
    /// The checks that there are: their titles and demands stand in events.
    pub checks: Arc<[&'static Check]>,
}

impl EventSource {
    /// The check of that id, if this build has it.
    pub fn check(&self, id: &str) -> Option<&'static Check> {
        self.checks.iter().copied().find(|check| check.id == id)
    }
}

/// SHA-256 digests, in lower-case hexadecimal, of what verdicts rest on; empty where there is none.
///
/// The first event of a boot and every heartbeat name them, so that the log side can compare them with
/// the image catalogue: a root intruder replaces files on the host, not what was already shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// Of the manifest.
    pub manifest: String,
    /// Who sealed it, as `PRINCIPAL (FINGERPRINT)`; empty if no trusted signer did.
    pub signer: String,
    /// Name of the profile in force.
    pub profile_name: String,
    /// Of the profile in force.
    pub profile: String,
    /// Of the launch record.
    pub launch_record: String,
    /// Of the amendments in use, in order.
    pub amendments: Vec<String>,
    /// Of the agent's own binary.
    pub binary: String,
}

/// Those that there are, as events have them.
pub(super) fn digests(digests: &Digests) -> Value {
    let mut object = Map::new();
    for (key, value) in [
        ("manifest", &digests.manifest),
        ("signer", &digests.signer),
        ("profile_name", &digests.profile_name),
        ("profile", &digests.profile),
        ("launch_record", &digests.launch_record),
        ("binary", &digests.binary),
    ] {
        if !value.is_empty() {
            object.insert(key.into(), json!(value));
        }
    }
    if !digests.amendments.is_empty() {
        // One leaf, however many there are.
        object.insert("amendments".into(), json!(digests.amendments.join(" ")));
    }
    Value::Object(object)
}
