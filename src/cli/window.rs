//! `agent baseline window`: changes are expected for a while. They are told as ever, and marked.

use super::args::WindowArguments;
use super::{print, who};
use crate::assess::tree;
use crate::window::{LONGEST, Window};
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::units;
use std::io::Write;
use std::time::Duration;

pub(super) fn run(arguments: &WindowArguments) -> Result<u8> {
    let config = tree::config(None)?;
    let state_dir = &config.state_dir;
    let now = jiff::Timestamp::now().as_millisecond();
    let standing = Window::load(state_dir);
    let (Some(length), Some(reason)) = (arguments.length, &arguments.reason) else {
        return end(standing?, state_dir, now);
    };
    // One that cannot be read is none, and is replaced.
    if let Ok(Some(open)) = standing
        && open.is_open(now)
    {
        return Err(Error::new(format!(
            "a window is open already, until {}: {}",
            in_words(open.end()),
            escape::terminal_text(&open.reason)
        ))
        .help("agent baseline window --end ends it"));
    }
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let window = Window {
        opened: now,
        until: now.saturating_add(length),
        ended: None,
        reason: reason.clone(),
        by: who::am_i(),
        login_uid: who::login(),
    };
    window.save(state_dir)?;
    print(|out| {
        writeln!(
            out,
            "Changes are expected until {}: they are told as ever, and marked; opening this is told too",
            in_words(window.until)
        )
    })?;
    Ok(0)
}

fn end(standing: Option<Window>, state_dir: &std::path::Path, now: i64) -> Result<u8> {
    let Some(window) = standing.filter(|window| window.is_open(now)) else {
        return Err(Error::new("no window is open")
            .help("agent baseline window --for DURATION --reason TEXT opens one"));
    };
    let ended = Window {
        ended: Some(now),
        ..window
    };
    ended.save(state_dir)?;
    print(|out| writeln!(out, "Changes are expected no more"))?;
    Ok(0)
}

fn in_words(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(time) => format!("{time:.0}"),
        Err(_) => milliseconds.to_string(),
    }
}

/// How long a window may be.
pub(super) fn length(text: &str) -> std::result::Result<Duration, String> {
    let length = units::parse_duration(text)?;
    match length.is_zero() || length > LONGEST {
        true => Err("expected more than nothing, and at most 8h".into()),
        false => Ok(length),
    }
}
