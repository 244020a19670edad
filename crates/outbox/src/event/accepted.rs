//! What somebody accepted or expects, as events (6002): an amendment that is gone, windows. They lower nothing.

use super::draft::{Draft, INFORMATIONAL, severity};
use super::lifecycle::Window;
use super::own::{FAILURE, SUCCESS, lifecycle};
use agent_core::finding::Severity;
use serde_json::json;

/// An amendment that was told holds no more.
pub(super) fn gone(path: &str, sha256: &str, reason: &str, now: i64) -> Draft {
    let message = format!(
        "{path} is gone, or counts for nothing now: what it accepted ({reason}) is a deviation again"
    );
    let level = severity(Severity::High);
    lifecycle(99, "Amendment gone", level, FAILURE, &message, now)
        .unmapped("sha256", json!(sha256))
        .unmapped("path", json!(path))
        .unmapped("reason", json!(reason))
}

/// Changes are expected for a while.
pub(super) fn window_opened(window: &Window, now: i64) -> Draft {
    let message = format!(
        "{} expects changes: {}; they are told as ever, and marked",
        window.by, window.reason
    );
    let level = severity(Severity::High);
    let draft = lifecycle(99, "Window opened", level, SUCCESS, &message, now);
    of_window(draft, window)
}

/// They are expected no more.
pub(super) fn window_closed(window: &Window, at: i64, why: &str, now: i64) -> Draft {
    let message = format!("changes are expected no more ({}): {why}", window.reason);
    let draft = lifecycle(99, "Window closed", INFORMATIONAL, SUCCESS, &message, now);
    of_window(draft, window).with("end_time", json!(at))
}

fn of_window(draft: Draft, window: &Window) -> Draft {
    draft
        .with("start_time", json!(window.opened))
        .unmapped("reason", json!(window.reason))
        .unmapped("by", json!(window.by))
        .unmapped("login_uid", json!(window.login_uid))
        .unmapped("until", json!(window.until))
}
