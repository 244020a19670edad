//! sudo.conf(5): which plugin decides, and what it is told (sudo_conf.c and parseln.c, load_plugins.c).

/// A `Plugin` line.
#[derive(Debug, PartialEq, Eq)]
struct Plugin {
    line: usize,
    symbol: String,
    path: String,
    options: Vec<String>,
}

/// Symbols of plugins that come with sudo and decide nothing.
const ASIDE: [(&str, &str); 5] = [
    ("python_plugin.so", "python_io"),
    ("python_plugin.so", "python_audit"),
    ("python_plugin.so", "python_approval"),
    ("audit_json.so", "audit_json"),
    ("sample_approval.so", "sample_approval"),
];

/// What sudoers is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// `NAME=VALUE`, in order.
    pub(super) options: Vec<String>,
    /// Why that, or whether sudoers decides at all, is not known; and in which line.
    pub(super) unknown: Option<(String, usize)>,
}

/// The options that count of a sudo.conf. sudoers opens its policy once: as sudoers_audit, which is opened first and gets
/// the options of the policy where no line names it.
pub(super) fn told(text: &[u8]) -> Told {
    let mut told = Told::default();
    if let Some(at) = memchr::memchr(0, text) {
        let line = memchr::memchr_iter(b'\n', agent_core::bytes::first(text, at)).count();
        let reason = "sudo.conf holds a NUL".to_owned();
        told.unknown = Some((reason, line.saturating_add(1)));
        return told;
    }
    let (plugins, directory) = plugins(text);
    let mut unknown = |reason: String, line: usize| {
        told.unknown.get_or_insert((reason, line));
    };
    if let Some((directory, line)) = directory
        && !directory.starts_with("/usr/")
    {
        unknown(format!("plugins lie in \"{directory}\""), line);
    }
    let (mut policy, mut audit) = (None, None);
    for plugin in plugins {
        let (directory, library) = plugin.path.rsplit_once('/').unwrap_or(("", &plugin.path));
        let own = directory.is_empty() && !plugin.path.starts_with('/');
        let shipped = own || directory.starts_with("/usr/");
        match (shipped, library, plugin.symbol.as_str()) {
            // The first of a kind counts; sudo warns of others, and goes on.
            (true, "sudoers.so" | "sudoers", "sudoers_policy") => {
                policy.get_or_insert(plugin.options);
            }
            (true, "sudoers.so" | "sudoers", "sudoers_audit") => {
                audit.get_or_insert(plugin.options);
            }
            (true, "sudoers.so" | "sudoers", "sudoers_io") => {}
            (true, library, symbol) if ASIDE.contains(&(library, symbol)) => {}
            _ => {
                let reason = format!("the plugin {} may decide, and not sudoers", plugin.path);
                unknown(reason, plugin.line);
            }
        }
    }
    told.options = audit.or(policy).unwrap_or_default();
    told
}

/// The plugins of the file in their order, and the directory that a line looks for them in.
fn plugins(text: &[u8]) -> (Vec<Plugin>, Option<(String, usize)>) {
    let (mut plugins, mut directory) = (Vec::new(), None);
    for (number, line) in lines(&String::from_utf8_lossy(text)) {
        let mut words = line
            .split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        // Words have no case here, names of symbols do.
        match next().to_ascii_lowercase().as_str() {
            "plugin" => {
                let (symbol, path) = (next(), next());
                // Without a library sudo passes over the line.
                if !path.is_empty() {
                    plugins.push(Plugin {
                        line: number,
                        symbol,
                        path,
                        options: words.collect(),
                    });
                }
            }
            "path" if next().eq_ignore_ascii_case("plugin_dir") => {
                directory = Some((next(), number));
            }
            _ => {}
        }
    }
    (plugins, directory)
}

/// Lines with those that a backslash carries on, each with the number of its last one: a comment ends a line and is
/// never carried on, of two backslashes neither is one that does, and blanks before each part are taken off.
fn lines(text: &str) -> Vec<(usize, String)> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let mut found = Vec::new();
    let mut open = String::new();
    let mut last = 0;
    for (number, line) in (1..).zip(text.split('\n')) {
        last = number;
        let line = line.trim_end_matches('\r');
        let (line, comment) = match line.split_once('#') {
            Some((before, _)) => (before, true),
            None => (line, false),
        };
        let carried = line
            .strip_suffix('\\')
            .filter(|before| !comment && !before.ends_with('\\'));
        open.push_str(
            carried
                .unwrap_or(line.trim_end_matches(BLANKS))
                .trim_start_matches(BLANKS),
        );
        if carried.is_none() {
            found.push((number, std::mem::take(&mut open)));
        }
    }
    found.push((last, open));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plugin_counts() {
        const OWN: &str = "sudoers_policy sudoers.so";
        for (text, options, unknown) in [
            ("", "", None),
            ("plugin sudoers_policy sudoers.so a=b\n", "a=b", None),
            (
                "PLUGIN\tsudoers_policy\tsudoers.so\ta=b c=d",
                "a=b c=d",
                None,
            ),
            (
                &format!("Plugin {OWN} a=1\nPlugin {OWN} a=2\n"),
                "a=1",
                None,
            ),
            (&format!("Plugin {OWN}\nPlugin {OWN} a=2\n"), "", None),
            (
                &format!("Plugin sudoers_audit sudoers.so a=1\nPlugin {OWN} a=2\n"),
                "a=1",
                None,
            ),
            (
                &format!("Plugin {OWN} a=2\nPlugin sudoers_audit sudoers.so\n"),
                "",
                None,
            ),
            (
                &format!("Plugin {OWN} a=1\nPlugin sudoers_io sudoers.so a=2\n"),
                "a=1",
                None,
            ),
            (
                &format!("Plugin sudoers_io sudoers.so a=2\nPlugin {OWN}\n"),
                "",
                None,
            ),
            ("Plugin sudoers_io sudoers.so a=2\n", "", None),
            (
                "Plug\\\n  in sudoers_policy sudoers.so \\\na=b",
                "a=b",
                None,
            ),
            (&format!("Plugin {OWN} a=b \\"), "a=b", None),
            (
                &format!("Plugin {OWN} \\# x\nPlugin {OWN} a=b\n"),
                "\\",
                None,
            ),
            (&format!("Plugin {OWN} a=b\\\\\nc=d\n"), "a=b\\\\", None),
            (&format!("Plugin {OWN} a=b\x0bc\r\r\n"), "a=b\x0bc", None),
            (&format!("# x \\\nPlugin {OWN} a=b\n"), "a=b", None),
            (
                &format!("Pluginx {OWN} a=b\n#Plugin {OWN} a=b\nPlugin sudoers_policy\n"),
                "",
                None,
            ),
            ("\nPlugin x_policy x.so", "", Some(2)),
            ("Plugin harmless x.so", "", Some(1)),
            ("Plugin sudoers_policy /opt/sudoers.so a=b", "", Some(1)),
            ("Plugin sudoers_policy /sudoers.so a=b", "", Some(1)),
            (
                "Plugin sudoers_policy /usr/lib/sudo/sudoers.so a=b",
                "a=b",
                None,
            ),
            ("Path plugin_dir /usr/lib/sudo/\n", "", None),
            ("path Plugin_Dir /opt/\n", "", Some(1)),
            ("Path plugin_dir\n", "", Some(1)),
            ("Plugin audit_json audit_json.so logfile=/x\n", "", None),
            ("\n\0", "", Some(2)),
        ] {
            let told = told(text.as_bytes());
            assert_eq!(told.options.join(" "), options, "{text}");
            assert_eq!(told.unknown.map(|(_, line)| line), unknown, "{text}");
        }
    }
}
