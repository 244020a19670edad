//! What the sink has to know before it meets the service.

use agent_core::config;
use agent_core::error::{Error, Result};
use agent_core::host::Host;
use aws_credential_types::provider::SharedCredentialsProvider;
use std::time::Duration;

/// Where to send, as whom, and how patiently.
#[derive(Clone, Debug)]
pub struct Options {
    /// Log group; never created.
    pub group: String,
    /// Log stream; created when it is missing.
    pub stream: String,
    /// `None`: environment, profile, metadata service.
    pub region: Option<String>,
    /// A VPC endpoint or a test server; `None`: AWS's own.
    pub endpoint: Option<String>,
    /// A role to assume before writing.
    pub role_arn: Option<String>,
    /// The value of the session tag `InstanceId` when a role is assumed; empty: no tag.
    pub instance_id: String,
    /// Base URL of the metadata service; `None`: as AWS's tools find it.
    pub metadata: Option<String>,
    /// Whether this is an EC2 instance; `None`: not known.
    pub on_ec2: Option<bool>,
    /// Whether the sink is decided on, rather than used as soon as credentials are found.
    pub demanded: bool,
    /// The first send waits for up to this, so that a fleet that boots together doesn't send together.
    pub spread: Duration,
    /// So long is asked for credentials where nothing says that this is an EC2 instance: metadata may be late.
    pub late: Duration,
    /// To set up a connection.
    pub connect: Duration,
    /// For one call as a whole.
    pub call: Duration,
    /// Makes the jitter of one host differ from another's.
    pub seed: u64,
    /// Credentials that are given rather than found.
    pub credentials: Option<SharedCredentialsProvider>,
}

impl Options {
    /// For this group and stream; everything else as it is when nothing is configured.
    pub fn new(group: &str, stream: &str) -> Result<Options> {
        Ok(Options {
            group: named("log_group", group, |c| {
                // "'a'-'z', 'A'-'Z', '0'-'9', '_', '-', '/', '.', and '#'" (CreateLogGroup)
                c.is_ascii_alphanumeric() || "_-/.#".contains(c)
            })?,
            // "Don't use ':' (colon) or '*' (asterisk) characters." (CreateLogStream)
            stream: named("log_stream", stream, |c| {
                !matches!(c, ':' | '*') && !c.is_control()
            })?,
            region: None,
            endpoint: None,
            role_arn: None,
            instance_id: String::new(),
            metadata: None,
            on_ec2: None,
            demanded: false,
            spread: Duration::from_secs(30),
            late: Duration::from_secs(120),
            connect: Duration::from_secs(5),
            call: Duration::from_secs(60),
            seed: 0,
            credentials: None,
        })
    }

    /// As `agent.toml` says, on this host.
    ///
    /// `{instance_id}` off EC2 becomes the host's name.
    pub fn configured(config: &config::Config, host: &Host, seed: u64) -> Result<Options> {
        let sink = &config.sinks.cloudwatch_logs;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let unless = |word: &str, text: &str| some(text).filter(|text| text != word);
        Ok(Options {
            region: unless("auto", &sink.region),
            endpoint: some(&sink.endpoint),
            role_arn: some(&sink.role_arn),
            instance_id: host.instance_id.clone(),
            metadata: unless(
                &config::Instance::default().endpoint,
                &config.instance.endpoint,
            ),
            // Without an id it may still be an older instance type whose metadata are late.
            on_ec2: (!host.instance_id.is_empty()).then_some(true),
            demanded: sink.enabled == config::Enabled::Yes,
            seed,
            ..Options::new(&sink.log_group, &stream(&sink.log_stream, host))?
        })
    }
}

/// The stream's name for this host.
fn stream(template: &str, host: &Host) -> String {
    let or = |one: &str, other: &str| {
        if one.is_empty() {
            other.to_owned()
        } else {
            one.to_owned()
        }
    };
    let hostname = or(&host.hostname, &host.machine_id);
    template
        .replace("{instance_id}", &or(&host.instance_id, &hostname))
        .replace("{hostname}", &hostname)
}

/// "Length Constraints: Minimum length of 1. Maximum length of 512."
fn named(key: &str, name: &str, takes: impl Fn(char) -> bool) -> Result<String> {
    if (1..=512).contains(&name.chars().count()) && name.chars().all(takes) {
        return Ok(name.to_owned());
    }
    Err(Error::new(format!(
        "sinks.cloudwatch_logs.{key}: CloudWatch Logs takes no such name: \"{name}\""
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_service() {
        let long = "x".repeat(513);
        for (group, stream, good) in [
            ("/host-integrity-agent", "i-0123", true),
            ("a_b.c#D/9", "größe with spaces", true),
            ("with space", "s", false),
            ("", "s", false),
            ("g", "", false),
            ("g", "a:b", false),
            ("g", "a*", false),
            (long.as_str(), "s", false),
            ("g", long.as_str(), false),
        ] {
            assert_eq!(
                Options::new(group, stream).is_ok(),
                good,
                "{group} {stream}"
            );
        }
    }

    #[test]
    fn the_stream_is_named_after_the_host() {
        let instance = Host {
            hostname: "ip-10-0-0-1".into(),
            instance_id: "i-0abc".into(),
            machine_id: "1234".into(),
            ..Host::default()
        };
        let laptop = Host {
            instance_id: String::new(),
            ..instance.clone()
        };
        let nameless = Host {
            hostname: String::new(),
            ..laptop.clone()
        };
        for (template, host, name) in [
            ("{instance_id}", &instance, "i-0abc"),
            ("{hostname}/{instance_id}", &instance, "ip-10-0-0-1/i-0abc"),
            ("{instance_id}", &laptop, "ip-10-0-0-1"),
            ("{instance_id}", &nameless, "1234"),
            ("fixed", &instance, "fixed"),
        ] {
            assert_eq!(stream(template, host), name);
        }
    }

    #[test]
    fn the_configuration_says_where() {
        let host = Host {
            instance_id: "i-0abc".into(),
            ..Host::default()
        };
        let text = "[instance]\nendpoint = \"http://127.0.0.1:1\"\n[sinks.cloudwatch_logs]\nenabled = true\n\
                    log_group = \"g\"\nregion = \"eu-central-1\"\nendpoint = \"http://e\"\nrole_arn = \"arn\"\n";
        let config = config::Config::parse(text, std::path::Path::new("agent.toml")).expect("good");
        let options = Options::configured(&config, &host, 1).expect("good");
        assert_eq!(
            (options.group.as_str(), options.stream.as_str()),
            ("g", "i-0abc")
        );
        assert_eq!(options.region.as_deref(), Some("eu-central-1"));
        assert_eq!(options.endpoint.as_deref(), Some("http://e"));
        assert_eq!(options.role_arn.as_deref(), Some("arn"));
        assert_eq!(options.metadata.as_deref(), Some("http://127.0.0.1:1"));
        assert!(options.demanded && options.on_ec2 == Some(true));
        let options = Options::configured(&config::Config::default(), &host, 1).expect("good");
        assert!(!options.demanded);
        assert_eq!(
            (options.region, options.endpoint, options.metadata),
            (None, None, None)
        );
    }
}
