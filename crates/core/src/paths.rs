//! Relative paths, and their order in manifests and walks: parents first, siblings in byte order, each subtree whole before the next sibling.

use crate::bytes;
use std::cmp::Ordering;

/// Compares two relative paths component by component, as a sorted depth-first walk meets them.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    // A slash sorts below every byte that a name can hold, so `a/x` comes before `a-x`.
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    if a == b {
        return Ordering::Equal;
    }
    match a.iter().zip(b).find(|(a, b)| a != b) {
        Some((a, b)) => rank(*a).cmp(&rank(*b)),
        None => a.len().cmp(&b.len()),
    }
}

/// Whether `path` is `directory` or lies below it. Everything lies below the empty path.
pub fn is_within(path: &[u8], directory: &[u8]) -> bool {
    match path.strip_prefix(directory) {
        Some(rest) => directory.is_empty() || matches!(rest, [] | [b'/', ..]),
        None => false,
    }
}

/// Directory and last component of a relative path; the directory is empty at the top.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    bytes::rsplit_once(path, b'/').unwrap_or((&[], path))
}

/// The entry `name` of `directory`; both are relative, and the directory may be empty.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

/// A relative path as findings show it: starting with `/`.
pub fn subject(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subtree_is_whole_before_the_next_sibling() {
        let sorted: [&[u8]; 8] = [b"", b"a", b"a/b", b"a/b/c", b"a/b-c", b"a b", b"a-b", b"a0"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn within_means_whole_components() {
        assert!(is_within(b"usr/bin", b"usr"));
        assert!(is_within(b"usr", b"usr"));
        assert!(is_within(b"usr", b""));
        assert!(!is_within(b"usr2", b"usr"));
        assert!(!is_within(b"us", b"usr"));
    }
}
