//! The private key file of OpenSSH (PROTOCOL.key): a container with the public
//! key in the open and the private key, possibly encrypted, behind it.
//!
//! `ssh-key` 0.6 reads a private ECDSA number only if it is as long as the
//! curve's field. ssh-keygen leaves out leading zero bytes, as the encoding of
//! numbers demands, so that a quarter of all P-521 keys would be refused. Such
//! numbers are filled up here before `ssh-key` gets to see them.

use base64ct::{Base64, Encoding};
use ssh_key::PrivateKey;
use zeroize::Zeroizing;

use super::wire::{Reader, Writer};

/// The first line of such a file.
pub(super) const HEADER: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const FOOTER: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Why there is no private key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unusable {
    /// Under a passphrase.
    Encrypted,
    /// Damaged.
    Malformed,
}

/// The private key in a file that has no passphrase.
pub(super) fn decode(text: &[u8]) -> Result<PrivateKey, Unusable> {
    let container = dearmor(text).ok_or(Unusable::Malformed)?;
    let container = normalize(&container)?;
    PrivateKey::from_bytes(&container).map_err(|_| Unusable::Malformed)
}

fn dearmor(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(text).ok()?;
    let body = text.strip_prefix(HEADER)?;
    let body = body.trim_end().strip_suffix(FOOTER)?;
    // Room for all of it at once: growing would leave copies of the secret.
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(
        body.chars()
            .filter(|character| !character.is_ascii_whitespace()),
    );
    Base64::decode_vec(&base64).ok().map(Zeroizing::new)
}

/// The container with a private ECDSA number of full length.
fn normalize(container: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unusable> {
    let mut fields = Reader::new(container);
    if fields.take(MAGIC.len()) != Some(MAGIC) {
        return Err(Unusable::Malformed);
    }
    let cipher = fields.string().ok_or(Unusable::Malformed)?;
    if cipher != b"none" {
        return Err(Unusable::Encrypted);
    }
    unencrypted(container, fields).ok_or(Unusable::Malformed)
}

/// `fields` are those after the cipher.
fn unencrypted(container: &[u8], mut fields: Reader<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let (kdf, kdf_options) = (fields.string()?, fields.string()?);
    let count = fields.uint32()?;
    let (public, private) = (fields.string()?, fields.string()?);
    if !fields.is_at_end() {
        return None;
    }

    let mut fields = Reader::new(private);
    let check = fields.take(8)?;
    let key_type = fields.string()?;
    let size = match key_type {
        b"ecdsa-sha2-nistp256" => 32,
        b"ecdsa-sha2-nistp384" => 48,
        b"ecdsa-sha2-nistp521" => 66,
        _ => return Some(Zeroizing::new(container.to_vec())),
    };
    let (curve, point, number) = (fields.string()?, fields.string()?, fields.string()?);
    let comment = fields.string()?;
    // A leading zero byte only says that the number is not negative.
    let digits = number.strip_prefix(&[0]).unwrap_or(number);
    let mut full = Zeroizing::new(vec![0; size]);
    full.get_mut(size.checked_sub(digits.len())?..)?
        .copy_from_slice(digits);

    let room = size.checked_mul(2)?.checked_add(container.len())?;
    let mut private = Writer::with_room(room)
        .raw(check)
        .string(key_type)
        .string(curve)
        .string(point)
        .string(&full)
        .string(comment)
        .finish()
        .map(Zeroizing::new)?;
    // Filled up to whole blocks of 8 bytes with 1, 2, 3 and so on.
    let whole = private.len().checked_next_multiple_of(8)?;
    let missing = whole.checked_sub(private.len())?;
    private.extend((1..).take(missing));
    Writer::with_room(room)
        .raw(MAGIC)
        .string(b"none")
        .string(kdf)
        .string(kdf_options)
        .uint32(count)
        .string(public)
        .string(&private)
        .finish()
        .map(Zeroizing::new)
}
