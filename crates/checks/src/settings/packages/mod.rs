//! Updates that wait, signatures, the end of life, what need not be there, and a database that changed by itself.

mod advisories;
mod checks;
mod database;
mod gpgcheck;
mod minimal;
mod pending;
mod release;

pub use checks::CHECKS;

use crate::settings::context::Context;
use agent_core::finding::Finding;
use checks::*;

/// Judges the checks of this area.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    if context.wants(&SECURITY_PENDING) {
        emit(pending::judge(context));
    }
    if context.wants(&GPGCHECK) {
        gpgcheck::judge(context, emit);
    }
    if context.wants(&RELEASE_SUPPORTED) {
        emit(release::judge(context));
    }
    if context.wants(&MINIMAL) {
        minimal::judge(context, emit);
    }
    if context.wants(&DATABASE) {
        emit(database::judge(context));
    }
}
