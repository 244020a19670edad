//! The text of a mount table (proc_pid_mountinfo(5)).

use super::{Device, Layer};
use crate::bounds;
use crate::bytes;
use std::fs::File;
use std::io::{self, Read, Seek};

/// What a line says of a mount.
#[derive(Clone, Debug)]
pub struct Line {
    /// Tells one mount from another, even at the same place.
    pub number: u64,
    /// The number of the mount that it lies on.
    pub parent: u64,
    /// Where, with the leading slash.
    pub place: Vec<u8>,
    /// What was mounted.
    pub layer: Layer,
}

/// The whole table as it is now, whatever of it was read before.
///
/// # Errors
/// Those of reading, and one for a table that is larger than any.
pub fn read(mut table: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    table.rewind()?;
    table.take(bounds::MOUNTS + 1).read_to_end(&mut text)?;
    if text.len() as u64 > bounds::MOUNTS {
        return Err(io::Error::other("the table of mounts is larger than any"));
    }
    Ok(text)
}

/// Its lines; what is none is passed over.
pub fn lines(table: &[u8]) -> impl Iterator<Item = Line> {
    table.split(|b| *b == b'\n').filter_map(line)
}

fn line(text: &[u8]) -> Option<Line> {
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse().ok();
    let text_of = |word: &[u8]| String::from_utf8_lossy(&unescape(word)).into_owned();
    let mut words = text.split(|b| *b == b' ');
    let (own, parent) = (number(words.next()?)?, number(words.next()?)?);
    let device = device(words.next()?)?;
    let shown = text_of(words.next()?);
    let place = unescape(words.next()?);
    let options = words.next()?;
    let mut words = words.skip_while(|word| *word != b"-").skip(1);
    let fstype = text_of(words.next()?);
    let source = text_of(words.next().unwrap_or_default());
    Some(Line {
        number: own,
        parent,
        place,
        layer: Layer {
            fstype,
            source,
            shown,
            device,
            idmapped: options.split(|b| *b == b',').any(|o| o == b"idmapped"),
        },
    })
}

/// `MAJOR:MINOR`
fn device(text: &[u8]) -> Option<Device> {
    let (major, minor) = std::str::from_utf8(text).ok()?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Space, tab, newline and backslash stand as `\` and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..3).filter(|_| *first == b'\\');
        let value =
            digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(value.unwrap_or(*first));
        rest = match value {
            Some(_) => bytes::behind(more, 3),
            None => more,
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read() {
        let table = b"22 1 0:20 / /proc rw,nosuid shared:5 - proc proc rw\n\
            31 22 8:1 /a\\040b /mnt/with\\040space\\134 rw,idmapped - ext4 /dev/sda1 rw\n\nodd\n";
        let found: Vec<Line> = lines(table).collect();
        let [proc, mnt] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(
            (proc.number, proc.parent, &*proc.place),
            (22, 1, &b"/proc"[..])
        );
        assert_eq!(&*mnt.place, b"/mnt/with space\\");
        let layer = Layer {
            fstype: "ext4".into(),
            source: "/dev/sda1".into(),
            shown: "/a b".into(),
            device: (8, 1),
            idmapped: true,
        };
        assert_eq!(mnt.layer, layer);
    }

    #[test]
    fn a_table_larger_than_any_is_an_error_and_not_a_part_of_one() {
        let file = tempfile::tempfile().expect("a file");
        for (more, good) in [(0, true), (1, false)] {
            file.set_len(bounds::MOUNTS + more).expect("a hole");
            assert_eq!(read(&file).is_ok(), good, "{more}");
        }
    }
}
