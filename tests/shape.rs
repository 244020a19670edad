//! What a reader can hold in mind at once: files of at most 450 lines, structs of at most 15 fields. Functions and nesting
//! are clippy's, by clippy.toml. What has to be longer says why in a line that begins with `// Long:`.

use std::fs;
use std::path::{Path, PathBuf};

const LINES: usize = 450;
const FIELDS: usize = 15;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Structs with more fields than that, by name. Sources are formatted, so fields stand one level in, each with its `:`.
fn wide(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("struct ") {
        rest = &rest[start + 7..];
        let name = rest.split(|c: char| !c.is_alphanumeric()).next();
        let head = rest.split(['{', ';', '(']).next().unwrap_or_default();
        let body = &rest[head.len()..];
        if !body.starts_with('{') {
            continue;
        }
        let body = body.split("\n}").next().unwrap_or_default();
        let is_field = |line: &&str| {
            let line = line.trim_start();
            !line.starts_with("//") && !line.starts_with('#') && line.contains(": ")
        };
        if body.lines().filter(is_field).count() > FIELDS {
            found.extend(name);
        }
    }
    found
}

#[test]
fn files_and_structs_are_small_or_say_why_not() {
    let mut files = Vec::new();
    for directory in ["src", "crates", "tests"] {
        sources(&harness::project().join(directory), &mut files);
    }
    assert!(files.len() > 300, "{}", files.len());
    let mut odd = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        if text.contains("\n// Long: ") {
            continue;
        }
        let name = file.strip_prefix(harness::project()).unwrap_or(&file);
        let lines = text.lines().count();
        if lines > LINES {
            odd.push(format!("{}: {lines} lines", name.display()));
        }
        let wide = wide(&text).into_iter();
        odd.extend(wide.map(|wide| format!("{}: {wide}", name.display())));
    }
    assert!(odd.is_empty(), "{odd:#?}");
}
