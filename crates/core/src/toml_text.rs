//! TOML files that people write: every error names file, line and key.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Parses `text`; `file` is for errors alone.
pub fn parse<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let mut message = error.message().replace('\n', ", ");
        if let Some(key) = key_at(text, offset)
            && !message.contains(&format!("`{key}`"))
        {
            message = format!("{key}: {message}");
        }
        Error::in_file(file, message).at_line(line_of(text, offset))
    })
}

/// The line, counted from 1, of a byte of the text.
pub fn line_of(text: &str, offset: usize) -> u64 {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.split(|byte| *byte == b'\n').count() as u64
}

/// The key on the line of that byte, if it has one.
fn key_at(text: &str, offset: usize) -> Option<&str> {
    let start = text.get(..offset)?.rfind('\n');
    let start = start.map_or(0, |newline| newline.saturating_add(1));
    let line = text.get(start..)?.lines().next()?;
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty() && !key.contains(['#', '{'])).then_some(key)
}
