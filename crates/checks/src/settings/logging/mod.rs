//! Who ships logs, who audits, who watches the files, who keeps the clock.

mod audit_rules;
mod auditd;
mod checks;
mod chrony;
mod cloudwatch;
mod fluent_bit;
mod home;
mod integrity;
mod journal;
mod memory;
mod rsyslog;
mod service;
mod shippers;
mod syslog_ng;
mod targets;
mod time;

pub use checks::CHECKS;

use crate::settings::context::Context;
use agent_core::finding::{Check, Finding};
use checks::*;

/// How a check is judged.
type JudgeCheck = fn(&Context<'_>) -> Finding;

/// Judges the checks of this area.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let judges: [(&Check, JudgeCheck); 4] = [
        (&AGENT_PRESENT, shippers::judge),
        (&AUDITD, auditd::judge),
        (&INTEGRITY_MONITOR, integrity::judge),
        (&TIME_SYNC, time::judge),
    ];
    for (check, judge) in judges {
        if context.wants(check) {
            emit(judge(context));
        }
    }
}
