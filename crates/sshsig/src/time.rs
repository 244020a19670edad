//! The timestamps of `valid-after` and `valid-before` (ssh-keygen(1), ALLOWED
//! SIGNERS): `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in local time or,
//! with a `Z` or `UTC` behind, in UTC.
//!
//! Local time means what a clock on the wall shows. ssh-keygen takes standard
//! time even while daylight saving time is in force, so without a `Z` the two
//! differ by an hour in summer. Days that no month has (`20230231`), which
//! ssh-keygen moves into the next month, are refused.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Where the local time zone is set; without the file it is UTC (localtime(5)).
const LOCALTIME: &str = "/etc/localtime";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not a point in time in one of the forms, after 1970.
    Form,
    /// Given in local time, and the local time zone cannot be read.
    LocalZone,
}

/// The point in time as seconds since 1970.
pub(super) fn parse(text: &str) -> Result<u64, Unreadable> {
    let (digits, zone) = match strip_utc(text) {
        Some(digits) => (digits, Some(TimeZone::UTC)),
        None => (text, None),
    };
    let moment = civil(digits).ok_or(Unreadable::Form)?;
    let zone = match zone {
        Some(zone) => zone,
        None => local_zone().ok_or(Unreadable::LocalZone)?,
    };
    let timestamp = zone
        .to_ambiguous_timestamp(moment)
        .compatible()
        .map_err(|_| Unreadable::Form)?;
    match u64::try_from(timestamp.as_second()) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(Unreadable::Form),
    }
}

/// Seconds since 1970 of a clock's time; 0 for one that is set before 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A point in time as a person reads it.
pub(super) fn show(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(
            || format!("{seconds} s after 1970"),
            |timestamp| timestamp.to_string(),
        )
}

fn strip_utc(text: &str) -> Option<&str> {
    let suffix = |length: usize| text.split_at_checked(text.len().checked_sub(length)?);
    ["Z", "UTC"].into_iter().find_map(|zone| {
        let (digits, end) = suffix(zone.len())?;
        end.eq_ignore_ascii_case(zone).then_some(digits)
    })
}

fn civil(digits: &str) -> Option<DateTime> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
        return None;
    }
    let year: i16 = digits.get(..4)?.parse().ok()?;
    let pair = |start: usize| -> Option<i8> {
        match digits.get(start..).and_then(|rest| rest.get(..2)) {
            Some(pair) => pair.parse().ok(),
            None => Some(0),
        }
    };
    let (hour, minute, second) = (pair(8)?, pair(10)?, pair(12)?);
    DateTime::new(year, pair(4)?, pair(6)?, hour, minute, second, 0).ok()
}

fn local_zone() -> Option<TimeZone> {
    match TimeZone::try_system() {
        Ok(zone) => Some(zone),
        Err(_) if std::env::var_os("TZ").is_none() && is_missing(LOCALTIME) => Some(TimeZone::UTC),
        Err(_) => None,
    }
}

fn is_missing(path: &str) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::{parse, show};

    #[test]
    fn reads_the_documented_forms() {
        for (text, expected) in [
            ("20240229Z", Some("2024-02-29T00:00:00Z")),
            ("202402291530z", Some("2024-02-29T15:30:00Z")),
            ("20240229153059Z", Some("2024-02-29T15:30:59Z")),
            ("20240229utc", Some("2024-02-29T00:00:00Z")),
            ("20230229Z", None),
            ("20240229153060Z", None),
            ("202402291Z", None),
            ("2024-02-29Z", None),
            ("+2024022Z", None),
            ("19691231Z", None),
            ("19700101Z", None),
            ("", None),
            ("Z", None),
            ("ÄÄÄÄ", None),
        ] {
            assert_eq!(parse(text).ok().map(show).as_deref(), expected, "{text:?}");
        }
    }
}
