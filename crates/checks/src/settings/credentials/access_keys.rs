//! Ids of long-term access keys in bytes: `AKIA` and sixteen characters (IAM user guide, "Understanding unique
//! ID prefixes"). `ASIA` begins the id of a key that expires.

use agent_core::bytes;
use std::io::Read;

const PREFIX: &[u8] = b"AKIA";
const LENGTH: usize = 20;
/// How AWS's own documentation ends the ids in its examples.
const EXAMPLE: &[u8] = b"EXAMPLE";
/// Keys of one file that are told; who is told of as many looks at the file.
// Own bound: of what is told.
pub(super) const MAX_TOLD: usize = 20;

/// An id that was found: no more of it than a person needs to find it in IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyId {
    pub(super) last_four: String,
    /// From 1.
    pub(super) line: usize,
}

/// Reads `from` to its end and collects ids, each once. At most `limit` bytes are read; whether that was all.
pub(super) fn scan(mut from: impl Read, limit: u64) -> std::io::Result<(Vec<KeyId>, bool)> {
    // One more byte on either side tells an id from a part of a longer word.
    const KEEP: usize = LENGTH + 1;
    let mut found: Vec<KeyId> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let (mut held, mut line, mut total) = (0_usize, 1_usize, 0u64);
    loop {
        let read = match from.read(buffer.get_mut(held..).unwrap_or_default()) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            result => result?,
        };
        total = total.saturating_add(read as u64);
        let end = held.saturating_add(read);
        let last = read == 0 || total > limit;
        let text = bytes::first(&buffer, end);
        // An id that may go on in the next piece is left to that.
        let ready = if last { end } else { end.saturating_sub(KEEP) };
        let mut counted = 0;
        for at in memchr::memmem::find_iter(text, PREFIX) {
            if at >= ready {
                break;
            }
            if let Some(last_four) = id_at(text, at) {
                line = line.saturating_add(lines(text.get(counted..at).unwrap_or_default()));
                counted = at;
                if found.len() < MAX_TOLD && !found.iter().any(|k| k.last_four == last_four) {
                    found.push(KeyId { last_four, line });
                }
            }
        }
        if last {
            return Ok((found, read == 0));
        }
        // The byte before the kept part stays, since an id must not begin within a word.
        let keep = ready.saturating_sub(1).max(counted);
        line = line.saturating_add(lines(text.get(counted..keep).unwrap_or_default()));
        buffer.copy_within(keep..end, 0);
        held = end.saturating_sub(keep);
    }
}

fn lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

/// The last four characters of the id at `at`, where there is a whole one.
fn id_at(text: &[u8], at: usize) -> Option<String> {
    let word = |byte: &u8| byte.is_ascii_alphanumeric();
    let (before, from) = text.split_at_checked(at)?;
    let (id, behind) = from.split_at_checked(LENGTH)?;
    let begins = !before.last().is_some_and(word);
    let ends = !behind.first().is_some_and(word);
    let good = id
        .iter()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    (begins && ends && good && !id.ends_with(EXAMPLE))
        .then(|| String::from_utf8_lossy(bytes::behind(id, LENGTH - 4)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<(String, usize)> {
        let (found, whole) = scan(text.as_bytes(), 1 << 20).expect("memory");
        assert!(whole);
        found.into_iter().map(|k| (k.last_four, k.line)).collect()
    }

    #[test]
    fn whole_ids_alone() {
        let id = format!("AKIA{}WXYZ", "A1".repeat(6));
        for (text, expected) in [
            (id.clone(), vec![("WXYZ".to_owned(), 1)]),
            (format!("\n\nkey = \"{id}\"\n"), vec![("WXYZ".into(), 3)]),
            (format!("{id}\n{id}"), vec![("WXYZ".into(), 1)]),
            (id.replace("AKIA", "ASIA"), vec![]),
            (format!("x{id}"), vec![]),
            (format!("{id}x"), vec![]),
            (id[1..].to_owned(), vec![]),
            (id[..19].to_owned(), vec![]),
            (id.to_lowercase(), vec![]),
            ("AKIAIOSFODNN7EXAMPLE".into(), vec![]),
            (
                format!("A=b\0AWS_ACCESS_KEY_ID={id}\0"),
                vec![("WXYZ".into(), 1)],
            ),
        ] {
            assert_eq!(ids(&text), expected, "{text}");
        }
    }

    /// Wherever the pieces of a long file are cut.
    #[test]
    fn ids_across_pieces() {
        let id = format!("AKIA{}WXYZ", "A1".repeat(6));
        for before in 65_400..65_560 {
            let text = format!("{}\n{id}\nx", "-".repeat(before));
            assert_eq!(ids(&text), [("WXYZ".to_owned(), 2)], "{before}");
            let text = format!("{}x{id}\n", "-".repeat(before));
            assert!(ids(&text).is_empty(), "{before}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_whole() {
        assert!(!scan(std::io::repeat(b'x'), 1 << 20).expect("memory").1);
    }
}
