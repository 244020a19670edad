//! What the service holds: the tree of items, the identity with its signature, the role's credentials.

use base64ct::{Base64, Encoding};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// The instance that the service speaks of.
#[derive(Clone, Debug)]
pub struct Identity {
    pub instance_id: String,
    pub image_id: String,
    pub account_id: String,
    pub region: String,
    pub zone: String,
    pub instance_type: String,
    /// When the instance was started, RFC 3339.
    pub pending_time: String,
}

impl Default for Identity {
    fn default() -> Identity {
        Identity {
            instance_id: "i-0123456789abcdef0".into(),
            image_id: "ami-0123456789abcdef0".into(),
            account_id: "123456789012".into(),
            region: "eu-central-1".into(),
            zone: "eu-central-1a".into(),
            instance_type: "t3.micro".into(),
            pending_time: "2026-11-01T10:00:00Z".into(),
        }
    }
}

impl Identity {
    /// The identity document, with the members and in the layout of the real one.
    pub fn document(&self) -> String {
        let document = json!({
            "accountId": self.account_id,
            "architecture": "x86_64",
            "availabilityZone": self.zone,
            "billingProducts": null,
            "devpayProductCodes": null,
            "marketplaceProductCodes": null,
            "imageId": self.image_id,
            "instanceId": self.instance_id,
            "instanceType": self.instance_type,
            "kernelId": null,
            "pendingTime": self.pending_time,
            "privateIp": "10.0.1.242",
            "ramdiskId": null,
            "region": self.region,
            "version": "2017-09-30",
        });
        serde_json::to_string_pretty(&document).expect("JSON")
    }
}

/// An instance role and its credentials.
#[derive(Clone, Debug)]
pub struct Role {
    name: String,
    seconds: i64,
    issued: i64,
    key_id: String,
    secret: String,
    session: String,
}

impl Role {
    /// Credentials for so many seconds from now.
    pub fn new(name: &str, seconds: i64) -> Role {
        Role {
            name: name.into(),
            seconds,
            issued: now(),
            key_id: format!("ASIA{}", random(16).to_uppercase()),
            secret: random(40),
            session: format!("IQoJ{}", random(200)),
        }
    }

    fn json(&self) -> String {
        let time = |seconds: i64| {
            let time = jiff::Timestamp::from_second(seconds).expect("in range");
            time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let object = json!({
            "Code": "Success",
            "LastUpdated": time(self.issued),
            "Type": "AWS-HMAC",
            "AccessKeyId": self.key_id,
            "SecretAccessKey": self.secret,
            "Token": self.session,
            "Expiration": time(self.issued + self.seconds),
        });
        serde_json::to_string_pretty(&object).expect("JSON")
    }
}

/// The items by path below the version, as `meta-data/ami-id`.
pub(super) struct Contents {
    items: BTreeMap<String, String>,
    pub(super) role: Option<Role>,
    handed_out: Vec<String>,
}

impl Contents {
    pub(super) fn of(identity: &Identity) -> Contents {
        let items = [
            ("dynamic/instance-identity/document", identity.document()),
            ("meta-data/ami-id", identity.image_id.clone()),
            ("meta-data/hostname", "ip-10-0-1-242.ec2.internal".into()),
            ("meta-data/instance-id", identity.instance_id.clone()),
            ("meta-data/instance-type", identity.instance_type.clone()),
            (
                "meta-data/local-hostname",
                "ip-10-0-1-242.ec2.internal".into(),
            ),
            ("meta-data/local-ipv4", "10.0.1.242".into()),
            ("meta-data/mac", "02:00:00:00:00:01".into()),
            (
                "meta-data/placement/availability-zone",
                identity.zone.clone(),
            ),
            ("meta-data/placement/region", identity.region.clone()),
            ("meta-data/reservation-id", "r-0123456789abcdef0".into()),
            ("meta-data/services/domain", "amazonaws.com".into()),
            ("meta-data/services/partition", "aws".into()),
        ];
        Contents {
            items: items
                .into_iter()
                .map(|(path, text)| (path.to_owned(), text))
                .collect(),
            role: None,
            handed_out: Vec::new(),
        }
    }

    pub(super) fn document(&self) -> String {
        self.items["dynamic/instance-identity/document"].clone()
    }

    pub(super) fn set(&mut self, path: &str, text: Option<&str>) {
        match text {
            Some(text) => self.items.insert(path.to_owned(), text.to_owned()),
            None => self.items.remove(path),
        };
    }

    pub(super) fn rotate(&mut self) {
        if let Some(role) = &self.role {
            self.role = Some(Role::new(&role.name, role.seconds));
        }
    }

    /// Secrets that went out with the last answers.
    pub(super) fn handed_out(&mut self) -> Vec<String> {
        std::mem::take(&mut self.handed_out)
    }

    /// The item at `/VERSION/PATH`, or the list of what is below it.
    pub(super) fn get(&mut self, path: &str) -> Option<String> {
        let path = path.split('?').next().unwrap_or_default();
        let (version, below) = path.strip_prefix('/')?.split_once('/').unwrap_or_default();
        let dated = version.len() == 10 && version.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        if version != "latest" && !dated {
            return (path == "/").then(|| "2021-01-03\n2021-07-15\n2024-04-11\nlatest".into());
        }
        if let Some(found) = self.of_the_role(below) {
            return Some(found);
        }
        if let Some(text) = self.items.get(below.trim_end_matches('/')) {
            return Some(text.clone());
        }
        let prefix = match below.trim_end_matches('/') {
            "" => String::new(),
            directory => format!("{directory}/"),
        };
        let mut names: Vec<String> = Vec::new();
        let role = self.role.iter().map(|_| "meta-data/iam/info");
        for item in self.items.keys().map(String::as_str).chain(role) {
            let Some(rest) = item.strip_prefix(&prefix) else {
                continue;
            };
            let name = match rest.split_once('/') {
                Some((directory, _)) => format!("{directory}/"),
                None => rest.to_owned(),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| names.join("\n"))
    }

    fn of_the_role(&mut self, below: &str) -> Option<String> {
        let role = self.role.as_mut()?;
        let credentials = "meta-data/iam/security-credentials";
        match below.trim_end_matches('/') {
            "meta-data/iam/info" => {
                let info = json!({
                    "Code": "Success",
                    "LastUpdated": "2026-11-05T10:00:00Z",
                    "InstanceProfileArn": format!("arn:aws:iam::123456789012:instance-profile/{}", role.name),
                    "InstanceProfileId": "AIPA0123456789EXAMPLE",
                });
                Some(serde_json::to_string_pretty(&info).expect("JSON"))
            }
            "meta-data/iam" => Some("info\nsecurity-credentials/".into()),
            path if path == credentials => Some(role.name.clone()),
            path if path.strip_prefix(credentials)?.strip_prefix('/')? == role.name => {
                if now() > role.issued + role.seconds / 2 {
                    *role = Role::new(&role.name, role.seconds);
                }
                self.handed_out = vec![role.secret.clone(), role.session.clone()];
                Some(role.json())
            }
            _ => None,
        }
    }
}

/// Signs identity documents, as AWS does in one region.
///
/// The key and its certificate are openssl's, and so is the signature: nothing of the agent's own code is in it.
pub struct Authority {
    directory: tempfile::TempDir,
}

impl Authority {
    /// A fresh key of 2048 bits with a certificate of the same form as AWS's.
    pub fn new() -> Authority {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let status = Command::new("openssl")
            .args(
                "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem".split(' '),
            )
            .args("-days 3650 -sha256 -subj".split(' '))
            .arg("/C=US/ST=Washington State/L=Seattle/O=Amazon Web Services LLC")
            .current_dir(directory.path())
            .stderr(Stdio::null())
            .status()
            .expect("openssl");
        assert!(status.success(), "openssl req");
        Authority { directory }
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    /// What stands at `dynamic/instance-identity/rsa2048`: PKCS #7 with the document in it and without a
    /// certificate, in BER of indefinite length, base64 without header and footer.
    pub fn sign(&self, document: &[u8]) -> String {
        self.sign_with(document, &["-stream"])
    }

    /// The same with other arguments for `openssl cms -sign`; `-stream` makes lengths indefinite.
    pub fn sign_with(&self, document: &[u8], arguments: &[&str]) -> String {
        let place = self.directory.path();
        std::fs::write(place.join("document"), document).expect("a file");
        let output = Command::new("openssl")
            .args("cms -sign -binary -nodetach -nocerts -nosmimecap -md sha256".split(' '))
            .args("-signer certificate.pem -inkey key.pem -in document -outform DER".split(' '))
            .args(arguments)
            .current_dir(place)
            .output()
            .expect("openssl");
        assert!(output.status.success(), "{output:?}");
        let encoded = Base64::encode_string(&output.stdout);
        let lines = encoded.as_bytes().chunks(76).map(String::from_utf8_lossy);
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("in range")
}

/// Letters and digits that nobody has seen before.
pub(super) fn random(count: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(count)
        .collect()
}
