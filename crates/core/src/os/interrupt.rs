//! What is left of a line on a terminal when the process is interrupted: nothing.

use super::signals;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use std::os::fd::AsFd;

/// Signals that end a process whose user has seen enough.
const ENDING: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];
/// To the first column, and nothing from there on (ECMA-48, CSI K).
const ERASE: &[u8] = b"\r\x1b[K";

/// While it lives, an interrupt erases the line of standard error on which the cursor stands, and then ends the process
/// as it would have.
#[derive(Debug)]
pub struct ErasedLine(());

impl ErasedLine {
    /// From now on. A signal that whoever started the process wants ignored stays so.
    pub fn on_interrupt() -> ErasedLine {
        for signal in ENDING {
            let flags = SaFlags::SA_RESETHAND | SaFlags::SA_NODEFER;
            set(signal, SigHandler::Handler(erase), flags);
        }
        ErasedLine(())
    }
}

impl Drop for ErasedLine {
    fn drop(&mut self) {
        for signal in ENDING {
            set(signal, SigHandler::SigDfl, SaFlags::empty());
        }
    }
}

/// Nothing but write(2) and raise(3), which are async-signal-safe (signal-safety(7)). The handler was taken back as it
/// was called (SA_RESETHAND), so that the signal raised once more ends the process.
extern "C" fn erase(signal: libc::c_int) {
    rustix::io::write(std::io::stderr().as_fd(), ERASE).unwrap_or_default();
    if let Ok(signal) = Signal::try_from(signal) {
        raise(signal).unwrap_or_default();
    }
}

fn set(signal: Signal, handler: SigHandler, flags: SaFlags) {
    if signals::ignored(signal as libc::c_int) {
        return;
    }
    let action = SigAction::new(handler, flags, SigSet::empty());
    // SAFETY: the handler calls nothing that is not async-signal-safe. A refusal leaves things as they are, which costs
    // a line on the terminal.
    unsafe { sigaction(signal, &action) }.ok();
}
