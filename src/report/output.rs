//! Where results go: standard output, or a file that is written whole or not at all.

use agent_core::error::{Error, Result};
use agent_core::os::atomic::Pending;
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::path::Path;

/// A report may be read by whoever runs the agent, and by nobody else unless they are let.
const MODE: u16 = 0o600;

/// The place for results.
#[derive(Debug)]
pub(crate) enum Output {
    /// Standard output. Once its reader is gone, what follows is dropped: the exit status stays true.
    Stdout {
        /// Buffered.
        out: BufWriter<StdoutLock<'static>>,
        /// Whether the reader closed the pipe.
        closed: bool,
    },
    /// A file under way.
    File(BufWriter<Pending>),
}

impl Output {
    /// Standard output, or the file that is to stand at `path`.
    pub(crate) fn open(path: Option<&Path>) -> Result<Output> {
        match path {
            None => Ok(Output::Stdout {
                out: BufWriter::with_capacity(64 * 1024, io::stdout().lock()),
                closed: false,
            }),
            Some(path) => match Pending::create(path, MODE) {
                Ok(pending) => Ok(Output::File(BufWriter::with_capacity(64 * 1024, pending))),
                Err(error) => Err(Error::cannot_write(path, &error)),
            },
        }
    }

    /// Makes sure that everything is out, and puts a file in its place.
    pub(crate) fn commit(mut self, path: Option<&Path>) -> Result<()> {
        let done = self.flush();
        let done = match (done, self) {
            (Ok(()), Output::File(out)) => out
                .into_inner()
                .map_err(io::IntoInnerError::into_error)
                .and_then(Pending::commit),
            (done, _) => done,
        };
        done.map_err(|error| match path {
            Some(path) => Error::cannot_write(path, &error),
            None => Error::cannot_write("standard output", &error),
        })
    }
}

fn unless_closed<T>(result: io::Result<T>, closed: &mut bool, instead: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            *closed = true;
            Ok(instead)
        }
        result => result,
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout { closed: true, .. } => Ok(bytes.len()),
            Output::Stdout { out, closed } => unless_closed(out.write(bytes), closed, bytes.len()),
            Output::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout { closed: true, .. } => Ok(()),
            Output::Stdout { out, closed } => unless_closed(out.flush(), closed, ()),
            Output::File(out) => out.flush(),
        }
    }
}
