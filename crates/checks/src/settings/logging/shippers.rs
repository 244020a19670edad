//! Who carries logs away: the known shippers, and where each sends to.

use super::checks::AGENT_PRESENT;
use super::home::Home;
use super::journal;
use super::service::{Service, ServiceState};
use super::targets::{self, Target};
use super::{cloudwatch, fluent_bit, rsyslog, syslog_ng};
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;

/// A shipper: the service, and how its target is read.
struct Shipper {
    service: Service,
    target: fn(&Context<'_>) -> Target,
}

static SHIPPERS: [Shipper; 7] = [
    Shipper {
        service: Service {
            name: "rsyslog",
            units: &["rsyslog.service"],
            programs: &["rsyslogd"],
        },
        target: rsyslog::target,
    },
    Shipper {
        service: Service {
            name: "amazon-cloudwatch-agent",
            units: &["amazon-cloudwatch-agent.service"],
            programs: &["amazon-cloudwatch-agent"],
        },
        target: cloudwatch::target,
    },
    Shipper {
        service: Service {
            name: "awslogs",
            units: &["awslogsd.service", "awslogs.service"],
            programs: &["aws", "python", "python2", "python2.7"],
        },
        target: targets::awslogs,
    },
    Shipper {
        service: Service {
            name: "fluent-bit",
            units: &["fluent-bit.service", "td-agent-bit.service"],
            programs: &["fluent-bit", "td-agent-bit"],
        },
        target: fluent_bit::target,
    },
    Shipper {
        service: Service {
            name: "vector",
            units: &["vector.service"],
            programs: &["vector"],
        },
        target: targets::vector,
    },
    Shipper {
        service: Service {
            name: "syslog-ng",
            units: &["syslog-ng.service"],
            programs: &["syslog-ng"],
        },
        target: syslog_ng::target,
    },
    Shipper {
        service: Service {
            name: "systemd-journal-upload",
            units: &["systemd-journal-upload.service"],
            programs: &["systemd-journal-upload"],
        },
        target: targets::journal_upload,
    },
];

/// Shippers whose configuration is not read: that one of them is up says nothing of a target.
static OTHERS: [Service; 6] = [
    Service {
        name: "fluentd",
        units: &["fluentd.service", "td-agent.service"],
        programs: &["ruby", "fluentd", "td-agent"],
    },
    Service {
        name: "filebeat",
        units: &["filebeat.service", "elastic-agent.service"],
        programs: &["filebeat", "elastic-agent"],
    },
    Service {
        name: "splunk",
        units: &[
            "SplunkForwarder.service",
            "Splunkd.service",
            "splunk.service",
        ],
        programs: &["splunkd"],
    },
    Service {
        name: "datadog-agent",
        units: &["datadog-agent.service"],
        programs: &["agent", "datadog-agent"],
    },
    Service {
        name: "OpenTelemetry collector",
        units: &["otelcol.service", "otelcol-contrib.service"],
        programs: &["otelcol", "otelcol-contrib"],
    },
    Service {
        name: "Grafana agent",
        units: &["alloy.service", "promtail.service"],
        programs: &["alloy", "promtail"],
    },
];

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let remote = context.demanded_text(&AGENT_PRESENT, "any") == "remote";
    let mut good = Vec::new();
    let mut reasons = Vec::new();
    let mut unknown = Vec::new();
    let mut location = None;
    let home = Home::read(context);
    for shipper in &SHIPPERS {
        let name = shipper.service.name;
        match shipper.service.state(context) {
            ServiceState::Absent => {}
            ServiceState::Down(why) => reasons.push(why),
            ServiceState::Unknown(why) => unknown.push(why),
            ServiceState::Up => match (shipper.target)(context) {
                Target::At { what, place } => match home.takes(&what) {
                    Some(hosts) => reasons.push(format!(
                        "{name} sends to {what}, which is this host by {hosts}"
                    )),
                    None => {
                        good.push(format!("{name} to {what}"));
                        location.get_or_insert(place);
                    }
                },
                Target::None => reasons.push(format!("{name} has no target beyond the host")),
                Target::Idle(why) => reasons.push(format!("{name} {why}")),
                Target::Unknown(why) => unknown.push(format!("{name}: {why}")),
            },
        }
    }
    for other in &OTHERS {
        if other.state(context) == ServiceState::Up {
            unknown.push(format!("{} is up, and its target is not read", other.name));
        }
    }
    let journal = journal::journal(context);
    let persistent = matches!(journal, Target::At { .. });
    match journal {
        Target::At { what, place } if !remote => {
            good.push(what);
            location = location.or(Some(place));
        }
        Target::At { .. } => reasons.push("the journal stays on the host".into()),
        Target::None => reasons.push("there is no journal that outlives the next boot".into()),
        Target::Idle(why) => reasons.push(why),
        Target::Unknown(why) => unknown.push(why),
    }
    let (verdict, message) = match (good.is_empty(), unknown.is_empty()) {
        (false, _) => (Verdict::Pass, good.join("; ")),
        (true, false) => (Verdict::Unknown, unknown.join("; ")),
        (true, true) => (Verdict::Fail, reasons.join("; ")),
    };
    let mut finding = context
        .finding(&AGENT_PRESENT, verdict, "logging", message)
        .evidence(
            json!({ "demand": if remote { "remote" } else { "any" } }),
            json!({ "kept": good, "persistent_journal": persistent, "reasons": reasons }),
        );
    finding.location = location;
    match (verdict, AGENT_PRESENT.remedy) {
        (Verdict::Fail, Some(remedy)) => finding.remediation(remedy),
        _ => finding,
    }
}
