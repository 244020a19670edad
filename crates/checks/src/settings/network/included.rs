//! Files of nft(8) with what they include in its place.

use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::glob::{Glob, Syntax};

/// Files that a ruleset includes, all together.
const FILES: usize = bounds::SHIPPER_FILES;
/// Includes in includes (MAX_INCLUDE_DEPTH of nft's scanner).
// Own bound: nft's own.
const DEPTH: usize = 16;

/// The text of each file; not of one that includes what is not there, which nft refuses.
pub(super) fn texts(context: &Context<'_>, files: &[&str]) -> Vec<String> {
    let mut left = FILES;
    let text = |file: &&str| {
        let mut text = String::new();
        insert(context, file, 0, &mut left, &mut text).then_some(text)
    };
    files.iter().filter_map(text).collect()
}

/// The text of a file with what it includes in its place; false where something is named that is not there.
fn insert(
    context: &Context<'_>,
    path: &str,
    depth: usize,
    left: &mut usize,
    text: &mut String,
) -> bool {
    let Some(fewer) = left.checked_sub(1).filter(|_| depth <= DEPTH) else {
        return true;
    };
    *left = fewer;
    let Some(read) = context.read(path).ok().flatten() else {
        return false;
    };
    for line in String::from_utf8_lossy(&read).lines() {
        match included(line) {
            Some(pattern) => {
                for path in expanded(context, pattern) {
                    if !insert(context, &path, depth.saturating_add(1), left, text) {
                        return false;
                    }
                }
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    true
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
