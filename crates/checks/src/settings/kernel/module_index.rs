//! The indexes of modules that depmod(8) makes, modules.dep.bin and the like: a radix tree (libkmod-index.c).

use std::collections::BTreeSet;

const MAGIC: u32 = 0xB007_F457;
/// Major version of the format.
const VERSION: u32 = 2;
/// What the upper bits of an offset say of the node that lies there.
const PREFIX: u32 = 0x8000_0000;
const VALUES: u32 = 0x4000_0000;
const CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0FFF_FFFF;

/// The keys of an index, which are names of modules; none of an empty file, `None` where it is no index.
pub(super) fn keys(index: &[u8]) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    if index.is_empty() {
        return Some(found);
    }
    let whole = Bytes { index, at: 0 };
    let mut head = whole;
    (head.number()? == MAGIC && head.number()? >> 16 == VERSION).then_some(())?;
    let mut waiting = vec![(head.number()?, String::new())];
    // No node lies in another, so that all of them together have no more bytes than the file.
    let mut left = index.len();
    while let Some((node, mut key)) = waiting.pop() {
        if node & OFFSET == 0 {
            continue;
        }
        let mut bytes = whole;
        bytes.at = usize::try_from(node & OFFSET).ok()?;
        let start = bytes.at;
        if node & PREFIX != 0 {
            key.push_str(&bytes.text()?);
        }
        if node & CHILDREN != 0 {
            let (first, last) = (bytes.byte()?, bytes.byte()?);
            for letter in first..=last {
                let mut key = key.clone();
                key.push(char::from(letter));
                waiting.push((bytes.number()?, key));
            }
        }
        if node & VALUES != 0 {
            found.insert(key);
        }
        left = left.checked_sub(bytes.at.checked_sub(start)?.max(1))?;
    }
    Some(found)
}

#[derive(Clone, Copy)]
struct Bytes<'a> {
    index: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.index.get(self.at)?;
        self.at = self.at.checked_add(1)?;
        Some(byte)
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = [self.byte()?, self.byte()?, self.byte()?, self.byte()?];
        Some(u32::from_be_bytes(bytes))
    }

    /// Up to a NUL.
    fn text(&mut self) -> Option<String> {
        let rest = self.index.get(self.at..)?;
        let text = rest.get(..memchr::memchr(0, rest)?)?;
        self.at = self.at.checked_add(text.len())?.checked_add(1)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hfs` and `hfsplus` below a root with one child.
    fn index() -> Vec<u8> {
        let mut index = Vec::new();
        index.extend(MAGIC.to_be_bytes());
        index.extend(0x0002_0001_u32.to_be_bytes());
        index.extend((PREFIX | CHILDREN | VALUES | 40).to_be_bytes());
        index.resize(20, 0);
        // The child: what follows "hfsp".
        index.extend(b"lus\0");
        index.extend(1_u32.to_be_bytes());
        index.extend([0; 4]);
        index.extend(b"x.ko:\0");
        index.resize(40, 0);
        index.extend(b"hfs\0pp");
        index.extend((PREFIX | VALUES | 20).to_be_bytes());
        index.extend([0; 9]);
        index
    }

    #[test]
    fn keys_of_an_index() {
        let found = keys(&index()).expect("an index");
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["hfs", "hfsplus"]);
        assert_eq!(keys(b""), Some(BTreeSet::new()));
        assert_eq!(keys(b"kernel/fs/hfs.ko:\n"), None);
    }

    #[test]
    fn what_is_no_tree_ends() {
        let mut index = index();
        // The child is the root.
        index.splice(46..50, (PREFIX | CHILDREN | 40).to_be_bytes());
        assert_eq!(keys(&index), None);
        index.truncate(44);
        assert_eq!(keys(&index), None);
    }
}
