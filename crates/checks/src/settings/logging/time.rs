//! Who keeps the clock right, and by whom they go.

use super::checks::TIME_SYNC;
use super::chrony;
use super::service::{Service, ServiceState};
use super::targets::{files, is_elsewhere};
use crate::settings::context::Context;
use crate::settings::systemd::{self, ini};
use agent_core::finding::{Finding, Verdict};
use serde_json::json;

/// A daemon that sets the clock, and how its sources are read.
struct Keeper {
    service: Service,
    sources: fn(&Context<'_>) -> Result<Vec<String>, Lack>,
}

static KEEPERS: [Keeper; 4] = [
    Keeper {
        service: Service {
            name: "chrony",
            units: &["chronyd.service", "chrony.service"],
            programs: &["chronyd"],
        },
        sources: chrony::sources,
    },
    Keeper {
        service: Service {
            name: "systemd-timesyncd",
            units: &["systemd-timesyncd.service"],
            programs: &["systemd-timesyncd"],
        },
        sources: timesyncd,
    },
    Keeper {
        service: Service {
            name: "ntpd",
            units: &["ntpd.service", "ntp.service", "ntpsec.service"],
            programs: &["ntpd"],
        },
        sources: ntpd,
    },
    Keeper {
        service: Service {
            name: "openntpd",
            units: &["openntpd.service"],
            programs: &["ntpd", "openntpd"],
        },
        sources: openntpd,
    },
];

/// What stands for the servers that are compiled into systemd-timesyncd.
const BUILT_IN: &str = "built-in servers";

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let demanded = context.demanded_texts(&TIME_SYNC);
    let expected = match demanded.is_empty() {
        true => json!("any"),
        false => json!(demanded),
    };
    let mut reasons = Vec::new();
    let mut unknown = Vec::new();
    for keeper in &KEEPERS {
        let name = keeper.service.name;
        match keeper.service.state(context) {
            ServiceState::Absent => continue,
            ServiceState::Down(why) => {
                reasons.push(why);
                continue;
            }
            ServiceState::Unknown(why) => {
                unknown.push(why);
                continue;
            }
            ServiceState::Up => {}
        }
        let sources = match (keeper.sources)(context) {
            Ok(sources) => sources,
            Err(Lack::Unknown(why)) => {
                unknown.push(format!("{name}: {why}"));
                continue;
            }
            Err(Lack::Known(why)) => {
                reasons.push(format!("{name} {why}"));
                continue;
            }
        };
        let wanted = |source: &String| demanded.contains(&source.as_str());
        if sources.is_empty() {
            reasons.push(format!("{name} has no source"));
        } else if !demanded.is_empty() && !sources.iter().any(wanted) {
            reasons.push(format!(
                "{name} goes by {}, not by {}",
                sources.join(", "),
                demanded.join(" or ")
            ));
        } else {
            let message = format!("{name} goes by {}", sources.join(", "));
            return context
                .finding(&TIME_SYNC, Verdict::Pass, "clock", message)
                .evidence(
                    json!({ "sources": expected }),
                    json!({ "daemon": name, "sources": sources }),
                );
        }
    }
    if reasons.is_empty() && unknown.is_empty() {
        reasons.push("nothing sets the clock".into());
    }
    let (verdict, message) = match unknown.is_empty() {
        false => (Verdict::Unknown, unknown.join("; ")),
        true => (Verdict::Fail, reasons.join("; ")),
    };
    let finding = context
        .finding(&TIME_SYNC, verdict, "clock", message)
        .evidence(
            json!({ "sources": expected }),
            json!({ "missing": reasons }),
        );
    match (verdict, TIME_SYNC.remedy) {
        (Verdict::Fail, Some(remedy)) => finding.remediation(remedy),
        _ => finding,
    }
}

/// Why there is no source.
pub(super) enum Lack {
    /// As whoever reads the finding is told.
    Known(String),
    /// It cannot be told.
    Unknown(String),
}

impl From<String> for Lack {
    fn from(why: String) -> Lack {
        Lack::Unknown(why)
    }
}

/// The words after `server`, `pool` and their like. A source with `noselect` is asked and never believed, the host itself is
/// none, nor is its clock as ntpd has it for a device (chrony.conf(5), ntp.conf(5)).
pub(super) fn hosts(text: &str, keywords: &[&str]) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let keyword = words.next()?.to_ascii_lowercase();
            let host = words.next()?;
            let believed = !words.any(|option| option.eq_ignore_ascii_case("noselect"));
            let is_device = host.starts_with("127.127.") && !host.starts_with("127.127.1.");
            let is_clock = match keyword.as_str() {
                "refclock" => !host.eq_ignore_ascii_case("local"),
                "sensor" => true,
                _ => is_device || is_elsewhere(host),
            };
            (believed && is_clock && keywords.contains(&keyword.as_str()))
                .then(|| agent_core::escape::terminal_text(host).into_owned())
        })
        .collect()
}

/// timesyncd.conf(5): what it has none of is compiled in, unless it is said to be empty.
fn timesyncd(context: &Context<'_>) -> Result<Vec<String>, Lack> {
    let root = context.root;
    let list = |key: &str| {
        let settings = systemd::config(root, "timesyncd.conf", "Time", key);
        let said = !settings.is_empty();
        let mut hosts: Vec<String> = Vec::new();
        for setting in settings {
            match setting.value.is_empty() {
                true => hosts.clear(),
                false => hosts.extend(setting.value.split_whitespace().map(str::to_owned)),
            }
        }
        (said, hosts)
    };
    let (_, mut sources) = list("NTP");
    // A network may name servers of its own (systemd.network(5)).
    for (_, text) in files(context, &["/etc/systemd/network/*.network"])? {
        let named = ini(text.as_bytes())
            .into_iter()
            .filter(|(section, key, ..)| section == "Network" && key == "NTP");
        sources.extend(named.flat_map(|(_, _, hosts, _)| {
            let hosts: Vec<String> = hosts.split_whitespace().map(str::to_owned).collect();
            hosts
        }));
    }
    if sources.is_empty() {
        let (said, fallback) = list("FallbackNTP");
        sources = match said {
            true => fallback,
            false => vec![BUILT_IN.to_owned()],
        };
    }
    Ok(sources)
}

fn ntpd(context: &Context<'_>) -> Result<Vec<String>, Lack> {
    let files = files(
        context,
        &[
            "/etc/ntp.conf",
            "/etc/ntpsec/ntp.conf",
            "/etc/ntpsec/ntp.d/*",
        ],
    )?;
    Ok(files
        .iter()
        .flat_map(|(_, text)| hosts(text, &["server", "pool", "peer", "refclock"]))
        .collect())
}

fn openntpd(context: &Context<'_>) -> Result<Vec<String>, Lack> {
    let files = files(context, &["/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"])?;
    Ok(files
        .iter()
        .flat_map(|(_, text)| hosts(text, &["server", "servers", "sensor"]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::hosts;

    #[test]
    fn sources_that_are_believed() {
        let keywords = ["server", "pool", "peer", "refclock"];
        for (line, expected) in [
            ("server 169.254.169.123 iburst", true),
            ("pool 2.debian.pool.ntp.org iburst", true),
            ("server 169.254.169.123 noselect", false),
            ("server 127.0.0.1", false),
            ("pool localhost", false),
            ("server ::1", false),
            ("server 127.127.1.0", false),
            ("server 127.127.20.0 mode 7", true),
            ("refclock PHC /dev/ptp0", true),
            ("refclock local stratum 5", false),
        ] {
            assert_eq!(!hosts(line, &keywords).is_empty(), expected, "{line}");
        }
    }
}
