//! The columns of one record.

use super::{bad, varint};
use std::io;

/// One column of a record.
#[derive(Debug, PartialEq)]
pub(in crate::rpm) enum Column<'a> {
    /// NULL; of the row's own number, too.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, which no table here has.
    Other,
    /// Text, in the encoding of the database.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A column of a record, counted from 0 ("Record Format").
pub(in crate::rpm) fn column(record: &[u8], wanted: usize) -> io::Result<Column<'_>> {
    let (header, mut at) = varint(record)?;
    let header = usize::try_from(header).unwrap_or(usize::MAX);
    let mut content = header;
    for number in 0.. {
        if at >= header {
            // Columns that were added to the table later.
            return Ok(Column::Null);
        }
        let (kind, used) = varint(record.get(at..).unwrap_or_default())?;
        at = at.saturating_add(used);
        let length = match kind {
            0 | 8 | 9 => 0,
            1 => 1,
            2 => 2,
            3 => 3,
            4 => 4,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(bad("a column of no known kind")),
            kind => usize::try_from(kind.saturating_sub(12) / 2).unwrap_or(usize::MAX),
        };
        let end = content
            .checked_add(length)
            .ok_or_else(|| bad("a column outside its record"))?;
        if number < wanted {
            content = end;
            continue;
        }
        let bytes = record
            .get(content..end)
            .ok_or_else(|| bad("a column outside its record"))?;
        return Ok(match kind {
            0 => Column::Null,
            8 => Column::Integer(0),
            9 => Column::Integer(1),
            7 => Column::Other,
            1..=6 => {
                let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
                let start = if negative { -1 } else { 0 };
                Column::Integer(
                    bytes
                        .iter()
                        .fold(start, |value: i64, byte| value << 8 | i64::from(*byte)),
                )
            }
            kind if kind % 2 == 0 => Column::Blob(bytes),
            _ => Column::Text(bytes),
        });
    }
    Ok(Column::Null)
}
