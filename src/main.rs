//! `agent`: says, with evidence, whether a host is still what its owners baked.
//!
//! The way the data goes:
//!
//! ```text
//!  profile (what should hold) ─┐              manifest (what was recorded, and who sealed it)
//!                              ▼                       ▼
//!  scan · packages · checks · watch ──► Finding ──► ledger ──► event ──► store ──► ship
//!                                          └──► report ──► exit status
//! ```
//!
//! What looks, judges and tells are crates of their own, below `crates/`. This package holds the hands: [`cli`] meets
//! people, [`assess`] decides what is looked at, [`report`] prints it, and [`daemon`] does it again and again.
#![forbid(unsafe_code)]

mod assess;
mod cli;
mod daemon;
mod report;
mod window;

use agent_core::os::exhausted;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: exhausted::OrEnd = exhausted::OrEnd;

fn main() -> ExitCode {
    agent_core::os::last_word::install(None);
    exhausted::guarded(|| ExitCode::from(cli::run(std::env::args_os())))
}
