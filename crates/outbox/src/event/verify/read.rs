//! The messages of a file: events one a line, with the time before each that an export of CloudWatch Logs to S3 puts
//! there, or in the JSON of the AWS command line (`get-log-events`, `filter-log-events`, whole or after `--query`).
//! Compressed files (gzip, zstd) are known by their first bytes.

mod short_items;

use agent_core::error::{Error, Result};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use short_items::ShortItems;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

/// Longer than any event may be (CloudWatch Logs takes 1 MB).
const MAX_LINE: u64 = 2 << 20;

/// What is read of a file at a time.
const PIECE: usize = 256 * 1024;
/// The text of a file, unpacked if it is compressed.
pub fn text<'a>(file: impl Read + 'a) -> Result<Box<dyn BufRead + 'a>> {
    let mut file = BufReader::with_capacity(PIECE, file);
    let begin = file.fill_buf().map_err(|e| unreadable(&e))?;
    let unpacked: Box<dyn Read + 'a> = match begin {
        [0x1f, 0x8b, ..] => Box::new(agent_packages::unpack::gzip(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(Zstd {
            source: file,
            frame: None,
        }),
        _ => return Ok(Box::new(file)),
    };
    Ok(Box::new(BufReader::with_capacity(PIECE, unpacked)))
}

/// The frames of a zstd file (RFC 8878), one after the other. The decoder refuses windows above 100 MiB.
struct Zstd<R> {
    source: R,
    frame: Option<Box<FrameDecoder>>,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bad = |error: FrameDecoderError| std::io::Error::other(format!("zstd: {error}"));
        loop {
            let frame = match &mut self.frame {
                Some(frame) if frame.can_collect() > 0 || !frame.is_finished() => frame,
                frame => {
                    if self.source.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let frame = frame.get_or_insert_with(|| Box::new(FrameDecoder::new()));
                    match frame.reset(&mut self.source) {
                        // Skippable frames hold whatever somebody else put there.
                        Err(FrameDecoderError::ReadFrameHeaderError(
                            ReadFrameHeaderError::SkipFrame { length, .. },
                        )) => {
                            let skipped = self.source.by_ref().take(length.into());
                            std::io::copy(&mut { skipped }, &mut std::io::sink())?;
                            continue;
                        }
                        other => other.map_err(bad)?,
                    }
                    frame
                }
            };
            if frame.can_collect() == 0 && !frame.is_finished() {
                frame
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(PIECE))
                    .map_err(bad)?;
            }
            let read = frame.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
        }
    }
}

/// An event without the time that an export puts before it, as `2026-11-29T08:00:00.123Z {…}`.
fn without_time(line: &[u8]) -> &[u8] {
    if !line.first().is_some_and(u8::is_ascii_digit) {
        return line;
    }
    // A time in RFC 3339 is shorter, whatever its fraction.
    let blank = line.iter().take(40).position(|byte| *byte == b' ');
    match blank.and_then(|at| line.split_at_checked(at)) {
        Some((time, [b' ', event @ ..]))
            if event.first() == Some(&b'{') && time.get(4) == Some(&b'-') =>
        {
            event
        }
        _ => line,
    }
}

/// A message as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The exact bytes of what may be an event.
    pub bytes: Vec<u8>,
    /// Which document of the file it stands in: order means something within one alone.
    pub document: u64,
}

type Take<'a> = &'a mut dyn FnMut(Message) -> Result<()>;

/// Hands every message of the file to `take`, one in memory at a time.
pub fn messages(mut file: impl BufRead, take: Take<'_>) -> Result<()> {
    match is_document(&mut file)? {
        true => documents(file, take),
        false => lines(file, take),
    }
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::new(format!("cannot be read: {error}"))
}

/// Whether the file is the service's JSON rather than events, one a line. An event begins with a key
/// that no answer of the service has.
fn is_document(file: &mut impl BufRead) -> Result<bool> {
    loop {
        let ahead = file.fill_buf().map_err(|e| unreadable(&e))?;
        let blank = ahead.iter().take_while(|b| b.is_ascii_whitespace()).count();
        if blank < ahead.len() || ahead.is_empty() {
            file.consume(blank);
            break;
        }
        file.consume(blank);
    }
    let ahead = file.fill_buf().map_err(|e| unreadable(&e))?;
    let text = String::from_utf8_lossy(&ahead[..ahead.len().min(4096)]);
    let mut rest = match text.as_bytes().first() {
        Some(b'[') => return Ok(true),
        Some(b'{') => text[1..].trim_start(),
        _ => return Ok(false),
    };
    rest = rest.strip_prefix('"').unwrap_or("");
    let key = rest.split('"').next().unwrap_or("");
    Ok([
        "events",
        "searchedLogStreams",
        "nextToken",
        "nextForwardToken",
        "nextBackwardToken",
        "ResponseMetadata",
    ]
    .contains(&key))
}

fn lines(mut file: impl BufRead, take: Take<'_>) -> Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if read.map_err(|e| unreadable(&e))? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE {
            // No event is so long: what is left of the line says nothing.
            loop {
                line.clear();
                let read = file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
                if read.map_err(|e| unreadable(&e))? == 0 || line.last() == Some(&b'\n') {
                    break;
                }
            }
            line.clear();
            line.push(b'?');
        }
        let bytes = without_time(line.trim_ascii());
        if !bytes.is_empty() {
            take(Message {
                bytes: bytes.to_vec(),
                document: 0,
            })?;
        }
    }
}

/// Documents one after the other, as pages of an answer.
fn documents(file: impl BufRead, take: Take<'_>) -> Result<()> {
    let mut file = ShortItems::new(file);
    let mut document = 0;
    loop {
        let ahead = file.fill_buf().map_err(|e| unreadable(&e))?;
        if ahead.is_empty() {
            return Ok(());
        }
        let blank = ahead.iter().take_while(|b| b.is_ascii_whitespace()).count();
        if blank > 0 {
            file.consume(blank);
            continue;
        }
        document += 1;
        let mut failed = Ok(());
        let mut json = serde_json::Deserializer::from_reader(&mut file);
        let page = Page {
            take: &mut *take,
            failed: &mut failed,
            document,
        };
        let parsed = page.deserialize(&mut json);
        failed?;
        parsed.map_err(|error| Error::new(format!("is not JSON as AWS prints it: {error}")))?;
    }
}

/// A document: an answer of the service, its `events`, or the messages alone.
struct Page<'a, 'b> {
    take: Take<'a>,
    failed: &'b mut Result<()>,
    document: u64,
}

impl<'de> DeserializeSeed<'de> for Page<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Page<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer with events, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "events" => map.next_value_seed(Page {
                    take: &mut *self.take,
                    failed: &mut *self.failed,
                    document: self.document,
                })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let _: &mut Self = &mut self;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        while let Some(item) = seq.next_element::<Item>()? {
            if self.failed.is_err() {
                continue;
            }
            let text = match item {
                Item::Text(text) | Item::Event { message: text } => text,
                Item::Texts(texts) => texts.concat(),
            };
            *self.failed = (self.take)(Message {
                bytes: text.into_bytes(),
                document: self.document,
            });
        }
        Ok(())
    }
}

/// One of `events`, or what a `--query` left of it.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Item {
    Text(String),
    Texts(Vec<String>),
    Event { message: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Message>> {
        let mut all = Vec::new();
        messages(text.as_bytes(), &mut |message| {
            all.push(message);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn messages_are_found_in_every_form() {
        let event = r#"{"time":1,"n":"ä"}"#;
        let quoted = serde_json::to_string(event).expect("JSON");
        let object =
            format!(r#"{{"timestamp":5,"message":{quoted},"logStreamName":"i-1","x":[1]}}"#);
        let forms = [
            format!("{event}\n\n{event}"),
            format!("  {event}\r\n{event}\n"),
            format!(r#"{{"events":[{object},{object}],"nextForwardToken":"f"}}"#),
            format!(
                "{{\n  \"searchedLogStreams\": [],\n  \"events\": [{object}]\n}}\n{{\"events\":[{object}]}}\n"
            ),
            format!("[{object},{object}]"),
            format!("[{quoted},{quoted}]"),
            format!("[[{quoted}],[{quoted}]]"),
        ];
        for form in forms {
            let found = read(&form).expect(&form);
            assert_eq!(found.len(), 2, "{form}");
            assert!(found.iter().all(|m| m.bytes == event.as_bytes()), "{form}");
        }
        assert_eq!(read("").expect("empty"), []);
        assert!(read("{\"events\":[").is_err());
        assert_eq!(read("garbage\n").expect("lines").len(), 1);
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_hides_nothing_after_it() {
        let text = format!("{}\nafter\n", "x".repeat(5 << 20));
        let found = read(&text).expect("lines");
        let bytes: Vec<&[u8]> = found.iter().map(|m| m.bytes.as_slice()).collect();
        assert_eq!(bytes, [&b"?"[..], b"after"]);
    }

    #[test]
    fn what_no_event_is_as_long_as_is_refused_before_it_is_held() {
        let long = "a".repeat(short_items::LONGEST);
        let many = r#""a","#.repeat(short_items::LONGEST / 4);
        for text in [
            format!(r#"["{long}"]"#),
            format!(r#"{{"events":[{{"message":"{long}"}}]}}"#),
            format!(r#"[[{many}"a"]]"#),
            format!(r#"{{"events":[{{"x":[{many}1]}}]}}"#),
        ] {
            let error = read(&text).expect_err("too long").to_string();
            assert!(error.contains("longer than any event"), "{error}");
        }
        // Many items are no long item.
        let found = read(&format!("[{many}\"a\"]")).expect("short ones");
        assert_eq!(found.len(), short_items::LONGEST / 4 + 1);
        let strings = format!(
            r#"{{"nextToken":"}}]{{[\"","events":["{}"]}}"#,
            "b".repeat(9)
        );
        assert_eq!(read(&strings).expect("sound").len(), 1);
    }
}
