//! What a reader can hold in mind at once: files of at most 450 lines, structs of at most 15 fields. Functions and nesting
//! are clippy's, by clippy.toml. What has to be longer says why in a line that begins with `// Long:`.
//!
//! And where bounds stand: in crates/core/src/bounds.rs, or with the reason in a line that begins with `// Own bound:`.

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

/// How constants that bound something are called.
const BOUNDING: [&str; 8] = [
    "MAX", "MOST", "LIMIT", "LONGEST", "LARGEST", "DEEPEST", "DEPTH", "CAPACITY",
];

/// The names of constants that by their name and type bound something, stand outside of the table, and do not say why:
/// `const MOST_PATHS: usize = 4096;`.
fn unexplained(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let mut found = Vec::new();
    let mut before = "";
    for line in code.unwrap_or_default().lines().map(str::trim_start) {
        let above = std::mem::replace(&mut before, line);
        let declared = match line.split_once("const ") {
            Some((public, declared)) if public.is_empty() || public.starts_with("pub") => declared,
            _ => continue,
        };
        let Some((name, (kind, value))) = declared
            .split_once(": ")
            .and_then(|(name, rest)| Some((name, rest.split_once(" = ")?)))
        else {
            continue;
        };
        let is_amount = matches!(
            kind,
            "usize" | "u64" | "u32" | "u16" | "u8" | "i64" | "Duration"
        );
        let bounds = name.split('_').any(|word| BOUNDING.contains(&word));
        let explained = value.contains("bounds::") || above.starts_with("// Own bound: ");
        if is_amount && bounds && !explained {
            found.push(name);
        }
    }
    found
}

#[test]
fn bounds_stand_in_the_table_or_say_why_not() {
    assert_eq!(
        unexplained(
            "pub(super) const MOST: usize = 4;\n// Own bound: x.\nconst MAX_A: u64 = 1;\n    const DEPTH: u8 = 2;\n\
             const MOST_B: usize = bounds::RULES;\nconst ALMOST: usize = 3;\nconst MAX_NAME: &str = \"x\";\n"
        ),
        ["MOST", "DEPTH"]
    );
    let mut files = Vec::new();
    for directory in ["src", "crates"] {
        sources(&harness::project().join(directory), &mut files);
    }
    let mut odd = Vec::new();
    for file in files {
        let name = file.strip_prefix(harness::project()).unwrap_or(&file);
        let is_test = name.components().any(|part| {
            let part = part.as_os_str();
            ["tests", "tests.rs", "benches", "examples"]
                .iter()
                .any(|test| part == *test)
        });
        if is_test || name.ends_with("core/src/bounds.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source");
        let found = unexplained(&text).into_iter();
        odd.extend(found.map(|bound| format!("{}: {bound}", name.display())));
    }
    assert!(odd.is_empty(), "{odd:#?}");
}

/// What landlock hides of other processes; see crates/core/src/os/others.rs.
const HIDDEN: [&str; 8] = [
    "}/exe",
    "}/environ",
    "}/maps",
    "}/fd",
    "}/cwd",
    "}/root",
    "}/io",
    "}/ns",
];

/// Lines that name by a path what only the process outside of the domain sees. That a name is there is seen by all.
fn past_the_monitor(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    code.unwrap_or_default().lines().filter(|line| {
        let ends = |rest: &str| rest.starts_with(['"', '/']);
        let names = |name: &&str| line.split(*name).skip(1).any(ends);
        line.contains("proc") && HIDDEN.iter().any(names) && !line.contains("resolve(")
    })
}

#[test]
fn nobody_looks_at_other_processes_but_through_the_process_outside() {
    let odd =
        "root.read(format!(\"{process}/environ\").as_bytes(), 1)\nformat!(\"proc/{pid}/exes\")\n";
    assert_eq!(past_the_monitor(odd).count(), 1);
    let mut files = Vec::new();
    for directory in ["src", "crates"] {
        sources(&harness::project().join(directory), &mut files);
    }
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let found: Vec<&str> = past_the_monitor(&text).collect();
        let name = file.display();
        assert!(
            found.is_empty() || file.components().any(|part| part.as_os_str() == "tests"),
            "{name}: by os::others, else a confined daemon does not see it: {found:#?}"
        );
    }
}

/// `1 file(s)` is nobody's language: `agent_core::words::counted` says it right.
#[test]
fn no_output_leaves_a_plural_open() {
    let mut files = Vec::new();
    for directory in ["src", "crates"] {
        sources(&harness::project().join(directory), &mut files);
    }
    let open = |line: &&str| {
        let code = line.trim_start();
        let mut inside = code.split('"').skip(1).step_by(2);
        !code.starts_with("//") && inside.any(|text| text.contains("(s) ") || text.ends_with("(s)"))
    };
    let mut odd = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let lines = text.lines().filter(open);
        odd.extend(lines.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    assert!(odd.is_empty(), "{odd:#?}");
}
