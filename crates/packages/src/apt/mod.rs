//! Where apt takes packages from, by its own files (sources.list(5)).

mod line;
mod stanza;

pub use line::of_list;
pub use stanza::of_stanzas;

/// What one line or one stanza names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Where the packages are, in the order in which they stand.
    pub uris: Vec<String>,
    /// Suites of each of them; one that ends with `/` is a directory.
    pub suites: Vec<String>,
    /// What is said of both.
    pub options: Vec<SourceOption>,
    /// Where it begins, from 1.
    pub line: usize,
}

/// `name=value`, or a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceOption {
    /// As written: case says nothing.
    pub name: String,
    /// What stands behind it; of a field the lines that go on with it as well, each behind a blank.
    pub value: String,
    /// Where it stands, from 1.
    pub line: usize,
}

impl Source {
    /// The options of that name.
    pub fn options<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a SourceOption> {
        let options = self.options.iter();
        options.filter(move |option| option.name.eq_ignore_ascii_case(name))
    }
}

/// StringToBool of apt-pkg/contrib/strutl.cc, which takes numbers of any base that strtol(3) takes.
pub fn is_yes(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let word = matches!(value.as_str(), "yes" | "true" | "with" | "on" | "enable");
    word || number(&value).is_some_and(|number| number != 0)
}

/// The same for what is switched off.
pub fn is_no(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let word = matches!(
        value.as_str(),
        "no" | "false" | "without" | "off" | "disable"
    );
    word || number(&value) == Some(0)
}

fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(digits), _) => i64::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => i64::from_str_radix(digits, 8).ok(),
        _ => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        for (text, yes, no) in [
            ("yes", true, false),
            ("0x1", true, false),
            ("01", true, false),
            ("0x0", false, true),
            ("Without", false, true),
            ("maybe", false, false),
        ] {
            assert_eq!((is_yes(text), is_no(text)), (yes, no), "{text}");
        }
    }
}
