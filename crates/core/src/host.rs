//! Which host: the names by which reports and events tell one from another. Values only.

use crate::benchmarks::Benchmarks;
use serde_json::{Value, json};

/// A host as it knows itself. A text is empty, and an option `None`, where the host has no such thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// uname(2)'s node name; of a mounted image `/etc/hostname`.
    pub hostname: String,
    /// machine-id(5)
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id`; another one after every boot.
    pub boot_id: String,
    /// Distribution and version, as `debian 12`.
    pub os: String,
    /// The benchmarks for that distribution.
    pub benchmarks: Benchmarks,
    /// EC2 instance id: DMI's board_asset_tag, set by the hypervisor and not by the guest; where there is none,
    /// the verified identity document's.
    pub instance_id: String,
    /// What else the metadata service says; `None` off EC2 or while it does not answer.
    pub cloud: Option<Box<Cloud>>,
}

/// What the instance identity document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cloud {
    /// Image id.
    pub image_id: String,
    /// Account id, twelve digits.
    pub account_id: String,
    /// As `eu-central-1`.
    pub region: String,
    /// As `eu-central-1a`.
    pub zone: String,
    /// As `t3.micro`.
    pub instance_type: String,
    /// Its private IPv4 address.
    pub private_ip: String,
    /// Whether AWS's signature over the document was verified, and the document is this instance's.
    pub verified: bool,
}

impl Host {
    /// What a launch record is bound to: the instance id, else the machine id; `None` if neither is known.
    pub fn binding(&self) -> Option<String> {
        [&self.instance_id, &self.machine_id]
            .into_iter()
            .find(|id| !id.is_empty())
            .cloned()
    }

    /// Whether this is no longer what `now` is: booted again, or an image that was cloned.
    ///
    /// What the metadata service said is then to be asked again, with a token of its own: a token is good on its
    /// instance alone.
    pub fn is_stale(&self, now: &Host) -> bool {
        // Where DMI has no id, as on Xen, `now` says nothing of what the metadata service has told.
        let another = !now.instance_id.is_empty() && self.instance_id != now.instance_id;
        another || self.boot_id != now.boot_id || self.machine_id != now.machine_id
    }

    /// The object `host` of the JSON contract; what is not known is `null`.
    pub fn to_json(&self) -> Value {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let cloud = |member: fn(&Cloud) -> &str| {
            let cloud = self.cloud.as_deref();
            cloud.and_then(|cloud| text(member(cloud)))
        };
        json!({
            "hostname": text(&self.hostname),
            "machine_id": text(&self.machine_id),
            "boot_id": text(&self.boot_id),
            "instance_id": text(&self.instance_id),
            "image_id": cloud(|cloud| &cloud.image_id),
            "account_id": cloud(|cloud| &cloud.account_id),
            "region": cloud(|cloud| &cloud.region),
            "zone": cloud(|cloud| &cloud.zone),
            "instance_type": cloud(|cloud| &cloud.instance_type),
            "identity_verified": self.cloud.as_ref().map(|cloud| cloud.verified),
            "os": text(&self.os),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(boot: &str, machine: &str, instance: &str) -> Host {
        Host {
            boot_id: boot.into(),
            machine_id: machine.into(),
            instance_id: instance.into(),
            ..Host::default()
        }
    }

    #[test]
    fn another_boot_machine_or_instance_makes_what_is_known_stale() {
        let known = host("b", "m", "i-1");
        for (now, stale) in [
            (host("b", "m", "i-1"), false),
            (host("c", "m", "i-1"), true),
            (host("b", "n", "i-1"), true),
            (host("b", "m", "i-2"), true),
            (host("b", "m", ""), false),
        ] {
            assert_eq!(known.is_stale(&now), stale, "{now:?}");
        }
    }

    #[test]
    fn keys_are_there_whatever_is_known() {
        let bare = Host::default().to_json();
        let whole = Host {
            cloud: Some(Box::new(Cloud {
                zone: "eu-central-1a".into(),
                ..Cloud::default()
            })),
            ..host("b", "m", "i-1")
        }
        .to_json();
        let keys = |value: &Value| -> Vec<String> {
            let object = value.as_object().expect("an object");
            object.keys().cloned().collect()
        };
        assert_eq!(keys(&bare), keys(&whole));
        assert!(
            bare.as_object()
                .expect("an object")
                .values()
                .all(Value::is_null)
        );
        assert_eq!(whole["zone"], "eu-central-1a");
        assert_eq!(whole["region"], Value::Null);
        assert_eq!(whole["identity_verified"], false);
    }
}
