//! Where calls go, and who said so: whoever can set the environment of the agent, or a profile of AWS, can have all
//! events sent to another place (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").

use super::options::Options;
use aws_sdk_cloudwatchlogs::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_cloudwatchlogs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cloudwatchlogs::error::BoxError;
use std::sync::{Arc, Mutex, PoisonError};

/// Variables that name another endpoint for this service, the first that is set wins.
const VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_ENDPOINT_URL"];
/// The variable that has them ignored, and those of profiles.
const IGNORE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
/// Domains of AWS's partitions (botocore's partitions.json).
const DOMAINS: [&str; 9] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
];

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme and authority, as `https://logs.eu-central-1.amazonaws.com`.
    pub url: String,
    /// Who said so.
    pub set_by: SetBy,
}

/// Who named an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// `sinks.cloudwatch_logs.endpoint` in `agent.toml`.
    Configuration,
    /// That variable of the environment.
    Environment(&'static str),
    /// Nobody, as far as anybody can see: AWS's own, or a profile of AWS's configuration files.
    Sdk,
}

impl Endpoint {
    /// As far as it is known before anybody is called.
    pub fn configured(
        options: &Options,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Option<Endpoint> {
        let of = |url: &str, set_by| Endpoint {
            url: tidy(url),
            set_by,
        };
        if let Some(url) = &options.endpoint {
            return Some(of(url, SetBy::Configuration));
        }
        if environment(IGNORE).is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            return None;
        }
        VARIABLES.into_iter().find_map(|name| {
            let url = environment(name).filter(|url| !url.is_empty())?;
            Some(of(&url, SetBy::Environment(name)))
        })
    }

    /// What is known now that `url` was called.
    #[must_use]
    pub fn called(known: Option<&Endpoint>, url: &str) -> Endpoint {
        let same = known.filter(|known| known.url == url);
        same.cloned().unwrap_or_else(|| Endpoint {
            url: url.to_owned(),
            set_by: SetBy::Sdk,
        })
    }

    /// Whether it is AWS's own, over TLS.
    pub fn is_aws(&self) -> bool {
        let host = self.url.strip_prefix("https://").unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        DOMAINS.iter().any(|domain| host.ends_with(domain))
    }

    /// Whether a person should look at it: neither AWS's own nor named in `agent.toml`.
    pub fn is_foreign(&self) -> bool {
        !self.is_aws() && self.set_by != SetBy::Configuration
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Endpoint { url, set_by } = self;
        match set_by {
            SetBy::Configuration => write!(f, "{url} (endpoint in agent.toml)"),
            SetBy::Environment(name) => write!(f, "{url} ({name} in the environment)"),
            SetBy::Sdk if self.is_aws() => write!(f, "{url}"),
            SetBy::Sdk => write!(f, "{url} (endpoint_url in a profile of AWS)"),
        }
    }
}

/// Scheme and authority alone, without what a URL may carry of names and passwords.
fn tidy(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let plain = host.chars().filter(|c| !c.is_control());
    format!(
        "{}://{}",
        scheme.to_lowercase(),
        plain.collect::<String>().to_lowercase()
    )
}

/// Notes where the last call went.
#[derive(Clone, Debug, Default)]
pub(super) struct Called(Arc<Mutex<Option<String>>>);

impl Called {
    /// The endpoint that was called last.
    pub(super) fn last(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Intercept for Called {
    fn name(&self) -> &'static str {
        "Called"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let url = tidy(context.request().uri());
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != Some(&url) {
            *last = Some(url);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(endpoint: Option<&str>) -> Options {
        Options {
            endpoint: endpoint.map(str::to_owned),
            ..Options::new("g", "s").expect("good names")
        }
    }

    #[test]
    fn the_first_that_names_one_wins() {
        let both = |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some("http://user:word@Two:1/x".to_owned()),
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS" => Some("http://three".to_owned()),
            _ => None,
        };
        let one = |name: &str| both(name).filter(|_| name == "AWS_ENDPOINT_URL");
        let ignored = |name: &str| match name {
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" => Some("TRUE".to_owned()),
            name => both(name),
        };
        let told = |endpoint, environment: &dyn Fn(&str) -> Option<String>| {
            let found = Endpoint::configured(&options(endpoint), environment);
            found.map(|found| (found.to_string(), found.is_foreign()))
        };
        let configured = "http://one (endpoint in agent.toml)".to_owned();
        assert_eq!(told(Some("http://one/"), &both), Some((configured, false)));
        let variable = "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS in the environment";
        assert_eq!(
            told(None, &both),
            Some((format!("http://three ({variable})"), true))
        );
        let general = "http://two:1 (AWS_ENDPOINT_URL in the environment)".to_owned();
        assert_eq!(told(None, &one), Some((general, true)));
        assert_eq!(told(None, &ignored), None);
    }

    #[test]
    fn aws_is_known_by_its_domains_over_tls() {
        for (url, aws) in [
            ("https://logs.eu-central-1.amazonaws.com", true),
            (
                "https://vpce-1.logs.eu-central-1.vpce.amazonaws.com:443",
                true,
            ),
            ("https://logs.cn-north-1.amazonaws.com.cn", true),
            ("http://logs.eu-central-1.amazonaws.com", false),
            ("https://logs.amazonaws.com.example.net", false),
            ("https://amazonaws.com.evil", false),
            ("https://127.0.0.1:4566", false),
        ] {
            let endpoint = Endpoint::called(None, url);
            assert_eq!(endpoint.is_aws(), aws, "{url}");
            assert_eq!(endpoint.is_foreign(), !aws, "{url}");
        }
    }
}
