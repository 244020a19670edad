//! The two calls that the sink makes, each tried once: when to try again is not the SDK's business.

use super::clock::Skew;
use super::credentials::{Kept, Source};
use super::endpoint::Called;
use super::failure::Failure;
use super::options::Options;
use crate::pack::{self, PackedEvent};
use agent_outbox::parcel::Parcel;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, imds};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{
    IdentityCache, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use aws_sdk_cloudwatchlogs::operation::RequestId;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use std::ops::Range;
use std::time::Duration;

/// A connection that idles longer is closed by us, before the other side does so while a request is on its way.
const IDLE: Duration = Duration::from_secs(15);

/// CloudWatch Logs, for one stream.
#[derive(Debug)]
pub(super) struct Service {
    client: Client,
    group: String,
    stream: String,
    pub(super) skew: Skew,
    pub(super) called: Called,
    pub(super) credentials: Kept,
}

impl Service {
    /// Makes the client; asks nobody.
    pub(super) async fn new(options: &Options, region: Region) -> Service {
        let base = Kept::new(source(options, Some(region.clone())), None);
        let sdk = sdk(options, region, base.clone()).await;
        let credentials = match &options.role_arn {
            Some(role) => assumed(role, &options.instance_id, &sdk, base).await,
            None => base,
        };
        let (skew, called) = (Skew::default(), Called::default());
        let mut config = aws_sdk_cloudwatchlogs::config::Builder::from(&sdk)
            .credentials_provider(credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .interceptor(skew.clone())
            .interceptor(called.clone());
        if let Some(endpoint) = &options.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Service {
            client: Client::from_conf(config.build()),
            group: options.group.clone(),
            stream: options.stream.clone(),
            skew,
            called,
            credentials,
        }
    }

    /// The log group's name.
    pub(super) fn group(&self) -> &str {
        &self.group
    }

    /// PutLogEvents. What it rejected by time: a head and a tail of the batch.
    pub(super) async fn put(
        &self,
        parcels: &[Parcel],
        batch: &[PackedEvent],
    ) -> Result<(Range<usize>, Range<usize>), Failure> {
        let mut events = Vec::with_capacity(batch.len());
        for entry in batch {
            let message = String::from_utf8_lossy(&parcels[entry.index].bytes).into_owned();
            let event = InputLogEvent::builder()
                .timestamp(entry.time)
                .message(message)
                .build();
            events.push(event.map_err(|error| Failure::ours(&error))?);
        }
        let call = self.client.put_log_events();
        let call = call
            .log_group_name(&self.group)
            .log_stream_name(&self.stream);
        let reply = match call.set_log_events(Some(events)).send().await {
            Ok(reply) => reply,
            Err(error) => return Err(self.failure("PutLogEvents", &error).await),
        };
        // Every reply of the service has one. An empty page of a proxy would pass for a success without it.
        if reply.request_id().is_none() {
            return Err(Failure::unreadable());
        }
        let info = reply.rejected_log_events_info();
        Ok(pack::rejected(
            info.and_then(|info| info.too_new_log_event_start_index),
            info.and_then(|info| info.too_old_log_event_end_index),
            info.and_then(|info| info.expired_log_event_end_index),
            batch.len(),
        ))
    }

    /// CreateLogStream. That there is one already is a success.
    pub(super) async fn create(&self) -> Result<(), Failure> {
        let call = self.client.create_log_stream();
        let call = call
            .log_group_name(&self.group)
            .log_stream_name(&self.stream);
        match call.send().await {
            Err(error) if exists(error.code()) => Ok(()),
            Err(error) => Err(self.failure("CreateLogStream", &error).await),
            Ok(_) => Ok(()),
        }
    }

    async fn failure<E>(
        &self,
        call: &str,
        error: &aws_sdk_cloudwatchlogs::error::SdkError<E>,
    ) -> Failure
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let failure = Failure::of(call, error, self.skew.ahead());
        Failure {
            text: self.credentials.conceal(failure.text).await,
            ..failure
        }
    }
}

/// Somebody made it already, or is about to.
fn exists(code: Option<&str>) -> bool {
    code.is_some_and(|code| {
        code.starts_with("ResourceAlreadyExists") || code.starts_with("OperationAborted")
    })
}

/// Where credentials come from when no role is assumed.
pub(super) fn source(options: &Options, region: Option<Region>) -> Source {
    match &options.credentials {
        Some(given) => Source::Given(given.clone()),
        None => Source::Found {
            config: Box::new(
                ProviderConfig::without_region()
                    .with_http_client(https())
                    .with_region(region),
            ),
            metadata: options.metadata.clone(),
        },
    }
}

/// The metadata service: never by way of a proxy.
pub(super) fn metadata(endpoint: Option<&str>) -> imds::Client {
    let config = ProviderConfig::without_region().with_http_client(Builder::new().build_http());
    let builder = || imds::Client::builder().configure(&config);
    // The environment wins, as with every tool of AWS.
    let elsewhere = std::env::var_os("AWS_EC2_METADATA_SERVICE_ENDPOINT").is_some();
    match endpoint {
        Some(endpoint) if !elsewhere => builder().endpoint(endpoint).unwrap_or_else(|_| builder()),
        _ => builder(),
    }
    .build()
}

/// What all clients have in common: FIPS, dual stack and other endpoints as the environment and profiles say.
async fn sdk(options: &Options, region: Region, credentials: Kept) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect)
        .operation_timeout(options.call)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials)
        .http_client(https())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        // A call is bounded as a whole.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Ok(name) = AppName::new("host-integrity-agent") {
        loader = loader.app_name(name);
    }
    loader.load().await
}

/// The role's credentials, tagged with the instance that asks for them.
async fn assumed(role: &str, instance: &str, sdk: &SdkConfig, base: Kept) -> Kept {
    let mut builder = AssumeRoleProvider::builder(role).configure(sdk);
    if instance.is_empty() {
        builder = builder.session_name("host-integrity-agent");
    } else {
        builder = builder
            .session_name(instance)
            .tags([("InstanceId", instance)]);
    }
    let provider = SharedCredentialsProvider::new(builder.build().await);
    Kept::new(Source::Given(provider), Some(base))
}

/// HTTPS by rustls on ring, by way of HTTPS_PROXY where that is set.
fn https() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(ProxyConfig::from_env())
            .pool_idle_timeout(IDLE);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}
