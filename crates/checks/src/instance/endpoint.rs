//! Where the metadata service is asked, and whether this host is on EC2 at all.

use agent_core::bounds;
use agent_core::config;
use agent_core::os::host::asset_tag;
use agent_core::os::root::Root;
use reqwest::Url;

/// The service's own addresses ("Access instance metadata", EC2 user guide).
const IPV4: &str = "http://169.254.169.254";
/// On Nitro instances, where it is switched on.
const IPV6: &str = "http://[fd00:ec2::254]";

/// What the environment says of the service, by the names that every AWS tool obeys ("AWS SDKs and Tools Reference
/// Guide", IMDS client).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// AWS_EC2_METADATA_SERVICE_ENDPOINT
    pub endpoint: Option<String>,
    /// AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE
    pub mode: Option<String>,
    /// AWS_EC2_METADATA_DISABLED
    pub disabled: Option<String>,
}

impl Environment {
    /// That of this process.
    pub fn own() -> Environment {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Environment {
            endpoint: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            mode: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
            disabled: variable("AWS_EC2_METADATA_DISABLED"),
        }
    }
}

/// Where the service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint(Url);

/// Whether somebody chose the endpoint: the host then counts as EC2, whatever DMI says.
pub(super) fn is_assigned(environment: &Environment, config: &config::Instance) -> bool {
    environment.endpoint.is_some() || config.endpoint.trim_end_matches('/') != IPV4
}

impl Endpoint {
    /// The environment wins over agent.toml, and that over AWS's own address. The error says what is wrong.
    pub(super) fn choose(
        environment: &Environment,
        config: &config::Instance,
    ) -> Result<Endpoint, String> {
        if let Some(url) = &environment.endpoint {
            return Endpoint::parse(url)
                .map_err(|why| format!("AWS_EC2_METADATA_SERVICE_ENDPOINT: {why}"));
        }
        if is_assigned(environment, config) {
            return Endpoint::parse(&config.endpoint)
                .map_err(|why| format!("instance.endpoint in agent.toml: {why}"));
        }
        match environment.mode.as_deref() {
            Some(mode) if mode.eq_ignore_ascii_case("ipv6") => Endpoint::parse(IPV6),
            Some(mode) if !mode.eq_ignore_ascii_case("ipv4") => {
                Err("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: expected IPv4 or IPv6".into())
            }
            _ => Endpoint::parse(IPV4),
        }
    }

    fn parse(text: &str) -> Result<Endpoint, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.path() == "/";
        match url.scheme() == "http" && url.has_host() && bare {
            true => Ok(Endpoint(url)),
            false => Err("expected http://HOST[:PORT]".into()),
        }
    }

    /// AWS's IPv6 address.
    pub(super) fn ipv6() -> Option<Endpoint> {
        Endpoint::parse(IPV6).ok()
    }

    pub(super) fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// For a TCP connection: a name or an address without brackets, and the port.
    pub(super) fn host_and_port(&self) -> (String, u16) {
        let host = self.0.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        (
            bare.to_owned(),
            self.0.port_or_known_default().unwrap_or(80),
        )
    }

    /// For the header `Host`, and for people.
    pub(super) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

/// Whether the URL is one of AWS's own addresses, however it is written.
pub(super) fn is_awss(url: &str) -> bool {
    let Ok(url) = Url::parse(url.trim()) else {
        return false;
    };
    let own = [IPV4, IPV6].map(Url::parse);
    own.into_iter().flatten().any(|own| {
        (own.scheme(), own.host(), own.port_or_known_default())
            == (url.scheme(), url.host(), url.port_or_known_default())
    })
}

/// What the firmware and the hypervisor say ("Detect whether a host is an EC2 instance", EC2 user guide).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platform {
    /// EC2 on Nitro, with the instance id that the hypervisor wrote into DMI.
    Nitro(String),
    /// EC2 on Xen, which has no place for an instance id.
    Xen,
    /// Not EC2.
    Elsewhere,
}

impl Platform {
    /// Reads it. Files of some hundred bytes, nothing that waits.
    pub fn read(root: &Root) -> Platform {
        if let Some(id) = asset_tag(root) {
            return Platform::Nitro(id);
        }
        let uuid = |path: &str| {
            let bytes = root
                .read(path.as_bytes(), bounds::SHORT_FILE)
                .ok()
                .flatten();
            String::from_utf8_lossy(&bytes.unwrap_or_default())
                .trim()
                .to_ascii_lowercase()
        };
        let hypervisor = uuid("sys/hypervisor/uuid").starts_with("ec2");
        match hypervisor || is_ec2(&uuid("sys/devices/virtual/dmi/id/product_uuid")) {
            true => Platform::Xen,
            false => Platform::Elsewhere,
        }
    }
}

/// Whether a UUID in lower case begins with `ec2`, or would if its first four bytes stood the other way round
/// (`45e12aec-…`).
fn is_ec2(uuid: &str) -> bool {
    uuid.starts_with("ec2") || (uuid.get(6..8) == Some("ec") && uuid.get(4..5) == Some("2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_word_on_the_endpoint_wins() {
        let choose = |environment: [&str; 2], configured: &str| {
            let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let environment = Environment {
                endpoint: set(environment[0]),
                mode: set(environment[1]),
                disabled: None,
            };
            let config = config::Instance {
                endpoint: configured.into(),
                ..config::Instance::default()
            };
            let assigned = is_assigned(&environment, &config);
            Endpoint::choose(&environment, &config).map(|endpoint| (endpoint.authority(), assigned))
        };
        let ours = "http://10.0.0.1:8080";
        for (environment, configured, authority, assigned) in [
            (["", ""], IPV4, "169.254.169.254", false),
            (["", "IPv6"], IPV4, "[fd00:ec2::254]", false),
            (["", "ipv4"], IPV4, "169.254.169.254", false),
            (["", "IPv6"], ours, "10.0.0.1:8080", true),
            (["http://a.test", "IPv6"], ours, "a.test", true),
            (
                ["http://169.254.169.254/", ""],
                ours,
                "169.254.169.254",
                true,
            ),
        ] {
            let expected = Ok((authority.to_owned(), assigned));
            assert_eq!(choose(environment, configured), expected);
        }
        for (environment, configured) in [
            (["https://a.test", ""], IPV4),
            (["http://user:secret@a.test", ""], IPV4),
            (["http://a.test/latest", ""], IPV4),
            (["nonsense", ""], IPV4),
            (["", "both"], IPV4),
            (["", ""], "ftp://a.test"),
        ] {
            let error = choose(environment, configured).expect_err("refused");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn awss_own_addresses_however_they_are_written() {
        for (url, own) in [
            (IPV4, true),
            ("http://169.254.169.254:80/", true),
            ("http://[fd00:ec2:0:0::254]/latest/", true),
            ("http://169.254.169.254:8080", false),
            ("https://169.254.169.254", false),
            ("http://169.254.169.254.evil.test", false),
            ("", false),
        ] {
            assert_eq!(is_awss(url), own, "{url}");
        }
    }

    #[test]
    fn both_orders_of_bytes_in_a_uuid() {
        for (uuid, ec2) in [
            ("ec2e1916-9099-7caf-fd21-012345abcdef", true),
            ("45e12aec-dcd1-b213-94ed-012345abcdef", true),
            ("4c4c4544-0051-4410-8051-b4c04f463232", false),
            ("", false),
            ("ü5e12aec", false),
        ] {
            assert_eq!(is_ec2(uuid), ec2, "{uuid}");
        }
    }
}
