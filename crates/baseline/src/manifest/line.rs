//! One entry and its line of mtree(5), both ways. Strict: what is not understood is an error, never skipped.

mod tags;

use super::{Entry, Role};
use agent_core::attributes::{Attributes, Digest, FileType, Flags, Timestamp};
use agent_core::bytes;
use agent_core::escape;
use std::io::Write as _;

/// Appends the line of `entry`, with its newline.
pub fn push(out: &mut Vec<u8>, entry: &Entry) {
    let attributes = &entry.attributes;
    out.push(b'.');
    if !entry.path.is_empty() {
        out.push(b'/');
        escape::push_octal(out, &entry.path);
    }
    let mut word = |arguments: std::fmt::Arguments<'_>| {
        // Writing to a Vec cannot fail.
        out.write_fmt(arguments).unwrap_or_default();
    };
    word(format_args!(" type={}", attributes.kind.name()));
    if let Some(mode) = attributes.mode {
        word(format_args!(" mode={mode:04o}"));
    }
    if let Some(uid) = attributes.uid {
        word(format_args!(" uid={uid}"));
    }
    if let Some(gid) = attributes.gid {
        word(format_args!(" gid={gid}"));
    }
    if let Some(nlink) = attributes.nlink {
        word(format_args!(" nlink={nlink}"));
    }
    if let Some(Timestamp {
        seconds,
        nanoseconds,
    }) = attributes.mtime
    {
        // Both readers take the part behind the dot as a number of nanoseconds, so it is padded.
        word(format_args!(" time={seconds}.{nanoseconds:09}"));
    }
    if let Some(size) = attributes.size {
        word(format_args!(" size={size}"));
    }
    if let Some((major, minor)) = attributes.device {
        word(format_args!(" device=native,{major},{minor}"));
    }
    if let Some(Digest::Sha256(digest)) = &attributes.digest {
        word(format_args!(" sha256digest={}", escape::hex(digest)));
    }
    if let Some(flags) = attributes.flags.filter(|flags| !flags.is_empty()) {
        word(format_args!(" flags={flags}"));
    }
    if let Some(target) = &attributes.link {
        out.extend(b" link=");
        escape::push_octal(out, target);
    }
    if entry.role == Role::Removed {
        out.extend(b" optional");
    }
    tags::push(out, entry);
    out.push(b'\n');
}

/// Parses a line without its newline. The error says what was found and what was expected.
pub fn parse(line: &[u8]) -> Result<Entry, String> {
    parse_into(
        line,
        Vec::with_capacity(words(line).next().map_or(0, <[u8]>::len)),
    )
}

/// The same with memory for the path that may be in use again: a line like most allocates nothing then.
pub fn parse_into(line: &[u8], mut path: Vec<u8>) -> Result<Entry, String> {
    let mut words = words(line);
    parse_path(words.next().unwrap_or_default(), &mut path)?;
    let mut found = Found::default();
    for word in words {
        let (key, value) = bytes::split_once(word, b'=').unwrap_or((word, b""));
        // Each keyword stands once: a second one would leave open which of them was meant.
        if !found.take(word, key, value)? {
            return Err(format!(
                "the keyword {} stands twice",
                escape::terminal_bytes(key)
            ));
        }
    }
    found.entry(path)
}

/// What stands between single blanks.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let (word, behind) = match bytes::split_once(text, b' ') {
            Some((word, behind)) => (word, Some(behind)),
            None => (text, None),
        };
        rest = behind;
        Some(word)
    })
}

/// The keywords of a line, as far as it is read.
struct Found {
    kind: Option<FileType>,
    attributes: Attributes,
    role: Role,
    package: Option<Box<str>>,
    optional: bool,
    tags: bool,
}

impl Default for Found {
    fn default() -> Found {
        Found {
            kind: None,
            attributes: Attributes::new(FileType::File),
            role: Role::Recorded,
            package: None,
            optional: false,
            tags: false,
        }
    }
}

impl Found {
    /// Takes the keyword of `word`, which is `key` or `key=value`; whether it is the first of its name.
    fn take(&mut self, word: &[u8], key: &[u8], value: &[u8]) -> Result<bool, String> {
        let found = &mut self.attributes;
        match key {
            b"type" => {
                let known =
                    FileType::from_name(value).ok_or_else(|| bad(word, "a type of mtree(5)"))?;
                Ok(self.kind.replace(known).is_none())
            }
            b"mode" => {
                let mode = octal(value).filter(|mode| *mode <= 0o7777);
                set(&mut found.mode, mode, word, "four octal digits")
            }
            b"uid" => set(&mut found.uid, decimal(value), word, "a number"),
            b"gid" => set(&mut found.gid, decimal(value), word, "a number"),
            b"nlink" => set(&mut found.nlink, decimal(value), word, "a number"),
            b"size" => set(&mut found.size, decimal(value), word, "a number of bytes"),
            b"time" => {
                let expected = "seconds and nine digits, S.NNNNNNNNN";
                set(&mut found.mtime, time(value), word, expected)
            }
            b"link" => {
                let target = escape::from_octal(value).filter(|target| !target.is_empty());
                let target = target.map(Vec::into_boxed_slice);
                let expected = "a target, odd bytes as \\ooo";
                set(&mut found.link, target, word, expected)
            }
            b"device" => set(&mut found.device, device(value), word, "native,MAJOR,MINOR"),
            b"sha256digest" => {
                let digest = escape::from_hex(value).map(Digest::Sha256);
                let expected = "64 lower-case hexadecimal digits";
                set(&mut found.digest, digest, word, expected)
            }
            b"flags" => {
                let flags = Flags::from_letters(value);
                set(&mut found.flags, flags, word, "letters of chattr(1)")
            }
            b"optional" if word == b"optional" => Ok(!std::mem::replace(&mut self.optional, true)),
            b"tags" => {
                let expected = ",removed, or ,parent, or ,mount, or ,package.NAME, or ,verity=SEAL, or ,xattr.NAME=SHA256,";
                let tags = tags::parse(value).ok_or_else(|| bad(word, expected))?;
                found.xattrs = Some(tags.xattrs);
                found.verity = tags.verity;
                self.role = tags.role;
                self.package = tags.package;
                Ok(!std::mem::replace(&mut self.tags, true))
            }
            b"" => Err("two spaces in a row, or one at the end: expected one between words".into()),
            _ => Err(bad(word, "a keyword that this version knows")),
        }
    }

    /// The entry, now that the line has been read.
    fn entry(self, path: Vec<u8>) -> Result<Entry, String> {
        let (mut found, role) = (self.attributes, self.role);
        found.kind = self.kind.ok_or("no type= in this entry")?;
        if self.optional != (role == Role::Removed) {
            return Err("`optional` and the tag `removed` stand together or not at all".into());
        }
        if role == Role::Recorded {
            // A recorded path without such words had none: silence is a statement.
            found.xattrs.get_or_insert_default();
            if matches!(found.kind, FileType::File | FileType::Dir) {
                found.flags.get_or_insert_default();
            }
        }
        Ok(Entry {
            path,
            attributes: found,
            role,
            package: self.package,
        })
    }
}

fn set<T>(
    slot: &mut Option<T>,
    value: Option<T>,
    word: &[u8],
    expected: &str,
) -> Result<bool, String> {
    let value = value.ok_or_else(|| bad(word, expected))?;
    Ok(slot.replace(value).is_none())
}

fn bad(word: &[u8], expected: &str) -> String {
    let shown = bytes::first(word, 80);
    format!(
        "found `{}`, expected {expected}",
        escape::terminal_bytes(shown)
    )
}

/// `.` or `./a/b`, never climbing.
fn parse_path(text: &[u8], path: &mut Vec<u8>) -> Result<(), String> {
    path.clear();
    if text == b"." {
        return Ok(());
    }
    let Some(rest) = text.strip_prefix(b"./") else {
        return Err(bad(text, "a path starting with `./`"));
    };
    if !escape::push_from_octal(path, rest) {
        return Err(bad(text, "odd bytes of a name as \\ooo"));
    }
    for name in path.split(|b| *b == b'/') {
        match name {
            b"" => return Err(bad(text, "no empty component")),
            b"." | b".." => {
                return Err(bad(
                    text,
                    "no `.` or `..`: a manifest never leaves its root",
                ));
            }
            _ => {}
        }
    }
    // An escaped slash would be a second way to write one path.
    if path.len() != rest.len() && rest.windows(4).any(|four| four == b"\\057") {
        return Err(bad(text, "a plain `/`"));
    }
    Ok(())
}

/// Digits alone: no sign, no blanks.
fn decimal<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    let value = text.iter().try_fold(0_u64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    T::try_from(value).ok()
}

fn octal(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 5 {
        return None;
    }
    text.iter().try_fold(0u16, |mode, digit| {
        let digit = char::from(*digit).to_digit(8)?;
        Some(mode << 3 | u16::try_from(digit).ok()?)
    })
}

fn time(text: &[u8]) -> Option<Timestamp> {
    let dot = text.len().checked_sub(10)?;
    let (seconds, fraction) = text.split_at_checked(dot)?;
    let seconds = match seconds.strip_prefix(b"-") {
        Some(digits) => decimal::<i64>(digits)?.checked_neg()?,
        None => decimal(seconds)?,
    };
    Some(Timestamp {
        seconds,
        nanoseconds: decimal(fraction.strip_prefix(b".")?)?,
    })
}

fn device(text: &[u8]) -> Option<(u32, u32)> {
    let numbers = text.strip_prefix(b"native,")?;
    let (major, minor) = bytes::split_once(numbers, b',')?;
    Some((decimal(major)?, decimal(minor)?))
}

#[cfg(test)]
mod tests;
