//! The messages of a file: events one a line, with the time before each that an export of CloudWatch Logs to S3 puts
//! there, or in the JSON of the AWS command line (`get-log-events`, `filter-log-events`, whole or after `--query`).
//! Compressed files (gzip, zstd) are known by their first bytes.

mod short_items;

use agent_core::bounds;
use agent_core::bytes;
use agent_core::error::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use short_items::ShortItems;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

/// U+FEFF in UTF-8, which some programs put before a text. Where files were joined it stands before any line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What is read of a file at a time: lines are taken apart and digested together, while they are in the processor's cache.
const PIECE: usize = 256 * 1024;

/// The text of a file, unpacked if it is compressed.
pub(super) fn text<'a>(file: impl Read + 'a) -> Result<Box<dyn BufRead + 'a>> {
    let mut file = BufReader::with_capacity(PIECE, file);
    let begin = file.fill_buf().map_err(|e| unreadable(&e))?;
    let unpacked: Box<dyn Read + 'a> = match begin {
        [0x1f, 0x8b, ..] => Box::new(agent_packages::unpack::gzip(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(agent_packages::unpack::zstd(file)),
        _ => return Ok(Box::new(file)),
    };
    Ok(Box::new(BufReader::with_capacity(PIECE, unpacked)))
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

/// Takes messages that follow one another, and the document of the file they stand in: order means something within one
/// alone. They are the exact bytes of what may be events.
type Take<'a> = &'a mut dyn FnMut(&[Message<'_>], u64) -> Result<()>;

/// A message, and the number of its line in the file, or among the messages of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) number: u64,
}

/// Hands the messages of the file to `take`, some in memory at a time.
pub(super) fn messages(mut file: impl BufRead, take: Take<'_>) -> Result<()> {
    let ahead = file.fill_buf().map_err(|e| unreadable(&e))?;
    if ahead.starts_with(BYTE_ORDER_MARK) {
        file.consume(BYTE_ORDER_MARK.len());
    }
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
    if !begins_document(ahead) {
        return Ok(false);
    }
    // Whoever may write one line must not have all that follow taken for something else: where a line is a document of
    // its own, the next one has to be one, too.
    let Some((line, rest)) = bytes::split_once(ahead, b'\n') else {
        return Ok(true);
    };
    let rest = rest.trim_ascii_start();
    let is_whole = serde_json::from_slice::<IgnoredAny>(line).is_ok();
    Ok(!is_whole || rest.is_empty() || begins_document(rest))
}

fn begins_document(ahead: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes::first(ahead, 4096));
    let mut rest = match text.as_bytes().first() {
        Some(b'[') => return true,
        Some(b'{') => text.strip_prefix('{').unwrap_or("").trim_start(),
        _ => return false,
    };
    rest = rest.strip_prefix('"').unwrap_or("");
    let key = rest.split('"').next().unwrap_or("");
    [
        "events",
        "searchedLogStreams",
        "nextToken",
        "nextForwardToken",
        "nextBackwardToken",
        "ResponseMetadata",
    ]
    .contains(&key)
}

fn lines(mut file: impl Read, take: Take<'_>) -> Result<()> {
    let longest = usize::try_from(bounds::LOG_LINE).unwrap_or(usize::MAX);
    let mut block: Vec<u8> = Vec::new();
    // The line that the block begins with is longer than any event.
    let mut within_long = false;
    let mut number: u64 = 0;
    loop {
        let whole = fill(&mut file, &mut block)?;
        if block.is_empty() {
            return Ok(());
        }
        let end = match memchr::memrchr(b'\n', &block) {
            Some(at) => at.saturating_add(1),
            None if whole || block.len() >= longest => block.len(),
            None => continue,
        };
        let mut lines = Vec::with_capacity(end / 256);
        let piece = bytes::first(&block, end);
        let mut rest = piece;
        while !rest.is_empty() {
            let (line, more) = bytes::split_once(rest, b'\n').unwrap_or((rest, b""));
            let is_open = more.is_empty() && !piece.ends_with(b"\n");
            rest = more;
            let was_within = std::mem::replace(&mut within_long, false);
            if !was_within {
                number = number.saturating_add(1);
            }
            let mut push = |bytes| lines.push(Message { bytes, number });
            if line.len() >= longest || was_within {
                // No event is so long: what is left of the line says nothing.
                within_long = is_open;
                if !was_within {
                    push(&b"?"[..]);
                }
                continue;
            }
            let line = line.trim_ascii();
            let event = without_time(line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line));
            if !event.is_empty() {
                push(event);
            }
        }
        take(&lines, 0)?;
        block.drain(..end);
    }
}

/// Adds a piece of the file to the block; whether that is its end.
fn fill(file: &mut impl Read, block: &mut Vec<u8>) -> Result<bool> {
    let begin = block.len();
    block.resize(begin.saturating_add(PIECE), 0);
    let mut at = begin;
    while at < block.len() {
        match file.read(block.get_mut(at..).unwrap_or_default()) {
            Ok(0) => {
                block.truncate(at);
                return Ok(true);
            }
            Ok(read) => at = at.saturating_add(read),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    Ok(false)
}

/// Documents one after the other, as pages of an answer.
fn documents(file: impl BufRead, take: Take<'_>) -> Result<()> {
    let mut file = ShortItems::new(file);
    let mut document: u64 = 0;
    let mut number: u64 = 0;
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
        document = document.saturating_add(1);
        let mut failed = Ok(());
        let mut json = serde_json::Deserializer::from_reader(&mut file);
        let page = Page {
            take: &mut *take,
            failed: &mut failed,
            document,
            number: &mut number,
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
    /// Of the last message of the file so far.
    number: &'b mut u64,
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
        let mut answers = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "events" => {
                    answers = true;
                    map.next_value_seed(Page {
                        take: &mut *self.take,
                        failed: &mut *self.failed,
                        document: self.document,
                        number: &mut *self.number,
                    })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let _: &mut Self = &mut self;
        match answers {
            true => Ok(()),
            // An event behind an answer would be passed over.
            false => Err(serde::de::Error::custom(
                "an object without `events`: answers and lines are not read from one file",
            )),
        }
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
            *self.number = self.number.saturating_add(1);
            let message = Message {
                bytes: text.as_bytes(),
                number: *self.number,
            };
            *self.failed = (self.take)(&[message], self.document);
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

    fn read(text: &str) -> Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        messages(text.as_bytes(), &mut |messages, _| {
            all.extend(messages.iter().map(|message| message.bytes.to_vec()));
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
            assert!(found.iter().all(|m| m == event.as_bytes()), "{form}");
        }
        // One line of somebody's makes no document of those that follow.
        let answer = format!(r#"{{"events":[{object}]}}"#);
        for first in [&*answer, "[1]", r#"{"events":[]}"#] {
            let found = read(&format!("{first}\n{event}\n{event}\n")).expect("lines");
            assert_eq!(found.len(), 3, "{first}");
        }
        for mixed in [
            format!("{answer}\n{answer}\n{event}\n"),
            format!("{{\n\"events\":[]}}\n{event}"),
        ] {
            let error = read(&mixed).expect_err("both").to_string();
            assert!(error.contains("without `events`"), "{error}");
        }
        assert!(read("").expect("empty").is_empty());
        assert!(read("{\"events\":[").is_err());
        assert_eq!(read("garbage\n").expect("lines").len(), 1);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_message() {
        let bytes = "\u{feff}a\n\u{feff}b\r\n\n\u{feff}{\"n\":1}";
        assert_eq!(read(bytes).expect("lines"), [&b"a"[..], b"b", b"{\"n\":1}"]);
        let answer = "\u{feff}{\"events\":[{\"message\":\"a\"}]}";
        assert_eq!(read(answer).expect("an answer"), [b"a"]);
    }

    #[test]
    fn messages_have_the_numbers_of_their_lines() {
        let numbers = |text: &str| {
            let mut all = Vec::new();
            let mut take = |messages: &[Message<'_>], _| {
                all.extend(messages.iter().map(|message| message.number));
                Ok(())
            };
            messages(text.as_bytes(), &mut take).expect("read");
            all
        };
        assert_eq!(numbers("a\n\nb\r\n \nc"), [1, 3, 5]);
        let long = "x".repeat(usize::try_from(bounds::LOG_LINE).expect("small") * 2);
        assert_eq!(
            numbers(&format!("a\n{long}\nb\n{long}\nc\n")),
            [1, 2, 3, 4, 5]
        );
        let many: String = (0..PIECE).map(|n| format!("{n}\n")).collect();
        let all = u64::try_from(PIECE).expect("small");
        assert!(numbers(&many).into_iter().eq(1..=all));
        assert_eq!(
            numbers("{\"events\":[{\"message\":\"a\"}]}{\"events\":[{\"message\":\"b\"}]}"),
            [1, 2]
        );
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_hides_nothing_after_it() {
        let most = usize::try_from(bounds::LOG_LINE).expect("small");
        let text = format!("{}\nafter\n", "x".repeat(2 * most + 1));
        let found = read(&text).expect("lines");
        assert_eq!(found, [&b"?"[..], b"after"]);
        // Wherever blocks end, and with nothing after it.
        for (length, found) in [(most - 1, "x"), (most, "?"), (most + PIECE, "?")] {
            let text = format!("first\n{}", "x".repeat(length));
            for text in [text.clone(), format!("{text}\n"), format!("{text}\r\n")] {
                let lines = read(&text).expect("lines");
                assert_eq!(lines.len(), 2, "{length}");
                let is_long = found == "?" || text.ends_with("\r\n");
                assert_eq!(lines[1] == b"?", is_long, "{length}");
            }
        }
    }

    #[test]
    fn lines_are_whole_wherever_blocks_end() {
        let mut random = fastrand::Rng::with_seed(3);
        let lines: Vec<String> = (0..2000)
            .map(|n| format!("{n} {}", "y".repeat(random.usize(0..1500))))
            .collect();
        for end in ["", "\n", "\n\n \n"] {
            let found = read(&(lines.join("\n") + end)).expect("lines");
            let same = found.iter().map(|line| line.trim_ascii());
            assert!(same.eq(lines.iter().map(|line| line.trim_end().as_bytes())));
        }
    }

    #[test]
    fn what_no_event_is_as_long_as_is_refused_before_it_is_held() {
        let long = "a".repeat(bounds::LOG_ITEM);
        let many = r#""a","#.repeat(bounds::LOG_ITEM / 4);
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
        assert_eq!(found.len(), bounds::LOG_ITEM / 4 + 1);
        let strings = format!(
            r#"{{"nextToken":"}}]{{[\"","events":["{}"]}}"#,
            "b".repeat(9)
        );
        assert_eq!(read(&strings).expect("sound").len(), 1);
    }
}
