//! What is left of a line on a terminal when the process is interrupted: nothing.

use super::signals;

/// Signals that end a process whose user has seen enough.
const ENDING: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];
/// To the first column, and nothing from there on (ECMA-48, CSI K).
const ERASE: &[u8] = b"\r\x1b[K";

/// While it lives, an interrupt erases the line of standard error on which the cursor stands, and then ends the process
/// as it would have.
#[derive(Debug)]
pub struct ErasedLine(());

impl ErasedLine {
    /// From now on. A signal that whoever started the process wants ignored stays so.
    pub fn on_interrupt() -> ErasedLine {
        let handler: extern "C" fn(libc::c_int) = erase;
        for signal in ENDING {
            set(
                signal,
                handler as libc::sighandler_t,
                libc::SA_RESETHAND | libc::SA_NODEFER,
            );
        }
        ErasedLine(())
    }
}

impl Drop for ErasedLine {
    fn drop(&mut self) {
        for signal in ENDING {
            set(signal, libc::SIG_DFL, 0);
        }
    }
}

extern "C" fn erase(signal: libc::c_int) {
    // SAFETY: write(2) and raise(3) are async-signal-safe (signal-safety(7)); the bytes live for ever. The handler was
    // taken back as it was called (SA_RESETHAND), so that the signal raised once more ends the process.
    unsafe {
        libc::write(libc::STDERR_FILENO, ERASE.as_ptr().cast(), ERASE.len());
        libc::raise(signal);
    }
}

fn set(signal: libc::c_int, handler: libc::sighandler_t, flags: libc::c_int) {
    if signals::ignored(signal) {
        return;
    }
    // SAFETY: zero is a valid value of every field of a sigaction, and the pointers are to values that live through the
    // call. A refusal leaves things as they are, which costs a line on the terminal.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}
