//! Who keeps the clock right, and by whom they go.

use super::checks::TIME_SYNC;
use super::service::{Service, ServiceState};
use super::targets::files;
use crate::settings::context::Context;
use crate::settings::systemd::{self, ini};
use agent_core::finding::{Finding, Verdict};
use serde_json::json;
use std::collections::BTreeSet;

/// A daemon that sets the clock, and how its sources are read.
struct Keeper {
    service: Service,
    sources: fn(&Context<'_>) -> Result<Vec<String>, String>,
}

static KEEPERS: [Keeper; 4] = [
    Keeper {
        service: Service {
            name: "chrony",
            units: &["chronyd.service", "chrony.service"],
            programs: &["chronyd"],
        },
        sources: chrony,
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
            Err(why) => {
                unknown.push(format!("{name}: {why}"));
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

/// The words after `server`, `pool` and their like. A source with `noselect` is asked and never believed (chrony.conf(5),
/// ntp.conf(5)).
fn hosts(text: &str, keywords: &[&str]) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let keyword = words.next()?.to_ascii_lowercase();
            let host = words.next()?;
            let believed = !words.any(|option| option.eq_ignore_ascii_case("noselect"));
            (believed && keywords.contains(&keyword.as_str()))
                .then(|| agent_core::escape::terminal_text(host).into_owned())
        })
        .collect()
}

/// chrony.conf(5), with the directories that it names.
fn chrony(context: &Context<'_>) -> Result<Vec<String>, String> {
    let mut sources = Vec::new();
    let mut pending = vec![
        "/etc/chrony.conf".to_owned(),
        "/etc/chrony/chrony.conf".to_owned(),
    ];
    let mut seen = BTreeSet::new();
    while let Some(place) = pending.pop() {
        // Files may name each other in a circle.
        if !seen.insert(place.clone()) || seen.len() > 100 {
            continue;
        }
        for (_, text) in files(context, &[&place])? {
            sources.extend(hosts(&text, &["server", "pool", "peer", "refclock"]));
            for line in text.lines() {
                let mut words = line.split_whitespace();
                let keyword = words.next().unwrap_or_default().to_ascii_lowercase();
                let named = words.map(str::to_owned);
                match keyword.as_str() {
                    "include" => pending.extend(named),
                    "confdir" => pending.extend(named.map(|dir| format!("{dir}/*.conf"))),
                    "sourcedir" => pending.extend(named.map(|dir| format!("{dir}/*.sources"))),
                    _ => {}
                }
            }
        }
    }
    sources.sort();
    sources.dedup();
    Ok(sources)
}

/// timesyncd.conf(5): what it has none of is compiled in, unless it is said to be empty.
fn timesyncd(context: &Context<'_>) -> Result<Vec<String>, String> {
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

fn ntpd(context: &Context<'_>) -> Result<Vec<String>, String> {
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
        .flat_map(|(_, text)| hosts(text, &["server", "pool", "peer"]))
        .collect())
}

fn openntpd(context: &Context<'_>) -> Result<Vec<String>, String> {
    let files = files(context, &["/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"])?;
    Ok(files
        .iter()
        .flat_map(|(_, text)| hosts(text, &["server", "servers", "sensor"]))
        .collect())
}
