//! What an error means, and so what to do about it. Pure.

/// From this difference on, a refusal that a wrong clock explains is put down to the clock.
/// (The SDK's own bound, aws-runtime `service_clock_skew.rs`; the service takes up to five minutes.)
pub const SKEW: i64 = 4 * 60 * 1000;

/// What kind of trouble there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// No connection, a lost or unreadable reply, a fault of the service. The events may have been stored.
    Passing,
    /// Too much at once.
    Throttled,
    /// The credentials are dead, or there are none.
    Credentials,
    /// The request was signed at the wrong time, or with the wrong key.
    Clock,
    /// Not allowed.
    Policy,
    /// The stream or the group is not there.
    Missing,
    /// Something in the batch is not taken.
    Content,
    /// The service doesn't take the time stamp of an event, not even the present one.
    Time,
    /// Anything else that the service refused with.
    Unknown,
    /// The disk is full, or a file can't be written.
    Local,
}

impl Class {
    /// The word for it in status and messages.
    pub fn name(self) -> &'static str {
        match self {
            Class::Passing => "unreachable",
            Class::Throttled => "throttled",
            Class::Credentials => "credentials",
            Class::Clock => "clock",
            Class::Policy => "access_denied",
            Class::Missing => "not_found",
            Class::Content => "refused_content",
            Class::Time => "refused_time",
            Class::Unknown => "refused",
            Class::Local => "not_writable",
        }
    }
}

/// The class of a failed call: `status` of the reply, if one came; `code` is the name of the error, if it has one,
/// and may still have a namespace before it or an address behind it; `skew` is how far the service's clock is ahead
/// of ours, in milliseconds.
pub fn classify(status: Option<u16>, code: Option<&str>, skew: i64) -> Class {
    let Some(status) = status else {
        return Class::Passing;
    };
    let skewed = skew.unsigned_abs() > SKEW.unsigned_abs();
    let code = code.map(bare).unwrap_or_default();
    if let Some(class) = by_code(code, skewed) {
        return class;
    }
    match status {
        // A success that can't be read: the events may have been stored, or a proxy may have answered.
        200..300 | 408 | 500.. => Class::Passing,
        413 => Class::Content,
        429 => Class::Throttled,
        _ => Class::Unknown,
    }
}

fn by_code(code: &str, skewed: bool) -> Option<Class> {
    let begins = |with: &[&str]| with.iter().any(|prefix| code.starts_with(prefix));
    let class = if begins(&[
        "Throttl",
        "TooManyRequests",
        "RequestLimitExceeded",
        "LimitExceeded",
        "RequestThrottled",
        "BandwidthLimitExceeded",
        "SlowDown",
    ]) {
        Class::Throttled
    } else if begins(&[
        "ExpiredToken",
        "TokenRefreshRequired",
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "InvalidToken",
    ]) {
        Class::Credentials
    } else if begins(&[
        "InvalidSignature",
        "SignatureDoesNotMatch",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "RequestInTheFuture",
        "AuthFailure",
    ]) {
        Class::Clock
    } else if begins(&["AccessDenied"]) {
        // A few front ends say so of a request that was signed at the wrong time.
        if skewed { Class::Clock } else { Class::Policy }
    } else if begins(&[
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "UnauthorizedOperation",
    ]) {
        Class::Policy
    } else if begins(&["ResourceNotFound"]) {
        Class::Missing
    } else if begins(&[
        "InvalidParameter",
        "Serialization",
        "Validation",
        "RequestEntityTooLarge",
    ]) {
        Class::Content
    } else if begins(&[
        "ServiceUnavailable",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "InternalError",
        "RequestTimeout",
        "OperationAborted",
    ]) {
        Class::Passing
    } else {
        return None;
    };
    Some(class)
}

/// `com.amazonaws.logs#ThrottlingException:http://…` without what is around the name.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_errors() {
        let cases: &[(Option<u16>, &str, Class)] = &[
            (None, "", Class::Passing),
            (Some(200), "", Class::Passing),
            (Some(408), "", Class::Passing),
            (Some(500), "", Class::Passing),
            (Some(500), "InternalFailure", Class::Passing),
            (Some(503), "ServiceUnavailableException", Class::Passing),
            (Some(400), "OperationAbortedException", Class::Passing),
            (Some(400), "ThrottlingException", Class::Throttled),
            (Some(400), "Throttling", Class::Throttled),
            (Some(503), "SlowDown", Class::Throttled),
            (Some(400), "TooManyRequestsException", Class::Throttled),
            (Some(400), "RequestLimitExceeded", Class::Throttled),
            (Some(400), "LimitExceededException", Class::Throttled),
            (Some(429), "", Class::Throttled),
            (Some(400), "ExpiredTokenException", Class::Credentials),
            (Some(403), "ExpiredToken", Class::Credentials),
            (Some(400), "UnrecognizedClientException", Class::Credentials),
            (Some(403), "InvalidClientTokenId", Class::Credentials),
            (Some(403), "InvalidSignatureException", Class::Clock),
            (Some(403), "SignatureDoesNotMatch", Class::Clock),
            (Some(400), "RequestExpired", Class::Clock),
            (Some(403), "RequestTimeTooSkewed", Class::Clock),
            (Some(400), "AccessDeniedException", Class::Policy),
            (Some(403), "IncompleteSignature", Class::Policy),
            (Some(400), "ResourceNotFoundException", Class::Missing),
            (Some(400), "InvalidParameterException", Class::Content),
            (Some(400), "SerializationException", Class::Content),
            (Some(413), "", Class::Content),
            (Some(301), "", Class::Unknown),
            (Some(403), "", Class::Unknown),
            (Some(407), "", Class::Unknown),
            (Some(400), "NobodyKnowsException", Class::Unknown),
        ];
        for (status, code, class) in cases {
            for around in [
                (*code).to_owned(),
                format!("com.amazonaws.logs#{code}"),
                format!("{code}:http://internal.amazon.com/coral/"),
            ] {
                let code = (!code.is_empty()).then_some(around.as_str());
                assert_eq!(classify(*status, code, 0), *class, "{status:?} {code:?}");
            }
        }
    }

    #[test]
    fn a_wrong_clock_explains_a_denial() {
        for (skew, class) in [
            (SKEW, Class::Policy),
            (SKEW + 1, Class::Clock),
            (-SKEW - 1, Class::Clock),
            (i64::MIN, Class::Clock),
        ] {
            assert_eq!(
                classify(Some(400), Some("AccessDeniedException"), skew),
                class
            );
        }
    }
}
