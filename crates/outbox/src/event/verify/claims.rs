//! Whether a message passes for one of the agent's: it names the agent's product, a chain, or the end of one. What does, and
//! has no place in a chain, was not written by an agent: a reader might take it for an event all the same.

use super::super::PRODUCT;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Looked for in every value of a key that stands several times: which of them counts, readers do not agree on.
const PATHS: [&[&str]; 3] = [
    &["metadata", "product", "name"],
    &["unmapped", "chain", "id"],
    &["unmapped", "chain_head", "id"],
];

/// Whether it does. What is no JSON passes for nothing.
pub(super) fn to_be_the_agents(message: &[u8]) -> bool {
    let mut json = serde_json::Deserializer::from_slice(message);
    let mut found = false;
    let looked = Look {
        paths: PATHS.map(Some),
        found: &mut found,
    }
    .deserialize(&mut json);
    let deep = looked.is_err_and(|error| error.to_string().starts_with("recursion limit"));
    // What is nested deeper than is read may name anything.
    found && (deep || json_ends(message)) || deep && names(message)
}

fn json_ends(message: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(message).is_ok()
}

fn names(message: &[u8]) -> bool {
    memchr::memmem::find(message, PRODUCT.as_bytes()).is_some()
        || memchr::memmem::find(message, b"\"chain").is_some()
}

/// A value, and what is left of each path to where it is told.
struct Look<'a> {
    paths: [Option<&'static [&'static str]>; 3],
    found: &'a mut bool,
}

impl Look<'_> {
    /// Whether the value itself is where a path ends: the product's name has to be the agent's, an id may be anything.
    fn ends(&self, text: Option<&str>) -> bool {
        let [product, chains @ ..] = self.paths;
        let is_end = |path: &Option<&[&str]>| path.is_some_and(<[&str]>::is_empty);
        is_end(&product) && text == Some(PRODUCT) || chains.iter().any(is_end)
    }

    fn seen(&mut self, text: Option<&str>) {
        *self.found |= self.ends(text);
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.paths.iter().all(Option::is_none) {
            true => IgnoredAny::deserialize(deserializer).map(drop),
            false => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.seen(Some(text));
        Ok(())
    }

    fn visit_bool<E>(mut self, _: bool) -> Result<(), E> {
        self.seen(None);
        Ok(())
    }

    fn visit_u64<E>(mut self, _: u64) -> Result<(), E> {
        self.seen(None);
        Ok(())
    }

    fn visit_i64<E>(mut self, _: i64) -> Result<(), E> {
        self.seen(None);
        Ok(())
    }

    fn visit_f64<E>(mut self, _: f64) -> Result<(), E> {
        self.seen(None);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.seen(None);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.seen(None);
        while let Some(Key(key)) = map.next_key()? {
            let paths = self.paths.map(|path| match path?.split_first() {
                Some((first, rest)) if *first == key => Some(rest),
                _ => None,
            });
            map.next_value_seed(Look {
                paths,
                found: &mut *self.found,
            })?;
        }
        Ok(())
    }
}

/// A key, which may hold escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_for_an_event_of_the_agents() {
        for text in [
            r#"{"metadata":{"product":{"name":"host-integrity-agent"}}}"#,
            r#"{"metadata":{"product":{"name":"host\u002dintegrity-agent"}},"n":[1,{"a":null}]}"#,
            r#"{"metadata":{},"metadata":{"product":{"name":"host-integrity-agent"}}}"#,
            r#"{"metadata":{"product":{"name":"host-integrity-agent"}},"metadata":{}}"#,
            r#"{"metadata":{"sequence":45.0},"unmapped":{"\u0063hain":{"id":"c"}}}"#,
            r#"{"unmapped":{"chain":{"id":5}}}"#,
            r#"{"unmapped":{"chain_head":{"id":["c"]}}}"#,
        ] {
            assert!(to_be_the_agents(text.as_bytes()), "{text}");
        }
        let deep = format!(
            r#"{{"x":{}{},"metadata":{{"product":{{"name":"host-integrity-agent"}}}}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        assert!(to_be_the_agents(deep.as_bytes()));
    }

    #[test]
    fn what_does_not() {
        for text in [
            "",
            "x",
            "5",
            "null",
            r#""host-integrity-agent""#,
            r#"{"a":1}"#,
            r#"[{"metadata":{"product":{"name":"host-integrity-agent"}}}]"#,
            r#"{"metadata":{"product":{"name":"other"}},"unmapped":{}}"#,
            r#"{"product":{"name":"host-integrity-agent"},"unmapped":{"chain":null}}"#,
            r#"{"unmapped":{"chain":{"id":null},"chain_head":{}}}"#,
            r#"{"x":{"unmapped":{"chain":{"id":"c"}}}}"#,
            // Torn by a full disk, or by whoever read it.
            r#"{"metadata":{"product":{"name":"host-integrity-agent"}},"unmapped":{"chain":{"id":"c""#,
        ] {
            assert!(!to_be_the_agents(text.as_bytes()), "{text}");
        }
    }
}
