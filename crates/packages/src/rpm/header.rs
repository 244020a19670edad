//! One package's header as the rpm database holds it (rpm's docs/manual/format_header.md): tags with values.

/// Tags that are read here (rpmtag.h).
use agent_core::bytes;

pub(super) mod tag {
    pub(in super::super) const HEADERIMMUTABLE: u32 = 63;
    pub(in super::super) const DSAHEADER: u32 = 267;
    pub(in super::super) const RSAHEADER: u32 = 268;
    pub(in super::super) const OPENPGP: u32 = 278;
    pub(in super::super) const NAME: u32 = 1000;
    pub(in super::super) const VERSION: u32 = 1001;
    pub(in super::super) const RELEASE: u32 = 1002;
    pub(in super::super) const EPOCH: u32 = 1003;
    pub(in super::super) const DESCRIPTION: u32 = 1005;
    pub(in super::super) const INSTALLTIME: u32 = 1008;
    pub(in super::super) const ARCH: u32 = 1022;
    pub(in super::super) const FILESIZES: u32 = 1028;
    pub(in super::super) const FILESTATES: u32 = 1029;
    pub(in super::super) const FILEMODES: u32 = 1030;
    pub(in super::super) const FILEDIGESTS: u32 = 1035;
    pub(in super::super) const FILELINKTOS: u32 = 1036;
    pub(in super::super) const FILEFLAGS: u32 = 1037;
    pub(in super::super) const FILEUSERNAME: u32 = 1039;
    pub(in super::super) const FILEGROUPNAME: u32 = 1040;
    pub(in super::super) const FILEVERIFYFLAGS: u32 = 1045;
    pub(in super::super) const DIRINDEXES: u32 = 1116;
    pub(in super::super) const BASENAMES: u32 = 1117;
    pub(in super::super) const DIRNAMES: u32 = 1118;
    pub(in super::super) const INSTALLTID: u32 = 1128;
    pub(in super::super) const LONGFILESIZES: u32 = 5008;
    pub(in super::super) const FILECAPS: u32 = 5010;
    pub(in super::super) const FILEDIGESTALGO: u32 = 5011;
}

/// As many tags as rpm takes (HEADER_TAGS_MAX).
// Own bound: rpm's.
const MAX_TAGS: usize = 65_535;
const ENTRY: usize = 16;

/// A header, its index checked to lie within its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

/// Where one tag's values lie.
#[derive(Clone, Copy, Debug)]
struct TagData {
    kind: u32,
    offset: usize,
    count: usize,
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl<'a> Header<'a> {
    /// Number of tags, bytes of data, the index, the data. `None` where the numbers do not fit the bytes.
    pub(super) fn parse(blob: &'a [u8]) -> Option<Header<'a>> {
        let tags = be32(blob, 0)? as usize;
        let bytes = be32(blob, 4)? as usize;
        if tags > MAX_TAGS {
            return None;
        }
        let (index, data) = blob.get(8..)?.split_at_checked(tags.checked_mul(ENTRY)?)?;
        Some(Header {
            index,
            data: data.get(..bytes)?,
        })
    }

    /// The last entry of the tag: what was added on installation stands behind what was signed.
    fn place(&self, tag: u32) -> Option<TagData> {
        let entry = self
            .index
            .chunks_exact(ENTRY)
            .rfind(|entry| be32(entry, 0) == Some(tag))?;
        Some(TagData {
            kind: be32(entry, 4)?,
            offset: be32(entry, 8)? as usize,
            count: be32(entry, 12)? as usize,
        })
    }

    /// Bytes (kind 7); `None` where the tag is not there or is of another kind.
    pub(super) fn bytes(&self, tag: u32) -> Option<&'a [u8]> {
        let place = self.place(tag).filter(|place| place.kind == 7)?;
        self.data
            .get(place.offset..place.offset.checked_add(place.count)?)
    }

    /// Where the immutable region ends, if the header begins with one: number of entries, bytes of data
    /// (<https://rpm-software-management.github.io/rpm/manual/format_header.html>).
    pub(super) fn region(&self) -> Option<(usize, usize)> {
        let first = self.index.get(..ENTRY)?;
        let is = |entry: &[u8]| {
            be32(entry, 0) == Some(tag::HEADERIMMUTABLE) && be32(entry, 4) == Some(7)
        };
        let offset = be32(first, 8)? as usize;
        let end = offset.checked_add(ENTRY)?;
        let trailer = self.data.get(offset..end)?;
        if !is(first) || !is(trailer) || be32(first, 12)? as usize != ENTRY {
            return None;
        }
        // Negative: from the trailer back to the first entry.
        let back = be32(trailer, 8)?.wrapping_neg() as usize;
        let entries = back.is_multiple_of(ENTRY).then_some(back / ENTRY)?;
        (entries > 0 && back <= self.index.len()).then_some((entries, end))
    }

    /// The first entries and bytes, as the header of the package's file has them.
    pub(super) fn region_bytes(&self) -> Option<Vec<u8>> {
        let (entries, length) = self.region()?;
        let index = self.index.get(..entries.checked_mul(ENTRY)?)?;
        let data = self.data.get(..length)?;
        let mut bytes = Vec::new();
        for number in [entries, length] {
            bytes.extend(u32::try_from(number).ok()?.to_be_bytes());
        }
        Some([&bytes, index, data].concat())
    }

    /// Numbers of 8, 16, 32 or 64 bits; none where the tag is not there or is no number.
    pub(super) fn numbers(&self, tag: u32) -> impl Iterator<Item = u64> + use<'a> {
        let place = self.place(tag);
        let width = match place.map(|place| place.kind) {
            Some(1 | 2) => 1,
            Some(3) => 2,
            Some(4) => 4,
            Some(5) => 8,
            _ => 0,
        };
        let bytes = place.and_then(|place| {
            let length = place.count.checked_mul(width)?;
            self.data
                .get(place.offset..place.offset.checked_add(length)?)
        });
        let number = |raw: &[u8]| {
            raw.iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        bytes
            .unwrap_or_default()
            .chunks_exact(width.max(1))
            .map(number)
    }

    /// How many numbers or texts the tag has.
    pub(super) fn count(&self, tag: u32) -> usize {
        self.place(tag).map_or(0, |place| place.count)
    }

    /// The first number.
    pub(super) fn number(&self, tag: u32) -> Option<u64> {
        self.numbers(tag).next()
    }

    /// Texts that NUL ends, as many as the entry says; fewer where the data ends before.
    pub(super) fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let place = self
            .place(tag)
            .filter(|place| matches!(place.kind, 6 | 8 | 9));
        let count = place.map_or(0, |place| place.count);
        let mut rest = place
            .and_then(|place| self.data.get(place.offset..))
            .unwrap_or_default();
        std::iter::from_fn(move || {
            let (text, behind) = bytes::split_once(rest, 0)?;
            rest = behind;
            Some(text)
        })
        .take(count)
    }

    /// The first text.
    pub(super) fn text(&self, tag: u32) -> Option<&'a [u8]> {
        self.texts(tag).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(entries: &[(u32, u32, u32, u32)], data: &[u8]) -> Vec<u8> {
        let mut blob = Vec::new();
        for length in [entries.len(), data.len()] {
            blob.extend(u32::try_from(length).expect("short").to_be_bytes());
        }
        for (tag, kind, offset, count) in entries {
            for word in [tag, kind, offset, count] {
                blob.extend(word.to_be_bytes());
            }
        }
        blob.extend(data);
        blob
    }

    #[test]
    fn values_and_what_lies_outside() {
        let blob = header(
            &[
                (tag::NAME, 6, 0, 1),
                (tag::BASENAMES, 8, 2, 2),
                (tag::FILEMODES, 3, 6, 1),
                (tag::FILESIZES, 4, 6, 9),
                (tag::EPOCH, 4, u32::MAX, 1),
                (tag::NAME, 6, 2, 1),
                (tag::DIRNAMES, 8, 2, u32::MAX),
            ],
            b"a\0b\0c\0\x12\x34",
        );
        let header = Header::parse(&blob).expect("sound");
        assert_eq!(
            header.text(tag::NAME),
            Some(&b"b"[..]),
            "the last one counts"
        );
        let names: Vec<&[u8]> = header.texts(tag::BASENAMES).collect();
        assert_eq!(names, [b"b", b"c"]);
        assert_eq!(header.number(tag::FILEMODES), Some(0x1234));
        assert_eq!(header.number(tag::FILESIZES), None);
        assert_eq!(header.number(tag::EPOCH), None);
        assert_eq!(header.texts(tag::DIRNAMES).count(), 2);
        for cut in 0..blob.len() - 1 {
            assert!(Header::parse(&blob[..cut]).is_none(), "{cut}");
        }
    }
}
