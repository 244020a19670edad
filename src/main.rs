//! `agent`: hands the command line to the library and returns its exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A fault of the agent itself is exit status 2, whichever thread it strikes.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("error: a fault of the agent itself, please report it: {panic}");
        std::process::exit(2);
    }));
    ExitCode::from(host_integrity_agent::run(std::env::args_os()))
}
