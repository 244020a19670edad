//! The bar on standard error while files are checked: on a terminal only, gone when the report comes.

use agent_core::os::interrupt::ErasedLine;
use agent_scan::files::scan::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Runs `work` and shows `progress` meanwhile, if `wanted` and standard error is a terminal.
///
/// `total` is the number of paths, where it is known.
pub(crate) fn shown<T>(
    wanted: bool,
    progress: &Progress,
    total: Option<u64>,
    work: impl FnOnce() -> T,
) -> T {
    if !wanted || !std::io::stderr().is_terminal() {
        return work();
    }
    let template = match total {
        Some(_) => "{bar:30} {human_pos}/{human_len} paths {msg} {elapsed}",
        None => "{spinner} {human_pos} paths {msg} {elapsed}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_style(style);
    let _line = ErasedLine::on_interrupt();
    let (done, wait) = channel::<()>();
    std::thread::scope(|scope| {
        let bar = &bar;
        scope.spawn(move || {
            while wait.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                let bytes = progress.bytes.load(Ordering::Relaxed);
                bar.set_message(format!("{} MB", bytes / 1_000_000));
                bar.set_position(progress.checked.load(Ordering::Relaxed));
            }
            bar.finish_and_clear();
        });
        let result = work();
        drop(done);
        result
    })
}
