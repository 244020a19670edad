//! The shipped `agent.toml` shows every key at its default.

use agent_core::config::Config;
use std::collections::BTreeSet;
use std::path::Path;

/// Comments are `# text`, keys are `#key = value`.
fn uncommented(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

/// Names of all keys, as `scan.interval`.
fn keys(table: &toml::Table, above: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(below) => keys(below, &format!("{above}{key}."), found),
            _ => {
                found.insert(format!("{above}{key}"));
            }
        }
    }
}

/// The fields of the configuration, as its own pretty print shows them.
fn fields() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut above: Vec<String> = Vec::new();
    for line in format!("{:#?}", Config::default()).lines().skip(1) {
        let line = line.trim();
        match line.split_once(": ") {
            Some((section, rest)) if rest.ends_with('{') => above.push(section.to_owned()),
            Some((key, _)) => {
                found.insert([above.as_slice(), &[key.to_owned()]].concat().join("."));
            }
            None if line.starts_with('}') => {
                above.pop();
            }
            None => {}
        }
    }
    found
}

#[test]
fn the_shipped_configuration_shows_every_key_at_its_default() {
    let file = harness::project().join("packaging/agent.toml");
    let shipped = std::fs::read_to_string(file).expect("it is there");
    let here = Path::new("agent.toml");
    let default = Config::default();
    assert_eq!(Config::parse(&shipped, here).expect("good"), default);

    let told = uncommented(&shipped);
    assert_eq!(Config::parse(&told, here).expect("good"), default);
    let mut shown = BTreeSet::new();
    keys(&told.parse().expect("TOML"), "", &mut shown);
    let fields = fields();
    assert!(fields.contains("sinks.cloudwatch_logs.role_arn"));
    assert_eq!(shown, fields);
}
