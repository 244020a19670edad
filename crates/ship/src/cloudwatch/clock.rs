//! How far the service's clock is ahead of ours, by the `Date` header of its replies.
//!
//! The SDK measures the same and signs with it (aws-runtime `service_clock_skew.rs`), but keeps it to itself. Time
//! stamps need it too: what a wrong clock takes for the present may be refused as too old or too new.

use aws_sdk_cloudwatchlogs::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_cloudwatchlogs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cloudwatchlogs::error::BoxError;
use aws_sdk_cloudwatchlogs::primitives::{DateTime, DateTimeFormat};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

/// A reply that took longer says too little about when its header was written (the SDK's own bound).
const TRUSTED: i64 = 15 * 60 * 1000;

/// The difference, as the last reply had it.
#[derive(Clone, Debug, Default)]
pub(super) struct Skew(Arc<Values>);

#[derive(Debug, Default)]
struct Values {
    ahead: AtomicI64,
    sent: AtomicI64,
}

impl Skew {
    /// Milliseconds; positive if the service's clock is ahead.
    pub(super) fn ahead(&self) -> i64 {
        self.0.ahead.load(Ordering::Relaxed)
    }

    /// The service's clock when ours says `now`.
    pub(super) fn at(&self, now: i64) -> i64 {
        now.saturating_add(self.ahead())
    }

    fn measure(&self, date: Option<&str>, received: i64) {
        let sent = self.0.sent.load(Ordering::Relaxed);
        let elapsed = received.saturating_sub(sent);
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        if let Some(date) = date.and_then(|date| date.to_millis().ok())
            && (0..=TRUSTED).contains(&elapsed)
        {
            let ahead = date.saturating_sub(sent + elapsed / 2);
            self.0.ahead.store(ahead, Ordering::Relaxed);
        }
    }
}

impl Intercept for Skew {
    fn name(&self) -> &'static str {
        "Skew"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.sent.store(now(), Ordering::Relaxed);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        // A cache's copy was dated when it was made.
        if headers.get("age").is_none() {
            self.measure(headers.get("date"), now());
        }
        Ok(())
    }
}

/// Ours, in milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_from_the_middle_of_the_round_trip() {
        const SENT: i64 = 1_795_000_000_000;
        for (date, received, ahead) in [
            (Some("Wed, 18 Nov 2026 11:06:40 GMT"), SENT, 0),
            (Some("Wed, 18 Nov 2026 11:06:40 GMT"), SENT + 2000, -1000),
            (Some("Wed, 18 Nov 2026 11:16:40 GMT"), SENT, 600_000),
            (Some("Tue, 17 Nov 2026 11:06:40 GMT"), SENT, -86_400_000),
            // Not to be trusted, so the value before stands.
            (Some("Wed, 18 Nov 2026 11:06:40 GMT"), SENT + TRUSTED + 1, 7),
            (Some("Wed, 18 Nov 2026 11:06:40 GMT"), SENT - 1, 7),
            (Some("yesterday"), SENT, 7),
            (None, SENT, 7),
        ] {
            let skew = Skew::default();
            skew.0.ahead.store(7, Ordering::Relaxed);
            skew.0.sent.store(SENT, Ordering::Relaxed);
            skew.measure(date, received);
            assert_eq!(skew.ahead(), ahead, "{date:?} {received}");
            assert_eq!(skew.at(1000), 1000 + ahead);
        }
    }
}
