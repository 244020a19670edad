//! What goes over the socket: one packet a question, one an answer of the same number, with a descriptor where it takes
//! one.

use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The longest path, and a byte or five before it.
const PACKET: usize = 4096 + 16;
/// What is asked for below a process has no longer name.
pub(super) const NAME: usize = 128;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question<'a> {
    /// The target of a link below the directory that is handed over.
    ReadLink(&'a [u8]),
    /// What is there, open for reading.
    Open(&'a [u8]),
    /// What is there, by a handle alone (`O_PATH`).
    Handle(&'a [u8]),
    /// What is handed over tells of refused system calls.
    Listen,
    /// Which were refused since this was asked last?
    Refused,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The kernel refused, or there was nothing.
    Refusal(Errno),
    /// It is done; a descriptor comes with it where one was asked for.
    Done,
    /// The target of a link.
    Link(Vec<u8>),
    /// Numbers of system calls.
    Refused(Vec<u32>),
}

impl Question<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let (kind, name) = match *self {
            Question::ReadLink(name) => (b'L', name),
            Question::Open(name) => (b'O', name),
            Question::Handle(name) => (b'H', name),
            Question::Listen => (b'N', &b""[..]),
            Question::Refused => (b'R', &b""[..]),
        };
        [&[kind], name].concat()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Question<'_>> {
        let (kind, name) = bytes.split_first()?;
        Some(match kind {
            b'L' => Question::ReadLink(name),
            b'O' => Question::Open(name),
            b'H' => Question::Handle(name),
            b'N' => Question::Listen,
            b'R' => Question::Refused,
            _ => return None,
        })
    }
}

impl Answer {
    /// An error number of four bytes, 0 for none, and what there is to say.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let (errno, rest) = match self {
            Answer::Refusal(errno) => (errno.raw_os_error(), Vec::new()),
            Answer::Done => (0, Vec::new()),
            Answer::Link(target) => (0, target.clone()),
            Answer::Refused(calls) => {
                let bytes = calls.iter().flat_map(|call| call.to_ne_bytes());
                (0, bytes.collect())
            }
        };
        [&errno.to_ne_bytes()[..], &rest].concat()
    }

    pub(super) fn read(question: &Question<'_>, bytes: &[u8]) -> Option<Answer> {
        let (errno, rest) = bytes.split_first_chunk::<4>()?;
        let errno = i32::from_ne_bytes(*errno);
        if errno != 0 {
            return Some(Answer::Refusal(Errno::from_raw_os_error(errno)));
        }
        Some(match question {
            Question::ReadLink(_) => Answer::Link(rest.to_vec()),
            Question::Refused => {
                let (calls, _) = rest.as_chunks::<4>();
                Answer::Refused(calls.iter().map(|call| u32::from_ne_bytes(*call)).collect())
            }
            Question::Open(_) | Question::Handle(_) | Question::Listen => Answer::Done,
        })
    }
}

/// Sends one packet.
pub(super) fn send(
    socket: impl AsFd,
    number: u32,
    bytes: &[u8],
    handed: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let bytes = [&number.to_ne_bytes()[..], bytes].concat();
    if bytes.len() > PACKET {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let handed: Vec<BorrowedFd<'_>> = handed.into_iter().collect();
    if !handed.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&handed)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let packet = [IoSlice::new(&bytes)];
    again(|| sendmsg(&socket, &packet, &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives one packet. That there will be none any more is an error.
pub(super) fn receive(socket: impl AsFd) -> io::Result<(u32, Vec<u8>, Option<OwnedFd>)> {
    let mut bytes = vec![0; PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = again(|| {
        let mut packet = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        recvmsg(&socket, &mut packet, &mut ancillary, flags)
    })?;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let handed = descriptors.next().and_then(|mut all| all.next());
    bytes.truncate(received.bytes);
    // The other end is gone.
    let Some((number, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    Ok((u32::from_ne_bytes(*number), rest.to_vec(), handed))
}

fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let name = b"fd/7";
        for question in [
            Question::ReadLink(name),
            Question::Open(name),
            Question::Handle(name),
            Question::Listen,
            Question::Refused,
        ] {
            assert_eq!(Question::read(&question.bytes()), Some(question));
        }
        assert_eq!(Question::read(b""), None);
        assert_eq!(Question::read(b"X"), None);
        for (question, answer) in [
            (Question::Listen, Answer::Done),
            (Question::ReadLink(name), Answer::Link(b"/bin/sh".to_vec())),
            (Question::Refused, Answer::Refused(vec![61, 101])),
            (Question::Open(name), Answer::Refusal(Errno::ACCESS)),
        ] {
            assert_eq!(Answer::read(&question, &answer.bytes()), Some(answer));
        }
        assert_eq!(Answer::read(&Question::Listen, b"x"), None);
    }
}
