//! Files of sections and assignments in which no backslash continues a line: repositories of dnf and zypper, the
//! configuration of awslogs.

/// Section, key, value and line of each assignment.
pub(super) type Assignments = Vec<(String, String, String, usize)>;

/// How a value goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continued {
    /// In lines that begin further right than its key: libdnf's IniParser, Python's configparser.
    Indented,
    /// Nowhere: libzypp's IniParser.
    Never,
}

/// Every assignment of the text.
pub(super) fn assignments(text: &str, continued: Continued) -> Assignments {
    let mut found: Assignments = Vec::new();
    let mut section = String::new();
    // How far right the key begins whose value may go on.
    let mut open: Option<usize> = None;
    for (number, line) in (1..).zip(text.split('\n')) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let indent = line.len().saturating_sub(line.trim_start().len());
        if continued == Continued::Indented && open.is_some_and(|key| indent > key) {
            if let Some((_, _, value, _)) = found.last_mut() {
                value.push('\n');
                value.push_str(trimmed);
            }
        } else if let Some(rest) = trimmed.strip_prefix('[') {
            open = None;
            if let Some((name, _)) = rest.split_once(']') {
                name.clone_into(&mut section);
            }
        } else if let Some((key, value)) = trimmed.split_once('=') {
            open = Some(indent);
            let (key, value) = (key.trim_end().to_owned(), value.trim_start().to_owned());
            found.push((section.clone(), key, value, number));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_go_on() {
        let text = "[a]\nname=x\\\ngpgcheck=0\n enabled=0\n# no\n  [b]\n[c] # c\n  k=1\n  l=2\n";
        let said = |continued| -> Vec<String> {
            let all = assignments(text, continued).into_iter();
            all.map(|(section, key, value, line)| format!("{section}/{key}={value}:{line}"))
                .collect()
        };
        assert_eq!(
            said(Continued::Indented),
            [
                "a/name=x\\:2",
                "a/gpgcheck=0\nenabled=0\n[b]:3",
                "c/k=1:8",
                "c/l=2:9"
            ]
        );
        assert_eq!(
            said(Continued::Never),
            [
                "a/name=x\\:2",
                "a/gpgcheck=0:3",
                "a/enabled=0:4",
                "c/k=1:8",
                "c/l=2:9"
            ]
        );
    }
}
