//! The newer form: stanzas of fields (deb822(5)).

use super::{Source, SourceOption, is_no};

/// The sources of a file `*.sources`, but for those that are switched off. Of fields of one name the last counts.
pub fn of_stanzas(text: &str) -> Vec<Source> {
    let mut found = vec![Vec::new()];
    for (number, line) in (1_usize..).zip(text.lines()) {
        // A line of blanks goes on with the field above.
        if line.trim_end_matches('\r').is_empty() {
            found.push(Vec::new());
        } else if line.starts_with('#') {
            continue;
        } else if let Some(stanza) = found.last_mut() {
            add(stanza, line, number);
        }
    }
    found.into_iter().filter_map(source).collect()
}

fn add(stanza: &mut Vec<SourceOption>, line: &str, number: usize) {
    if line.starts_with([' ', '\t']) {
        if let Some(field) = stanza.last_mut() {
            field.value.push(' ');
            field.value.push_str(line.trim());
        }
    } else if let Some((name, value)) = line.split_once(':') {
        let name = name.trim();
        stanza.retain(|field| !field.name.eq_ignore_ascii_case(name));
        stanza.push(SourceOption {
            name: name.to_owned(),
            value: value.trim().to_owned(),
            line: number,
        });
    }
}

fn source(options: Vec<SourceOption>) -> Option<Source> {
    let line = options.first()?.line;
    let value = |name: &str| {
        let field = options
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| &*field.value)
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let uris: Vec<String> = words(value("URIs")?);
    let suites = words(value("Suites").unwrap_or_default());
    let is_off = value("Enabled").is_some_and(is_no);
    (!is_off).then_some(Source {
        uris,
        suites,
        options,
        line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_of_sources() {
        let text = "URIs: http://a\nSuites: x\n \n y\n# no\n\tz\ntrusted: no\nTrusted: yes\n\r\nuris: http://b http://c\r\nSuites: ./\n\n\
                    URIs: http://d\nEnabled: 0x0\n\nSuites: of nothing\n";
        let found: Vec<_> = of_stanzas(text);
        let names: Vec<_> = found
            .iter()
            .map(|source| (source.uris.join(" "), source.suites.join(" "), source.line))
            .collect();
        let expected = [("http://a", "x y z", 1), ("http://b http://c", "./", 10)];
        let expected = expected.map(|(uris, suites, line)| (uris.into(), suites.into(), line));
        assert_eq!(names, expected);
        let trusted: Vec<_> = found[0].options("TRUSTED").collect();
        assert_eq!(trusted.len(), 1, "{trusted:?}");
        assert_eq!((&*trusted[0].value, trusted[0].line), ("yes", 8));
    }
}
