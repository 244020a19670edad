//! Credentials that are kept as long as they are good, and dropped as soon as the service says that they are dead.
//!
//! The SDK's cache asks again only when the time of expiry nears. A role that was exchanged, a session that was revoked
//! and a clock that is wrong end credentials before that.

use super::service;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{
    ProvideCredentials, Result, SharedCredentialsProvider, future,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// Asked again so long before the end. "We make new credentials available at least five minutes before the expiration
/// of the old credentials." (EC2 User Guide, IAM roles for Amazon EC2)
const EARLY: Duration = Duration::from_secs(4 * 60);
/// But not more often than this, where the new ones are no better.
const SELDOM: Duration = Duration::from_secs(30);
/// To find credentials. The metadata service is asked four times, a second each.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where credentials come from.
#[derive(Debug)]
pub(super) enum Source {
    /// As they are given.
    Given(SharedCredentialsProvider),
    /// As AWS's tools find them: environment, profile, web identity, container, instance role.
    Found {
        config: Box<ProviderConfig>,
        /// Of the metadata service, unless the SDK finds it.
        metadata: Option<String>,
    },
}

impl Source {
    async fn provider(&self) -> SharedCredentialsProvider {
        match self {
            Source::Given(provider) => provider.clone(),
            Source::Found { config, metadata } => {
                let chain = DefaultCredentialsChain::builder()
                    .imds_client(service::metadata(metadata.as_deref()))
                    .configure(config.as_ref().clone());
                SharedCredentialsProvider::new(chain.build().await)
            }
        }
    }
}

/// Credentials with the way to get others.
#[derive(Clone, Debug)]
pub(super) struct Kept(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    /// What those here are made of, where a role is assumed with them.
    base: Option<Kept>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    provider: Option<SharedCredentialsProvider>,
    credentials: Option<Credentials>,
    /// When to ask again.
    ask: Option<SystemTime>,
    /// Those before, since messages about them may still come.
    before: Option<Credentials>,
}

impl Kept {
    pub(super) fn new(source: Source, base: Option<Kept>) -> Kept {
        Kept(Arc::new(Inner {
            source,
            base,
            state: Mutex::new(State::default()),
        }))
    }

    /// Forgets them, and what they were found by: the next request reads files anew, and asks the metadata service
    /// with a new token. (The SDK's client goes on with a token that was refused, as a restarted service does.)
    pub(super) async fn drop_all(&self) {
        let mut next = Some(self);
        while let Some(kept) = next {
            let mut state = kept.0.state.lock().await;
            if let Some(dropped) = state.credentials.take() {
                state.before = Some(dropped);
            }
            state.provider = None;
            state.ask = None;
            next = kept.0.base.as_ref();
        }
    }

    /// The text without any secret of ours.
    pub(super) async fn conceal(&self, text: String) -> String {
        let mut text = text;
        let mut next = Some(self);
        while let Some(kept) = next {
            let state = kept.0.state.lock().await;
            for credentials in [&state.credentials, &state.before].into_iter().flatten() {
                let secrets = [
                    Some(credentials.secret_access_key()),
                    credentials.session_token(),
                ];
                for secret in secrets
                    .into_iter()
                    .flatten()
                    .filter(|secret| !secret.is_empty())
                {
                    text = text.replace(secret, "…");
                }
            }
            next = kept.0.base.as_ref();
        }
        text
    }

    async fn credentials(&self) -> Result {
        let mut state = self.0.state.lock().await;
        let now = SystemTime::now();
        if let Some(credentials) = &state.credentials
            && state.ask.is_none_or(|ask| now < ask)
        {
            return Ok(credentials.clone());
        }
        let provider = match &state.provider {
            Some(provider) => provider.clone(),
            None => state
                .provider
                .insert(self.0.source.provider().await)
                .clone(),
        };
        let asked = tokio::time::timeout(PATIENCE, provider.provide_credentials()).await;
        match asked.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(PATIENCE))) {
            Ok(credentials) => {
                state.ask = credentials.expiry().map(|end| {
                    let early = end.checked_sub(EARLY).unwrap_or(now);
                    early.max(now + SELDOM)
                });
                state.credentials = Some(credentials.clone());
                Ok(credentials)
            }
            Err(error) => {
                state.provider = None;
                match &state.credentials {
                    // They may be good for the minutes that are left.
                    Some(credentials) => {
                        let credentials = credentials.clone();
                        state.ask = Some(now + SELDOM);
                        Ok(credentials)
                    }
                    None => Err(error),
                }
            }
        }
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
