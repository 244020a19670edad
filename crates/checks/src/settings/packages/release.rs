//! Until when a distribution is maintained.

use super::checks::RELEASE_SUPPORTED;
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use agent_core::words::counted;
use jiff::civil::Date;
use serde_json::json;

/// One release: what os-release(5) calls it, the last day on which security updates are published for everybody,
/// and who says so.
struct Release {
    id: &'static str,
    version: &'static str,
    end: (i16, i8, i8),
    source: &'static str,
}

const fn release(
    id: &'static str,
    version: &'static str,
    end: (i16, i8, i8),
    source: &'static str,
) -> Release {
    Release {
        id,
        version,
        end,
        source,
    }
}

const DEBIAN: &str = "distro-info-data 2026 (debian.csv, LTS)";
const UBUNTU: &str = "distro-info-data 2026 (ubuntu.csv, standard support)";
const AMAZON: &str = "Amazon Linux user guide, release cadence";
const RED_HAT: &str = "Red Hat Enterprise Linux life cycle, end of maintenance support";
const ROCKY: &str = "Rocky Linux release and version guide";
const ALMA: &str = "AlmaLinux release notes";
const CENTOS_STREAM: &str = "CentOS Stream end of life (endoflife.date, November 2026)";
const ORACLE: &str = "Oracle Linux support, premier (endoflife.date, November 2026)";
const FEDORA: &str = "Fedora Linux releases (endoflife.date, November 2026)";
const SUSE: &str = "SUSE product life cycle, general support (endoflife.date, November 2026)";

/// What a distribution's own SUPPORT_END does not say. Extended support that is paid for is not counted.
///
/// All rows agree with endoflife.date (its data of August 2026), but for Ubuntu's: there the last day of standard
/// support is 2027-04-01 for 22.04 and 2031-04-30 for 26.04, after the month that Canonical's release page names;
/// here it is the day by which Ubuntu's own tools go.
static RELEASES: [Release; 31] = [
    release("debian", "10", (2024, 6, 30), DEBIAN),
    release("debian", "11", (2026, 8, 31), DEBIAN),
    release("debian", "12", (2028, 6, 30), DEBIAN),
    release("debian", "13", (2030, 6, 30), DEBIAN),
    release("ubuntu", "20.04", (2025, 5, 31), UBUNTU),
    release("ubuntu", "22.04", (2027, 6, 1), UBUNTU),
    release("ubuntu", "24.04", (2029, 5, 31), UBUNTU),
    release("ubuntu", "26.04", (2031, 5, 29), UBUNTU),
    release("amzn", "2", (2026, 6, 30), AMAZON),
    release("amzn", "2023", (2029, 6, 30), AMAZON),
    release("rhel", "7", (2024, 6, 30), RED_HAT),
    release("rhel", "8", (2029, 5, 31), RED_HAT),
    release("rhel", "9", (2032, 5, 31), RED_HAT),
    release("rhel", "10", (2035, 5, 31), RED_HAT),
    release("rocky", "8", (2029, 5, 31), ROCKY),
    release("rocky", "9", (2032, 5, 31), ROCKY),
    release("rocky", "10", (2035, 5, 31), ROCKY),
    release("almalinux", "8", (2029, 5, 31), ALMA),
    release("almalinux", "9", (2032, 5, 31), ALMA),
    release("almalinux", "10", (2035, 5, 31), ALMA),
    release("centos", "7", (2024, 6, 30), "CentOS end dates"),
    release("centos", "9", (2027, 5, 31), CENTOS_STREAM),
    release("centos", "10", (2030, 1, 1), CENTOS_STREAM),
    release("ol", "8", (2029, 7, 31), ORACLE),
    release("ol", "9", (2032, 6, 30), ORACLE),
    release("ol", "10", (2035, 6, 30), ORACLE),
    release("fedora", "43", (2026, 12, 9), FEDORA),
    release("fedora", "44", (2027, 6, 2), FEDORA),
    release("sles", "15.6", (2025, 12, 31), SUSE),
    release("sles", "15.7", (2031, 7, 31), SUSE),
    release("sles", "16.0", (2027, 11, 30), SUSE),
];

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let release = context.release;
    let name = format!("{} {}", release.id, release.version_id);
    let name = agent_core::escape::terminal_text(name.trim()).into_owned();
    let say = |verdict, message: String| {
        context.finding(&RELEASE_SUPPORTED, verdict, "os-release", message)
    };
    if release.id.is_empty() {
        return say(Verdict::Unknown, "there is no os-release".into());
    }
    let table = RELEASES.iter().find(|known| {
        let rest = release.version_id.strip_prefix(known.version);
        known.id == release.id && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let own: Option<Date> = release.support_end.parse().ok();
    let (end, source) = match (own, table) {
        (Some(end), _) => (end, "SUPPORT_END of os-release"),
        (None, Some(known)) => {
            let (year, month, day) = known.end;
            // The table is of days that exist; a test sees to it.
            match Date::new(year, month, day) {
                Ok(end) => (end, known.source),
                Err(_) => return say(Verdict::Unknown, format!("{name}: no such day")),
            }
        }
        (None, None) => {
            let message = format!("until when {name} is maintained is not known here");
            return say(Verdict::Unknown, message);
        }
    };
    let wanted = context.demanded_number(&RELEASE_SUPPORTED, 0);
    let Ok(today) = jiff::Timestamp::from_second(context.now) else {
        return say(
            Verdict::Unknown,
            "the clock says nothing that is a day".into(),
        );
    };
    let today = today.to_zoned(jiff::tz::TimeZone::UTC).date();
    let left = today
        .until(end)
        .map_or(0, |span| i64::from(span.get_days()));
    let (verdict, message) = if left < 0 {
        (
            Verdict::Fail,
            format!("{name} has not been maintained since {end}"),
        )
    } else if left < wanted {
        (
            Verdict::Fail,
            format!(
                "{name} is maintained until {end}: {}, {wanted} are demanded",
                counted(left.unsigned_abs(), "day")
            ),
        )
    } else {
        (Verdict::Pass, format!("{name} is maintained until {end}"))
    };
    let finding = say(verdict, message).evidence(
        json!({ "days_left": wanted }),
        json!({ "end": end.to_string(), "days_left": left, "source": source }),
    );
    match (verdict, RELEASE_SUPPORTED.remedy) {
        (Verdict::Fail, Some(remedy)) => finding.remediation(remedy),
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_table_exists() {
        for Release { id, end, .. } in &RELEASES {
            assert!(Date::new(end.0, end.1, end.2).is_ok(), "{id} {end:?}");
        }
    }
}
