//! Imports go one way: values know nothing of the system, eyes nothing of reports, nobody imports hands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Layers from the bottom up; a module imports from its own layer and those below it. The longest
/// prefix that fits decides.
const LAYERS: [(&str, u8); 35] = [
    ("attributes", 0),
    ("bounds", 0),
    ("cause", 0),
    ("config", 1),
    ("error", 0),
    ("escape", 0),
    ("finding", 1),
    ("glob", 0),
    ("host", 0),
    ("ship::parcel", 1),
    ("task", 0),
    ("toml_text", 1),
    ("units", 0),
    ("profile", 2),
    ("profile::load", 4),
    ("manifest", 2),
    ("manifest::read", 2),
    ("manifest::vouch", 4),
    ("manifest::seal", 0),
    ("os", 3),
    ("packages", 5),
    ("files", 6),
    ("report", 7),
    ("assess", 8),
    ("cli", 10),
    ("run", 10),
    // The rooms that the design reserves for eyes and for what leaves the machine.
    ("settings", 6),
    ("instance", 6),
    ("watch", 6),
    ("ledger", 7),
    ("event", 7),
    ("store", 7),
    ("ship", 7),
    ("checks", 7),
    ("daemon", 9),
];

fn layer(module: &str) -> u8 {
    let mut best: Option<(&str, u8)> = None;
    for (prefix, layer) in LAYERS {
        let fits = module == prefix
            || module
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with("::"));
        if fits && best.is_none_or(|(old, _)| old.len() < prefix.len()) {
            best = Some((prefix, layer));
        }
    }
    best.unwrap_or_else(|| panic!("{module} stands in no layer: give it one in tests/layers.rs"))
        .1
}

/// Source files below `directory` with the module that each one is.
fn modules(directory: &Path, module: &str, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(directory).expect("src is there") {
        let path = entry.expect("readable").path();
        let stem = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let below = match module {
            "" => stem.clone(),
            module => format!("{module}::{stem}"),
        };
        if path.is_dir() {
            modules(&path, &below, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            match stem.as_str() {
                "mod" => found.push((path, module.to_owned())),
                "lib" | "main" => {}
                _ => found.push((path, below)),
            }
        }
    }
}

/// Every `crate::a::b` in the text, `use` trees with braces taken apart one level deep.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        let before = text[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let path: String = text[start + 7..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
            .collect();
        if let Some(base) = path.strip_suffix("::") {
            let tree = &text[start + 7 + path.len()..];
            if let Some(inner) = tree.strip_prefix('{').and_then(|t| t.split('}').next()) {
                found.extend(
                    inner
                        .split(',')
                        .map(|name| format!("{base}::{}", name.trim())),
                );
                continue;
            }
        }
        if let Some(inner) = text[start + 7..]
            .strip_prefix('{')
            .and_then(|t| t.split("};").next())
        {
            found.extend(inner.split(',').map(|name| name.trim().to_owned()));
            continue;
        }
        found.push(path);
    }
    found.retain(|path| !path.trim_matches(':').is_empty());
    found
}

#[test]
fn imports_go_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    modules(&src, "", &mut found);
    assert!(
        found.len() > 30,
        "the walk over src found too little: {found:?}"
    );
    let mut wrong = BTreeMap::new();
    let mut seen = 0;
    for (file, module) in &found {
        let text = std::fs::read_to_string(file).expect("UTF-8");
        let code: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect();
        for import in imports(&code) {
            seen += 1;
            if layer(&import) > layer(module) {
                wrong
                    .entry(module.clone())
                    .or_insert_with(Vec::new)
                    .push(import);
            }
        }
    }
    assert!(seen > 50, "hardly any import was found");
    assert!(wrong.is_empty(), "imports that go up: {wrong:#?}");
}

#[test]
fn the_reader_of_imports_sees_them() {
    let text = "use crate::a::B;\nuse crate::{c::D, e};\nuse crate::f::{g, h::I};\nlet x = crate::j::k();\n";
    assert_eq!(
        imports(text),
        ["a::B", "c::D", "e", "f::g", "f::h::I", "j::k"]
    );
}
