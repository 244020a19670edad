//! `agent status`: whether the daemon is alive, watching, delivering and storing.

use super::args::{Status as Arguments, TextOrJson};
use super::print;
use crate::daemon::paths::runtime_directory;
use crate::daemon::status::{self, Against, Standing, Status};
use agent_core::error::Result;
use agent_core::escape::terminal_text;
use serde_json::json;
use std::io::{self, Write};

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let now = jiff::Timestamp::now().as_millisecond();
    let standing = status::read(&runtime_directory(), now)?;
    let exit = standing.exit();
    print(|out| match arguments.format {
        TextOrJson::Text => text(out, &standing),
        TextOrJson::Json => {
            let status = match &standing {
                Standing::Absent => json!(null),
                Standing::Runs(status, _) => json!(status),
            };
            let alive = matches!(standing, Standing::Runs(_, true));
            let object =
                json!({ "kind": "status", "alive": alive, "exit": exit, "daemon": status });
            writeln!(out, "{object}")
        }
    })?;
    Ok(exit)
}

fn text(out: &mut dyn Write, standing: &Standing) -> io::Result<()> {
    let (status, writes) = match standing {
        Standing::Absent => {
            return writeln!(
                out,
                "no daemon: `agent run` starts one, or systemctl start host-integrity-agent"
            );
        }
        Standing::Runs(status, writes) => (status, *writes),
    };
    let mut row = |name: &str, value: &str| writeln!(out, "{name:12} {}", terminal_text(value));
    let word = |good: bool| if good { "yes" } else { "NO" };
    let alive = match writes {
        true => format!("yes: process {}, since {}", status.pid, status.started),
        false => format!(
            "NO: process {} is there and has not been heard of since {}",
            status.pid, status.updated
        ),
    };
    row("alive", &alive)?;
    row(
        "watching",
        &format!("{}: {}", word(status.watching), watching(status)),
    )?;
    row(
        "delivering",
        &format!("{}: {}", word(status.delivering), delivering(status)),
    )?;
    if !status.storing {
        row("storing", "NO: a kill would lose what is not delivered")?;
    }
    let spool = &status.spool;
    row(
        "waiting",
        &format!(
            "{} events, {} bytes, the oldest for {} s; dropped so far: {}",
            spool.events, spool.bytes, spool.oldest_seconds, spool.dropped
        ),
    )?;
    row("deviations", &format!("{} stand", spool.open))?;
    let scan = &status.scan;
    let running = if scan.running {
        "; one is under way"
    } else {
        ""
    };
    let last = match &scan.ended {
        None => format!("none has ended yet{running}"),
        Some(ended) => format!(
            "{ended}: {} paths, {} deviated, {} could not be judged{running}",
            scan.files, scan.deviations, scan.unknowns
        ),
    };
    row("last scan", &last)?;
    row("judged by", &judged_by(status))?;
    for subject in &status.set_aside {
        row("set aside", subject)?;
    }
    for trouble in &status.trouble {
        row("trouble", trouble)?;
    }
    Ok(())
}

fn watching(status: &Status) -> String {
    let watch = &status.watch;
    let mut text = format!("{} directories", watch.directories);
    if watch.left_out > 0 {
        text += &format!(", {} regions left out", watch.left_out);
    }
    if let Some(reason) = &watch.reason {
        text += &format!(" ({reason})");
    }
    if watch.linked > 0 {
        text += &format!(", {} files of several names", watch.linked);
    }
    if let Some(reason) = &watch.linked_reason {
        text += &format!("; {reason}");
    }
    if !watch.attribution.is_empty() {
        text += &format!("; {}", watch.attribution);
    }
    text
}

fn delivering(status: &Status) -> String {
    let sinks = status.sinks.iter().map(|sink| {
        let error = match sink.error.is_empty() {
            true => String::new(),
            false => format!(" ({})", sink.error),
        };
        let to = match sink.endpoint.is_empty() {
            true => String::new(),
            false => format!(" to {}", sink.endpoint),
        };
        format!("{} {}{to}{error}", sink.name, sink.state)
    });
    let sinks: Vec<String> = sinks.collect();
    match sinks.is_empty() {
        true => "no sink".into(),
        false => sinks.join("; "),
    }
}

fn judged_by(status: &Status) -> String {
    let ground = &status.ground;
    let profile = &ground.profile;
    match ground.against {
        Against::Manifest => {
            let signer = match ground.signer.as_str() {
                "" => "sealed by nobody who is trusted here".to_owned(),
                signer => format!("sealed by {signer}"),
            };
            format!("manifest {}, {signer}; profile {profile}", ground.manifest)
        }
        Against::Packages => format!(
            "the package database, since there is no manifest that can be used; profile {profile}"
        ),
        Against::Unknown | Against::Nothing => "not known yet, or nothing".into(),
    }
}
