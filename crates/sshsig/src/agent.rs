//! A client of ssh-agent(1), for the two requests that sealing needs
//! (draft-ietf-sshm-ssh-agent sections 3.5 and 3.6).

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::key::Key;
use super::wire::{Reader, Writer};

const SOCKET: &str = "SSH_AUTH_SOCK";

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Asks for `rsa-sha2-512`; an agent would use SHA-1 without it.
const RSA_SHA2_512: u32 = 4;

/// Largest reply that OpenSSH's agent itself sends or takes.
// Own bound: OpenSSH's.
const LONGEST_REPLY: u32 = 256 * 1024;

/// What an agent gets to list its keys.
const TO_LIST: Duration = Duration::from_secs(10);

/// What an agent gets to sign: it may have to ask a person, who may have to
/// find the security key first.
const TO_SIGN: Duration = Duration::from_secs(120);

/// Why ssh-agent did not help.
#[derive(Debug)]
pub enum AgentError {
    /// The environment does not say where the agent is.
    Unset,
    /// The agent cannot be reached.
    Connect {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The connection broke.
    Broken(io::Error),
    /// No reply in time.
    Silent(Duration),
    /// A reply that the protocol does not have.
    Malformed,
    /// The agent does not hold the key.
    NotHeld {
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// The agent holds the key and did not sign.
    Declined {
        /// The key's fingerprint.
        fingerprint: String,
    },
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AgentError::Unset => write!(
                f,
                "a public key file needs ssh-agent to sign, and {SOCKET} is not set; start an agent (eval \"$(ssh-agent)\"), ssh-add the key, and under sudo keep the variable (sudo --preserve-env={SOCKET}); or give the private key file instead"
            ),
            AgentError::Connect { socket, error } => write!(
                f,
                "cannot reach ssh-agent at {} ({error}); check that the agent is still running and that {SOCKET} is its socket",
                socket.display()
            ),
            AgentError::Broken(error) => write!(
                f,
                "the connection to ssh-agent broke ({error}); check that the agent is still running, and try again"
            ),
            AgentError::Silent(patience) => write!(
                f,
                "ssh-agent did not answer in {} seconds; see whether it waits for a confirmation or for a touch of the security key, and try again",
                patience.as_secs()
            ),
            AgentError::Malformed => write!(
                f,
                "what answers at {SOCKET} does not speak the ssh-agent protocol; check the variable"
            ),
            AgentError::NotHeld { fingerprint } => write!(
                f,
                "ssh-agent does not hold the key {fingerprint}; ssh-add its private key, or give the private key file instead of the public one"
            ),
            AgentError::Declined { fingerprint } => write!(
                f,
                "ssh-agent declined to sign with the key {fingerprint}; see whether it is locked or the request was not confirmed, and try again"
            ),
        }
    }
}

impl std::error::Error for AgentError {}

/// Where the agent is. Each request makes a connection of its own, so that
/// none is held while the caller digests a large file.
#[derive(Debug)]
pub(super) struct Agent {
    socket: PathBuf,
}

impl Agent {
    /// The agent that the environment names.
    pub(super) fn from_environment() -> Result<Agent, AgentError> {
        match std::env::var_os(SOCKET) {
            Some(socket) if !socket.is_empty() => Ok(Agent {
                socket: socket.into(),
            }),
            _ => Err(AgentError::Unset),
        }
    }

    /// Makes sure that the agent holds the key.
    pub(super) fn must_hold(&self, key: &Key) -> Result<(), AgentError> {
        let reply = self.ask(&[REQUEST_IDENTITIES], TO_LIST)?;
        let mut fields = Reader::new(&reply);
        if fields.byte() != Some(IDENTITIES_ANSWER) {
            return Err(AgentError::Malformed);
        }
        let count = fields.uint32().ok_or(AgentError::Malformed)?;
        for _ in 0..count {
            let (Some(blob), Some(_comment)) = (fields.string(), fields.string()) else {
                return Err(AgentError::Malformed);
            };
            if blob == key.blob() {
                return Ok(());
            }
        }
        Err(AgentError::NotHeld {
            fingerprint: key.fingerprint(),
        })
    }

    /// The signature blob over `message`.
    pub(super) fn sign(&self, key: &Key, message: &[u8]) -> Result<Vec<u8>, AgentError> {
        let flags = if key.data().is_rsa() { RSA_SHA2_512 } else { 0 };
        let request = Writer::default()
            .raw(&[SIGN_REQUEST])
            .string(key.blob())
            .string(message)
            .uint32(flags)
            .finish()
            .ok_or(AgentError::Malformed)?;
        let reply = self.ask(&request, TO_SIGN)?;
        let mut fields = Reader::new(&reply);
        if fields.byte() != Some(SIGN_RESPONSE) {
            return Err(AgentError::Declined {
                fingerprint: key.fingerprint(),
            });
        }
        let signature = fields.string().ok_or(AgentError::Malformed)?;
        Ok(signature.to_vec())
    }

    /// Sends one message and returns the reply, both without their lengths.
    fn ask(&self, request: &[u8], patience: Duration) -> Result<Vec<u8>, AgentError> {
        let deadline = Instant::now()
            .checked_add(patience)
            .ok_or(AgentError::Silent(patience))?;
        let mut stream =
            UnixStream::connect(&self.socket).map_err(|error| AgentError::Connect {
                socket: self.socket.clone(),
                error,
            })?;
        stream
            .set_write_timeout(Some(patience))
            .map_err(AgentError::Broken)?;
        let framed = Writer::default()
            .string(request)
            .finish()
            .ok_or(AgentError::Malformed)?;
        stream
            .write_all(&framed)
            .map_err(|error| broken(error, patience))?;

        let mut length = [0; 4];
        fill(&mut stream, &mut length, deadline, patience)?;
        let length = u32::from_be_bytes(length);
        if length == 0 || length > LONGEST_REPLY {
            return Err(AgentError::Malformed);
        }
        let length = usize::try_from(length).map_err(|_| AgentError::Malformed)?;
        let mut reply = vec![0; length];
        fill(&mut stream, &mut reply, deadline, patience)?;
        Ok(reply)
    }
}

/// Reads until `wanted` is full. The deadline is one for the whole reply, and
/// not for each read, so that no agent can hold on by sending byte by byte.
fn fill(
    stream: &mut UnixStream,
    mut wanted: &mut [u8],
    deadline: Instant,
    patience: Duration,
) -> Result<(), AgentError> {
    while !wanted.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(AgentError::Silent(patience));
        }
        stream
            .set_read_timeout(Some(left))
            .map_err(AgentError::Broken)?;
        match stream.read(wanted) {
            Ok(0) => return Err(AgentError::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                wanted = std::mem::take(&mut wanted)
                    .get_mut(count..)
                    .unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(error, patience)),
        }
    }
    Ok(())
}

/// A timeout shows as either kind, depending on the platform.
fn broken(error: io::Error, patience: Duration) -> AgentError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentError::Silent(patience),
        _ => AgentError::Broken(error),
    }
}
