//! A failed call: its class, and what a person may read of it.

use crate::Trouble;
use crate::classify::{Class, classify};
use agent_core::escape::terminal_text;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::primitives::{DateTime, DateTimeFormat};
use std::error::Error;
use std::time::Duration;

/// Characters of a text; what is longer says nothing more.
// Own bound: of what is told.
const LONGEST: usize = 400;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) class: Class,
    pub(super) text: String,
    /// Whether the service itself has said so.
    pub(super) answered: bool,
    /// How long the other side asked to be left alone.
    pub(super) asked: Option<Duration>,
}

impl Failure {
    /// Of a call by that name; `skew` as [`classify`] takes it.
    pub(super) fn of<E>(call: &str, error: &SdkError<E>, skew: i64) -> Failure
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if chain(error).any(|cause| cause.is::<CredentialsError>()) {
            return Failure::new(
                Class::Credentials,
                format!("no credentials: {}", causes(error)),
            );
        }
        if let SdkError::ConstructionFailure(_) = error {
            return Failure::new(Class::Unknown, format!("{call}: {}", causes(error)));
        }
        let Some(status) = error.raw_response().map(|raw| raw.status().as_u16()) else {
            return Failure::new(
                classify(None, None, skew),
                format!("{call}: {}", causes(error)),
            );
        };
        let code = error.code();
        let class = classify(Some(status), code, skew);
        if (200..300).contains(&status) {
            return Failure::unreadable();
        }
        let mut text = format!("{call}: {} (HTTP {status})", code.unwrap_or("refused"));
        if let Some(message) = error.message().filter(|_| quotable(class, code)) {
            text += ": ";
            text += message;
        }
        if class == Class::Clock {
            text += &format!("; the service's clock is {} s ahead", skew / 1000);
        }
        Failure {
            answered: true,
            asked: error
                .raw_response()
                .and_then(|raw| asked(|name| raw.headers().get(name))),
            ..Failure::new(class, text)
        }
    }

    /// A reply that says success and isn't the service's.
    pub(super) fn unreadable() -> Failure {
        Failure::new(
            Class::Passing,
            "the reply is not one of CloudWatch Logs".into(),
        )
    }

    /// What the SDK would not even put together.
    pub(super) fn ours(error: &dyn Error) -> Failure {
        Failure::new(Class::Unknown, error.to_string())
    }

    pub(super) fn new(class: Class, text: String) -> Failure {
        Failure {
            class,
            text,
            answered: false,
            asked: None,
        }
    }

    /// For a person.
    pub(super) fn trouble(self) -> Trouble {
        Trouble {
            class: self.class,
            text: tidy(&self.text),
        }
    }
}

/// How long a reply asks to be left alone: `x-amz-retry-after` in milliseconds (Smithy's retry behaviour), or
/// `retry-after` in seconds or as a date (RFC 9110, 10.2.3), which counts from the `date` of the same reply so that
/// no clock of ours comes into it.
fn asked<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let number = |name: &str| header(name)?.trim().parse::<u64>().ok();
    if let Some(milliseconds) = number("x-amz-retry-after") {
        return Some(Duration::from_millis(milliseconds));
    }
    if let Some(seconds) = number("retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    let date = |name: &str| {
        let date = DateTime::from_str(header(name)?, DateTimeFormat::HttpDate).ok()?;
        date.to_millis().ok()
    };
    let ahead = date("retry-after")?.saturating_sub(date("date")?);
    u64::try_from(ahead).ok().map(Duration::from_millis)
}

/// Whether the service's own words may be shown. A complaint about a signature quotes what was signed, the session
/// token with it.
fn quotable(class: Class, code: Option<&str>) -> bool {
    let signature = code.is_some_and(|code| code.starts_with("IncompleteSignature"));
    !signature && !matches!(class, Class::Clock | Class::Credentials | Class::Unknown)
}

/// Short, and without control characters.
pub(super) fn tidy(text: &str) -> String {
    let text: String = text.chars().take(LONGEST).collect();
    terminal_text(&text).into_owned()
}

/// The error and what is below it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// All that stands in the chain, once.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in chain(error) {
        let cause = cause.to_string();
        // The metadata client shows the whole reply, and nobody wants to read that.
        let cause = cause.split(" Response {").next().unwrap_or_default();
        if !text.contains(cause) {
            if !text.is_empty() {
                text += ": ";
            }
            text += cause;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_asks_for_a_pause_is_understood() {
        let date = ("date", "Wed, 18 Nov 2026 11:06:40 GMT");
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(Headers<'_>, Option<u64>)] = &[
            (&[], None),
            (&[date], None),
            (&[("retry-after", "7")], Some(7_000)),
            (&[("retry-after", " 7 ")], Some(7_000)),
            (&[("x-amz-retry-after", "1500")], Some(1_500)),
            (
                &[("retry-after", "7"), ("x-amz-retry-after", "1500")],
                Some(1_500),
            ),
            (
                &[date, ("retry-after", "Wed, 18 Nov 2026 11:07:10 GMT")],
                Some(30_000),
            ),
            // In the past, without a date to count from, or nothing that the RFC knows.
            (
                &[date, ("retry-after", "Wed, 18 Nov 2026 11:06:10 GMT")],
                None,
            ),
            (&[("retry-after", "Wed, 18 Nov 2026 11:07:10 GMT")], None),
            (&[("retry-after", "-7")], None),
            (&[("retry-after", "soon")], None),
        ];
        for (headers, expected) in cases {
            let header = |name: &str| {
                let found = headers.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| *value)
            };
            assert_eq!(
                asked(header),
                expected.map(Duration::from_millis),
                "{headers:?}"
            );
        }
    }
}
