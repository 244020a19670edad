//! Whether there is anybody to ship as: `enabled = "auto"` asks until that is decided.

use super::credentials::Kept;
use super::failure::{causes, tidy};
use super::options::Options;
use super::service;
use super::sink::CloudWatchSink;
use crate::retry::Schedule;
use aws_config::Region;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::{ProvideRegion, RegionProviderChain};
use aws_config::profile::ProfileFileRegionProvider;
use aws_credential_types::provider::ProvideCredentials;
use std::time::{Duration, Instant};

/// To find a region.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known so far.
#[derive(Debug)]
pub enum Answer {
    /// There is somebody to ship as.
    Yes(Box<CloudWatchSink>),
    /// There is nobody, and nobody will come.
    No {
        /// Why.
        reason: String,
    },
    /// Not decided.
    Undecided {
        /// What is missing.
        reason: String,
        /// When to ask again.
        again: Duration,
    },
}

/// Asks for region and credentials.
#[derive(Debug)]
pub struct Discovery {
    options: Options,
    schedule: Schedule,
}

impl Discovery {
    /// Nothing is known yet.
    pub fn new(options: Options) -> Discovery {
        Discovery {
            schedule: Schedule::new(options.seed),
            options,
        }
    }

    /// Asks once. After [`Answer::Yes`] and [`Answer::No`] there is nothing left to ask.
    pub async fn ask(&mut self) -> Answer {
        let reason = match self.look().await {
            Ok(region) => {
                return Answer::Yes(Box::new(CloudWatchSink::new(&self.options, region).await));
            }
            Err(reason) => tidy(&reason),
        };
        let now = Instant::now();
        let again = self.schedule.wait(now, None);
        let hopeless = match self.options.on_ec2 {
            // A role may be attached to an instance at any time.
            Some(true) => false,
            Some(false) => true,
            None => self.schedule.lasted(now) >= self.options.late,
        };
        if hopeless && !self.options.demanded {
            return Answer::No { reason };
        }
        Answer::Undecided { reason, again }
    }

    /// The region, if there is one and credentials as well; else what is missing.
    async fn look(&self) -> Result<Region, String> {
        let region = self.region().await;
        // A sink that is decided on needs no credentials to begin with: it says itself that it has none.
        if !self.options.demanded {
            let kept = Kept::new(service::source(&self.options, region.clone()), None);
            if let Err(error) = kept.provide_credentials().await {
                return Err(self.without_credentials(&causes(&error)));
            }
        }
        region.ok_or_else(|| {
            "no region: neither sinks.cloudwatch_logs.region, AWS_REGION, a profile nor the metadata service names one"
                .to_owned()
        })
    }

    /// What it means for a person that none were found.
    fn without_credentials(&self, causes: &str) -> String {
        // The SDK speaks of the last place that it asked, whatever the host is.
        match (causes.contains("IMDS"), self.options.on_ec2) {
            (true, Some(true)) => format!("no credentials: the instance has no role, or its metadata service refuses ({causes})"),
            (true, _) => "no credentials: no instance metadata service answers (not on EC2, or it is switched off), and neither environment nor profile holds any".to_owned(),
            (false, _) => format!("no credentials: {causes}"),
        }
    }

    async fn region(&self) -> Option<Region> {
        if let Some(region) = &self.options.region {
            return Some(Region::new(region.clone()));
        }
        let metadata = ImdsRegionProvider::builder()
            .imds_client(service::metadata(self.options.metadata.as_deref()));
        let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(metadata.build());
        tokio::time::timeout(PATIENCE, ProvideRegion::region(&chain))
            .await
            .ok()
            .flatten()
    }
}
