//! Who signed a request, and when: Signature Version 4 as the service checks it, which moto does not.

use super::http::Head;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// An access key that the service knows.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
    /// Whether the session has ended.
    pub expired: bool,
}

/// "Signature expired" and "Signature not yet current" begin here.
const TOLERANCE: i64 = 5 * 60;

/// The error that the service answers with, if it does.
pub(super) fn judge(
    head: &Head,
    body: &[u8],
    keys: &[Key],
    clock: i64,
) -> Result<Key, (&'static str, String)> {
    let authorization = head.header("authorization").unwrap_or_default();
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(name)?;
        rest.strip_prefix('=')?.split([',', ' ']).next()
    };
    let (Some(credential), Some(signed), Some(signature), Some(date)) = (
        part("Credential"),
        part("SignedHeaders"),
        part("Signature"),
        head.header("x-amz-date"),
    ) else {
        return Err((
            "IncompleteSignature",
            format!("Authorization={authorization}"),
        ));
    };
    let (id, scope) = credential.split_once('/').unwrap_or_default();
    let token = head.header("x-amz-security-token");
    let invalid = "The security token included in the request is invalid.";
    let Some(key) = keys
        .iter()
        .find(|key| key.id == id && key.token.as_deref() == token)
    else {
        return Err(("UnrecognizedClientException", invalid.to_owned()));
    };
    if key.expired {
        let expired = "The security token included in the request is expired";
        return Err(("ExpiredTokenException", expired.to_owned()));
    }
    let canonical = canonical(head, signed, body);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut signing = format!("AWS4{}", key.secret).into_bytes();
    for word in scope.split('/') {
        signing = hmac(&signing, word.as_bytes()).to_vec();
    }
    if hex(&hmac(&signing, to_sign.as_bytes())) != signature {
        // The service's own words, with the request and all that is secret in it.
        let text = format!(
            "The request signature we calculated does not match the signature you provided. \
             The Canonical String for this request should have been\n'{canonical}'"
        );
        return Err(("InvalidSignatureException", text));
    }
    let now = clock / 1000;
    if (seconds(date) - now).abs() > TOLERANCE {
        let text = format!(
            "Signature expired: {date} is now earlier than {} ({canonical})",
            now - TOLERANCE
        );
        return Err(("InvalidSignatureException", text));
    }
    Ok(key.clone())
}

fn canonical(head: &Head, signed: &str, body: &[u8]) -> String {
    let mut text = format!("{}\n{}\n\n", head.method, head.path);
    for name in signed.split(';') {
        text += &format!("{name}:{}\n", head.header(name).unwrap_or_default());
    }
    text + &format!("\n{signed}\n{}", hex(&Sha256::digest(body)))
}

/// `20260102T030405Z` in seconds since 1970.
fn seconds(date: &str) -> i64 {
    let parsed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date);
    let time = parsed.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
    time.map_or(0, |time| time.timestamp().as_second())
}

/// A `Date` header of that time.
pub(super) fn date(clock: i64) -> String {
    let time = Timestamp::from_millisecond(clock).expect("a time");
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// RFC 2104
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::digest([&block.map(|b| b ^ 0x36)[..], message].concat());
    Sha256::digest([&block.map(|b| b ^ 0x5c)[..], &inner].concat()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
