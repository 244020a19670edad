//! Files of nft(8) with what they include in its place.

use crate::settings::budget::Budget;
use crate::settings::context::Context;
use agent_core::glob::{Glob, Syntax};

/// Includes in includes (MAX_INCLUDE_DEPTH of nft's scanner).
// Own bound: nft's own.
const DEPTH: usize = 16;

/// Path and text of each file; not of one that includes what is not there, which nft refuses.
pub(super) fn texts(
    context: &Context<'_>,
    files: &[&str],
) -> Result<Vec<(String, String)>, String> {
    let mut budget = Budget::default();
    let mut found = Vec::new();
    for file in files {
        let mut text = String::new();
        if insert(context, file, 0, &mut budget, &mut text)? {
            found.push((format!("/{file}"), text));
        }
    }
    Ok(found)
}

/// The text of a file with what it includes in its place; false where something is named that is not there, or too deep.
fn insert(
    context: &Context<'_>,
    path: &str,
    depth: usize,
    budget: &mut Budget,
    text: &mut String,
) -> Result<bool, String> {
    if depth > DEPTH {
        return Ok(false);
    }
    let Some(read) = budget.text(context, path)? else {
        return Ok(false);
    };
    for line in read.lines() {
        match included(line) {
            Some(pattern) => {
                for path in expanded(context, pattern) {
                    if !insert(context, &path, depth.saturating_add(1), budget, text)? {
                        return Ok(false);
                    }
                }
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(true)
}

/// `include "PATTERN"`
fn included(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("include")?.trim();
    rest.strip_prefix('"')?.split('"').next()
}

fn expanded(context: &Context<'_>, pattern: &str) -> Vec<String> {
    // What is not absolute lies where nft was built to look.
    let path = match pattern.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => format!("etc/{}", pattern.trim_start_matches("./")),
    };
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if !name.contains(['*', '?', '[']) {
        return vec![path];
    }
    let glob = Glob::new(name.as_bytes(), Syntax::Fnmatch);
    let names = context.root.list(directory.as_bytes()).ok().flatten();
    let all = names.iter().flat_map(|names| names.iter());
    let mut paths: Vec<String> = all
        .filter(|(name, _)| glob.matches(name))
        .map(|(name, _)| format!("{directory}/{}", String::from_utf8_lossy(name)))
        .collect();
    // nft takes them in this order.
    paths.sort();
    paths
}
