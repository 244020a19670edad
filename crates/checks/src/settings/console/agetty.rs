//! agetty(8)'s own command line, as getopt_long(3) reads it.

/// Long options of agetty(8) up to util-linux 2.42, with the short one that means the same and whether a value follows.
const LONG: [(&str, char, Value); 36] = [
    ("8bits", '8', Value::None),
    ("autologin", 'a', Value::Required),
    ("noreset", 'c', Value::None),
    ("chdir", 'C', Value::Required),
    ("delay", 'd', Value::Required),
    ("remote", 'E', Value::None),
    ("issue-file", 'f', Value::Required),
    ("show-issue", '?', Value::None),
    ("flow-control", 'h', Value::None),
    ("host", 'H', Value::Required),
    ("noissue", 'i', Value::None),
    ("init-string", 'I', Value::Required),
    ("noclear", 'J', Value::None),
    ("login-program", 'l', Value::Required),
    ("local-line", 'L', Value::Optional),
    ("extract-baud", 'm', Value::None),
    ("list-speeds", '?', Value::None),
    ("skip-login", 'n', Value::None),
    ("nonewline", 'N', Value::None),
    ("login-options", 'o', Value::Required),
    ("login-pause", 'p', Value::None),
    ("nice", 'P', Value::Required),
    ("chroot", 'r', Value::Required),
    ("hangup", 'R', Value::None),
    ("keep-baud", 's', Value::None),
    ("timeout", 't', Value::Required),
    ("detect-case", 'U', Value::None),
    ("wait-cr", 'w', Value::None),
    ("nohints", '?', Value::None),
    ("nohostname", '?', Value::None),
    ("long-hostname", '?', Value::None),
    ("reload", '?', Value::None),
    ("version", 'V', Value::None),
    ("help", 'V', Value::None),
    ("erase-chars", '?', Value::Required),
    ("kill-chars", '?', Value::Required),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Optional,
    Required,
}

/// Options of agetty that bear on who is let in; of several of a kind the last counts.
#[derive(Default)]
pub(super) struct Options {
    pub(super) autologin: bool,
    pub(super) login_options: Option<String>,
    pub(super) login_program: Option<String>,
    /// Ends with a message and starts nothing.
    pub(super) ends: bool,
}

impl Options {
    fn set(&mut self, option: char, value: &str) {
        match option {
            'a' => self.autologin = true,
            'o' => self.login_options = Some(value.to_owned()),
            'l' => self.login_program = Some(value.to_owned()),
            'V' => self.ends = true,
            _ => {}
        }
    }
}

/// Reads a command line as getopt_long(3) does: clusters, values in the same word or the next, options behind
/// operands, unambiguous beginnings of long ones.
pub(super) fn options(arguments: &[String]) -> Options {
    let mut options = Options::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, own) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            match long_option(name) {
                Some((option, Value::Required)) => match own.or_else(|| words.next().cloned()) {
                    Some(value) => options.set(option, &value),
                    None => options.ends = true,
                },
                Some((option, _)) => options.set(option, ""),
                None => options.ends = true,
            }
        } else if let Some(cluster) = word.strip_prefix('-') {
            short_options(cluster, &mut words, &mut options);
        }
    }
    options
}

fn long_option(name: &str) -> Option<(char, Value)> {
    let mut fits = LONG.iter().filter(|(long, ..)| long.starts_with(name));
    let exact = LONG.iter().find(|(long, ..)| *long == name);
    let first = exact.or_else(|| fits.next())?;
    let ambiguous = exact.is_none() && fits.next().is_some();
    (!ambiguous).then_some((first.1, first.2))
}

fn short_options<'a>(
    cluster: &str,
    words: &mut impl Iterator<Item = &'a String>,
    options: &mut Options,
) {
    let mut cluster = cluster.chars();
    while let Some(option) = cluster.next() {
        let known = LONG
            .iter()
            .find(|(_, short, _)| *short == option && option != '?');
        let rest = cluster.as_str();
        match known.map(|(_, _, value)| *value) {
            None => options.ends = true,
            Some(Value::None) => options.set(option, ""),
            Some(Value::Optional) => return options.set(option, rest),
            Some(Value::Required) if !rest.is_empty() => return options.set(option, rest),
            Some(Value::Required) => match words.next() {
                Some(value) => return options.set(option, value),
                None => options.ends = true,
            },
        }
    }
}
