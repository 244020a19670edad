//! `agent`: hands the command line to the library and returns its exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    host_integrity_agent::os::last_word::install(None);
    ExitCode::from(host_integrity_agent::run(std::env::args_os()))
}
