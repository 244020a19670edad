//! `agent status`: whether the daemon is alive, watching, delivering and storing.

use super::args::{Status as Arguments, TextOrJson};
use super::print;
use crate::daemon::paths::runtime_directory;
use crate::daemon::status::open::{self, OpenList};
use crate::daemon::status::{self, Against, Liveness, Status};
use crate::report::words::{bytes, counted, thousands};
use crate::report::wrap;
use agent_core::error::Result;
use agent_core::escape::terminal_text;
use serde_json::json;
use std::io::{self, Write};

/// Columns before the values.
const COLUMN: usize = 13;
/// Columns of a severity and the blanks behind it.
const LABEL: usize = 10;
/// Seconds after which an event that waits is late: several times what a batch takes.
const LATE: u64 = 10;

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let now = jiff::Timestamp::now().as_millisecond();
    let daemon = status::read(&runtime_directory(), now)?;
    let exit = daemon.exit();
    if arguments.open
        && let Liveness::Runs(status, _) = &daemon
    {
        let list = open::read(&runtime_directory())?;
        print(|out| match arguments.format {
            TextOrJson::Text => open_text(out, &list, status.spool.open),
            TextOrJson::Json => open_json(out, &list),
        })?;
        return Ok(exit);
    }
    print(|out| match arguments.format {
        TextOrJson::Text => text(out, &daemon),
        TextOrJson::Json => {
            let status = match &daemon {
                Liveness::Absent => json!(null),
                Liveness::Runs(status, _) => json!(status),
            };
            let alive = matches!(daemon, Liveness::Runs(_, true));
            let object =
                json!({ "kind": "status", "alive": alive, "exit": exit, "daemon": status });
            writeln!(out, "{object}")
        }
    })?;
    Ok(exit)
}

/// The deviations that stand, worst first.
fn open_text(out: &mut dyn Write, list: &OpenList, stand: u64) -> io::Result<()> {
    let width = wrap::width();
    let more = if list.more {
        "; more stand than are listed"
    } else {
        ""
    };
    writeln!(
        out,
        "{} at {}, worst first{more}",
        match list.findings.len() as u64 {
            0 => "no deviation stood".to_owned(),
            listed => format!(
                "{} of {} that stand",
                thousands(listed),
                thousands(stand.max(listed))
            ),
        },
        list.at
    )?;
    for row in &list.findings {
        let word = match row.verdict.as_str() {
            "unknown" => "unknown",
            _ => row.severity.as_str(),
        };
        let text = format!("{}  {}  since {}", row.check, row.subject, row.since);
        let text = terminal_text(&text);
        for (i, line) in wrap::lines(&text, width, LABEL, LABEL).iter().enumerate() {
            let word = if i == 0 { word } else { "" };
            writeln!(out, "{word:LABEL$}{line}")?;
        }
    }
    if let Some(first) = list.findings.first() {
        writeln!(out, "{:LABEL$}agent explain {} --now", "more", first.check)?;
    }
    Ok(())
}

fn open_json(out: &mut dyn Write, list: &OpenList) -> io::Result<()> {
    for row in &list.findings {
        let mut object = json!({ "kind": "open" });
        if let (Some(object), Ok(serde_json::Value::Object(row))) =
            (object.as_object_mut(), serde_json::to_value(row))
        {
            object.extend(row);
        }
        writeln!(out, "{object}")?;
    }
    let (listed, more) = (list.findings.len(), list.more);
    let summary = json!({ "kind": "open_summary", "at": list.at, "listed": listed, "more": more });
    writeln!(out, "{summary}")
}

fn text(out: &mut dyn Write, daemon: &Liveness) -> io::Result<()> {
    let (status, writes) = match daemon {
        Liveness::Absent => {
            return writeln!(
                out,
                "no daemon: `agent run` starts one, or systemctl start host-integrity-agent"
            );
        }
        Liveness::Runs(status, writes) => (status, *writes),
    };
    let width = wrap::width();
    let mut row = |name: &str, value: &str| -> io::Result<()> {
        let value = terminal_text(value);
        for (i, line) in wrap::lines(&value, width, COLUMN, COLUMN)
            .iter()
            .enumerate()
        {
            let name = if i == 0 { name } else { "" };
            writeln!(out, "{name:12} {line}")?;
        }
        Ok(())
    };
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
    let (first, rest) = delivering(status);
    row(
        "delivering",
        &format!("{}: {first}", word(status.delivering)),
    )?;
    for sink in rest {
        row("", &sink)?;
    }
    if !status.storing {
        row("storing", "NO: a kill would lose what is not delivered")?;
    }
    row("waiting", &waiting(status))?;
    row("deviations", &deviations(status))?;
    row("last scan", &last_scan(status))?;
    let scan = &status.scan;
    if !scan.unread_why.is_empty() {
        let unread = format!(
            "{} of it, {}: {}",
            counted(scan.unread, "file"),
            bytes(scan.unread_bytes),
            scan.unread_why
        );
        row("not read", &unread)?;
    }
    row("judged by", &judged_by(status))?;
    row("cost", &cost(status))?;
    let confined = &status.confinement;
    if !confined.holds.is_empty() {
        row("confined", &confined.holds.join("; "))?;
    }
    for lack in &confined.lacks {
        row("not confined", lack)?;
    }
    for subject in &status.set_aside {
        row("set aside", subject)?;
    }
    for trouble in &status.trouble {
        row("trouble", trouble)?;
    }
    Ok(())
}

fn waiting(status: &Status) -> String {
    let spool = &status.spool;
    let dropped = match spool.dropped {
        0 => "none was dropped".to_owned(),
        count => format!("{} dropped so far", thousands(count)),
    };
    match spool.events {
        0 => format!("nothing; {dropped}"),
        count => format!(
            "{} ({}), the oldest for {} s; {dropped}",
            counted(count, "event"),
            bytes(spool.bytes),
            spool.oldest_seconds
        ),
    }
}

fn deviations(status: &Status) -> String {
    match status.spool.open {
        0 => "none stands".into(),
        1 => "1 stands: agent status --open".into(),
        open => format!("{} stand: agent status --open", thousands(open)),
    }
}

fn last_scan(status: &Status) -> String {
    let scan = &status.scan;
    let running = match (scan.running, scan.running_total) {
        (false, _) => String::new(),
        (true, Some(total)) if total > 0 => {
            let percent = scan.running_files.min(total) * 100 / total;
            format!(
                "; one is under way: {} of {} ({percent} %)",
                thousands(scan.running_files),
                counted(total, "path")
            )
        }
        (true, _) => format!(
            "; one is under way: {} so far",
            counted(scan.running_files, "path")
        ),
    };
    match &scan.ended {
        None => format!("none has ended yet{running}"),
        Some(ended) => format!(
            "{ended}: {}, {} deviated, {} could not be judged{running}",
            counted(scan.files, "path"),
            thousands(scan.deviations),
            thousands(scan.unknowns)
        ),
    }
}

fn cost(status: &Status) -> String {
    let cost = &status.cost;
    let permille = match cost.uptime_s {
        0 => 0,
        seconds => cost.cpu_ms / seconds,
    };
    format!(
        "{} of memory; {}.{} % of a processor since it began ({:.1} s in {} s)",
        bytes(cost.rss_bytes),
        permille / 10,
        permille % 10,
        cost.cpu_ms as f64 / 1000.0,
        thousands(cost.uptime_s)
    )
}

fn watching(status: &Status) -> String {
    let watch = &status.watch;
    let mut text = match watch.directories {
        0 if !status.watching && watch.reason.is_none() => "not set up yet".to_owned(),
        1 => "1 directory".to_owned(),
        count => format!("{} directories", thousands(count)),
    };
    if watch.left_out > 0 {
        text += &format!(", {} left out", counted(watch.left_out, "region"));
    }
    if let Some(reason) = &watch.reason {
        text += &format!(" ({reason})");
    }
    if watch.linked > 0 {
        text += &format!(", {} of several names", counted(watch.linked, "file"));
    }
    if let Some(reason) = &watch.linked_reason {
        text += &format!("; {reason}");
    }
    if !watch.attribution.is_empty() {
        text += &format!("; {}", watch.attribution);
    }
    text
}

/// Each sink, the first beside the answer; and why events wait where all is said to be well.
fn delivering(status: &Status) -> (String, Vec<String>) {
    let sinks = status.sinks.iter().map(|sink| {
        let error = match sink.error.is_empty() {
            true => String::new(),
            false => format!(": {}", sink.error),
        };
        let to = match sink.endpoint.is_empty() {
            true => String::new(),
            false => format!(" to {}", sink.endpoint),
        };
        format!("{} {}{to}{error}", sink.name, sink.state)
    });
    let mut lines: Vec<String> = sinks.collect();
    let spool = &status.spool;
    let undecided = status.sinks.iter().find(|sink| sink.state == "undecided");
    if status.delivering && spool.events > 0 {
        match undecided {
            Some(sink) => lines.push(format!(
                "{} kept for {}, until it is known whether there is anybody to ship as",
                counted(spool.events, "event"),
                sink.name
            )),
            None if spool.oldest_seconds >= LATE => lines.push(format!(
                "late: the oldest event has waited for {} s",
                spool.oldest_seconds
            )),
            None => {}
        }
    }
    match lines.is_empty() {
        true => ("no sink".into(), Vec::new()),
        false => {
            let rest = lines.split_off(1);
            (lines.remove(0), rest)
        }
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
