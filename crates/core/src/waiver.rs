//! Somebody who answers for a deviation. Values only.

use serde::{Deserialize, Serialize};

/// Who answers for a finding, why, and until when: `waived_by` of the JSON contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaivedBy {
    /// Why the demand is not met.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it is waived, as `2027-03-31` (UTC).
    pub until: String,
}

impl WaivedBy {
    /// Whether the day on which it ends is not over at `now`, in seconds since 1970.
    pub fn stands(&self, now: i64) -> bool {
        // Days of four-digit years are in the order of their texts.
        jiff::Timestamp::from_second(now).is_ok_and(|now| {
            let today = now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
            today.as_str() <= self.until.as_str()
        })
    }

    /// In words, for a person.
    pub fn words(&self) -> String {
        format!("{} until {}: {}", self.owner, self.until, self.reason)
    }
}

/// Whether the text is a day, as `2027-03-31`.
pub fn is_day(text: &str) -> bool {
    let day: Option<jiff::civil::Date> = text.parse().ok();
    day.is_some_and(|day| day.to_string() == text && (1970..=9999).contains(&day.year()))
}
