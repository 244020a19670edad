//! The armor around a signature (PROTOCOL.sshsig section 1): a header line,
//! base64 in lines, a footer line.
//!
//! What is read is what ssh-keygen reads, except that nothing but white space
//! may follow the footer: ssh-keygen ignores whatever stands there, and two
//! seals in one file would leave it unsaid which of them counts. Line ends may
//! be LF or CRLF; ssh-keygen takes a CRLF after the header in its newer
//! releases only.

use std::fmt;

use agent_core::bounds;
use base64ct::{Base64, Encoding};

const HEADER: &str = "-----BEGIN SSH SIGNATURE-----";
const FOOTER: &str = "-----END SSH SIGNATURE-----";

/// The width at which ssh-keygen breaks the base64.
const WIDTH: usize = 70;

/// Why a file is not an armored signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmorError {
    /// Larger than any seal.
    TooLarge,
    /// The first line is not the header.
    Header,
    /// No footer line.
    Footer,
    /// Something follows the footer.
    Trailing,
    /// The lines between header and footer are not base64.
    Base64,
}

impl fmt::Display for ArmorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArmorError::TooLarge => write!(
                f,
                "the seal is larger than {} KiB, which no SSH signature is; check that the right file was given",
                bounds::SEAL / 1024
            ),
            ArmorError::Header => write!(
                f,
                "the seal does not begin with the line {HEADER}; check that it is a file written by this agent or by ssh-keygen -Y sign"
            ),
            ArmorError::Footer => write!(
                f,
                "the seal has no line {FOOTER}: it was cut short; copy it again in full"
            ),
            ArmorError::Trailing => write!(
                f,
                "the seal goes on after its last line {FOOTER}; keep one signature in the file and nothing else"
            ),
            ArmorError::Base64 => write!(
                f,
                "the seal's lines between header and footer are not valid base64: it was damaged; copy it again"
            ),
        }
    }
}

/// The signature blob inside the armor.
pub(super) fn open(armored: &[u8]) -> Result<Vec<u8>, ArmorError> {
    if armored.len() as u64 > bounds::SEAL {
        return Err(ArmorError::TooLarge);
    }
    let after_header = armored
        .strip_prefix(HEADER.as_bytes())
        .ok_or(ArmorError::Header)?;
    let body = after_header.strip_prefix(b"\r").unwrap_or(after_header);
    if !body.starts_with(b"\n") {
        return Err(ArmorError::Header);
    }

    let line_and_footer = format!("\n{FOOTER}");
    let end = body
        .windows(line_and_footer.len())
        .position(|window| window == line_and_footer.as_bytes())
        .ok_or(ArmorError::Footer)?;
    let (lines, footer) = body.split_at_checked(end).ok_or(ArmorError::Footer)?;
    let after_footer = footer
        .strip_prefix(line_and_footer.as_bytes())
        .ok_or(ArmorError::Footer)?;
    if !after_footer.iter().all(u8::is_ascii_whitespace) {
        return Err(ArmorError::Trailing);
    }

    let base64: String = lines
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(*byte))
        .collect();
    Base64::decode_vec(&base64).map_err(|_| ArmorError::Base64)
}

/// Armors a signature blob as ssh-keygen does.
pub(super) fn close(blob: &[u8]) -> String {
    let base64 = Base64::encode_string(blob);
    let mut armored = format!("{HEADER}\n");
    for (index, character) in base64.chars().enumerate() {
        if index > 0 && index % WIDTH == 0 {
            armored.push('\n');
        }
        armored.push(character);
    }
    armored.push('\n');
    armored.push_str(FOOTER);
    armored.push('\n');
    armored
}
