//! `agent config validate`: with the code that reads the configuration in earnest.

use super::print;
use crate::assess::tree;
use agent_core::error::Result;
use std::io::Write;
use std::path::Path;

pub(super) fn validate(file: &Path) -> Result<u8> {
    tree::config(Some(file))?;
    print(|out| writeln!(out, "{}: good", agent_core::escape::terminal_path(file)))?;
    Ok(0)
}
