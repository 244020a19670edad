//! What a process does when one of its threads panics: a last word, a mark for the next run, exit status 2.
//!
//! The word names what the thread was at and where the fault lies in the code. It holds no message that was put
//! together while the agent ran, since such a message may hold contents of files.

use crate::bytes;
use crate::task::{self, At};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::fmt::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The mark's name in its directory.
pub const MARK: &str = "panic.mark";
/// The first line of every mark.
pub const TITLE: &str = "host-integrity-agent panic 1";
/// Where a mark is prepared, so that a full disk has room for it.
const PREPARED: &str = "panic.mark.prepared";
/// Bytes of a mark: the longest path with each byte escaped, and the lines beside it.
pub const SIZE: usize = 4 * 4096 + 1024;
/// Nobody else's business.
const MODE: Mode = Mode::from_raw_mode(0o600);
/// The exit status of a fault of the agent itself.
const FAULT: i32 = 2;

/// SHA-256 of the running binary in hexadecimal, as soon as that is known.
static BINARY: OnceLock<String> = OnceLock::new();

/// What was said of the binary.
pub fn binary() -> Option<&'static str> {
    BINARY.get().map(String::as_str)
}

/// From now on the last word names the binary by its digest.
pub fn know_binary(digest: &str) {
    // It does not change while it runs.
    BINARY.get_or_init(|| digest.to_owned());
}

/// Room for a mark, taken before it is needed.
#[derive(Debug)]
pub struct Prepared {
    directory: OwnedFd,
    file: OwnedFd,
}

impl Prepared {
    /// Takes room for a mark in `directory`, which belongs to the agent.
    pub fn new(directory: &Path) -> std::io::Result<Prepared> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = fs::open(directory, flags, Mode::empty())?;
        let file = prepare(&directory)?;
        Ok(Prepared { directory, file })
    }

    /// Writes the mark and puts it in its place: whole or not at all. Takes no lock and allocates nothing.
    fn leave(&self, text: &[u8]) -> Result<(), Errno> {
        // Of one that could not be put in its place something may stand there.
        let end = text.len().min(SIZE - 1);
        rustix::io::pwrite(&self.file, &[0], end as u64)?;
        let (mut rest, mut written) = (text, 0_u64);
        while !rest.is_empty() {
            let length = match rustix::io::pwrite(&self.file, rest, written)? {
                0 => return Err(Errno::IO),
                length => length,
            };
            written = written.saturating_add(length as u64);
            rest = bytes::behind(rest, length);
        }
        fs::fsync(&self.file)?;
        fs::renameat(&self.directory, PREPARED, &self.directory, MARK)?;
        fs::fsync(&self.directory)
    }
}

fn prepare(directory: &impl AsFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(directory, PREPARED, flags, MODE)?;
    let there = usize::try_from(fs::fstat(&file)?.st_size).unwrap_or(SIZE);
    let mut written = there.min(SIZE);
    let zeros = [0; 4096];
    while written < SIZE {
        let some = bytes::first(&zeros, SIZE.saturating_sub(written));
        let length = rustix::io::pwrite(&file, some, written as u64)?;
        written = written.saturating_add(length);
    }
    Ok(file)
}

/// From now on a panic of any thread ends the process with a last word and exit status 2, and leaves a mark where
/// there is room prepared for one.
pub fn install(prepared: Option<Prepared>) {
    std::panic::set_hook(Box::new(move |panic| end(panic, prepared.as_ref())));
}

fn end(panic: &PanicHookInfo<'_>, prepared: Option<&Prepared>) -> ! {
    static ENDS: AtomicBool = AtomicBool::new(false);
    if ENDS.swap(true, Ordering::SeqCst) {
        // Another thread was first, and ends the process.
        loop {
            std::thread::park();
        }
    }
    let mut buffer = [0; SIZE];
    let mut text = Text::new(&mut buffer);
    word(&mut text, panic);
    say(text.bytes());
    if let Some(prepared) = prepared {
        let mut text = Text::new(&mut buffer);
        mark(&mut text, panic);
        if let Err(errno) = prepared.leave(text.bytes()) {
            let mut buffer = [0; 256];
            let mut text = Text::new(&mut buffer);
            let errno = errno.raw_os_error();
            // A text that is cut short is still one.
            writeln!(
                text,
                "error: the mark of the panic could not be left in the state directory (errno {errno}): the next start does not count it"
            )
            .unwrap_or_default();
            say(text.bytes());
        }
    }
    std::process::exit(FAULT)
}

/// To standard error, past its lock, which the thread that panicked or another may hold. A panic about a reader that
/// is gone would end in SIGABRT.
fn say(mut text: &[u8]) {
    let stderr = std::io::stderr();
    while !text.is_empty() {
        match rustix::io::write(stderr.as_fd(), text) {
            Ok(0) => return,
            Ok(written) => text = bytes::behind(text, written),
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Whether the standard library could not start a thread: nobody's fault but that of a limit.
fn is_no_thread(panic: &PanicHookInfo<'_>) -> bool {
    let there = panic
        .location()
        .is_some_and(|at| at.file().contains("std/src/thread"));
    let words = panic.payload().downcast_ref::<String>();
    there && words.is_some_and(|words| words.starts_with("failed to spawn thread"))
}

fn word(text: &mut Text<'_>, panic: &PanicHookInfo<'_>) {
    let mut written = match is_no_thread(panic) {
        true => write!(
            text,
            "error: no thread could be started (a limit on processes or memory, as ulimit -u or -v, or TasksMax): nothing can be said"
        ),
        false => write!(
            text,
            "error: a fault of the agent itself, please report it: panic"
        ),
    };
    if let Some(location) = panic.location() {
        written = written.and_then(|()| write!(text, " at {location}"));
    }
    // Only what stands in the source like that.
    if let Some(fixed) = panic.payload().downcast_ref::<&'static str>() {
        written = written.and_then(|()| write!(text, " ({fixed})"));
    }
    task::read(|at| {
        written =
            write!(text, "; job {}, at {}", at.job().name(), at.kind().name()).and_then(|()| {
                match at.subject().is_empty() {
                    true => Ok(()),
                    false => subject(text, " ", at),
                }
            });
    });
    written = written.and_then(|()| write!(text, "; version {}", env!("CARGO_PKG_VERSION")));
    if let Some(binary) = BINARY.get() {
        written = written.and_then(|()| write!(text, ", binary sha256 {binary}"));
    }
    written
        .and_then(|()| text.write_char('\n'))
        .unwrap_or_default();
}

/// Lines of `KEY VALUE`; what cannot be told has no line.
fn mark(text: &mut Text<'_>, panic: &PanicHookInfo<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    let mut written = write!(
        text,
        "{TITLE}\ntime {now}\nprocess {}\nversion {}\n",
        std::process::id(),
        env!("CARGO_PKG_VERSION")
    );
    if let Some(location) = panic.location() {
        written = written.and_then(|()| writeln!(text, "location {location}"));
    }
    if let Some(binary) = BINARY.get() {
        written = written.and_then(|()| writeln!(text, "binary {binary}"));
    }
    task::read(|at| {
        written = writeln!(text, "job {}\nkind {}", at.job().name(), at.kind().name())
            .and_then(|()| subject(text, "subject ", at))
            .and_then(|()| text.write_char('\n'));
    });
    // Whoever reads a mark without its end knows that it was cut short.
    written
        .and_then(|()| text.write_str("end\n"))
        .unwrap_or_default();
}

fn subject(text: &mut Text<'_>, before: &str, at: &At) -> fmt::Result {
    text.write_str(before)?;
    at.subject()
        .iter()
        .try_for_each(|byte| escaped(text, *byte))
}

/// Bytes that are no printable ASCII, and the backslash, as `\xHH`.
fn escaped(text: &mut dyn fmt::Write, byte: u8) -> fmt::Result {
    match byte {
        b'\\' | 0..=0x1f | 0x7f.. => write!(text, "\\x{byte:02x}"),
        byte => text.write_char(char::from(byte)),
    }
}

/// The bytes as a mark has them.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // A string takes everything.
        escaped(&mut text, *byte).unwrap_or_default();
    }
    text
}

/// The bytes that a mark has as `text`; `None` if it is not written like that.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => {
                let (digits, after) = rest.strip_prefix(b"x")?.split_at_checked(2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            0x20..=0x7e => bytes.push(*byte),
            _ => return None,
        }
    }
    Some(bytes)
}

/// A text in memory that is there already; what does not fit is an error.
struct Text<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Text<'a> {
    fn new(buffer: &'a mut [u8]) -> Text<'a> {
        Text { buffer, length: 0 }
    }

    fn bytes(&self) -> &[u8] {
        bytes::first(self.buffer, self.length)
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.buffer.iter_mut().skip(self.length);
        let fits = room
            .zip(text.bytes())
            .map(|(room, byte)| *room = byte)
            .count();
        self.length = self.length.saturating_add(fits);
        match fits == text.len() {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = escape(&all);
        assert!(text.is_ascii() && !text.contains('\n'));
        assert_eq!(unescape(&text), Some(all));
        for wrong in ["\\", "\\x", "\\x1", "\\xzz", "\n", "\u{e9}"] {
            assert_eq!(unescape(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_and_told() {
        let mut buffer = [0; 4];
        let mut text = Text::new(&mut buffer);
        assert!(text.write_str("abc").is_ok() && text.write_str("de").is_err());
        assert_eq!(text.bytes(), b"abcd");
    }

    #[test]
    fn a_mark_takes_the_place_of_the_one_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join(MARK);
        for text in [b"one\n".as_slice(), b"two\n"] {
            let prepared = Prepared::new(directory.path()).expect("room");
            prepared.leave(text).expect("left");
            let found = std::fs::read(&place).expect("a mark");
            assert_eq!((found.len(), &found[..text.len()]), (SIZE, text));
        }
    }
}
