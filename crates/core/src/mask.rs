//! Lines of a configuration, with what looks like a secret masked. Pure, and rather too much than too little.
//!
//! Forms are those that lists of secrets' patterns share (gitleaks, detect-secrets, GitHub's secret scanning): a value
//! behind a name that says what it is, a password in an address, tokens with a known beginning, password hashes, private
//! keys, and words that are too random to be words.

/// What stands for a secret.
pub const MASK: &str = "***";

/// Parts of names whose values are secrets, in lower case and without `-`, `_` and `.`,
const NAMES: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "authkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "sharedkey",
    "credential",
    "authorization",
    "connectionstring",
    "community",
    "wepkey",
];

/// and those that count as a whole word of a name alone.
const WORDS: [&str; 14] = [
    "pass", "pwd", "key", "auth", "psk", "bearer", "cookie", "session", "salt", "dsn", "webhook",
    "sas", "otp", "pin",
];

/// What such a name may well have behind it, in PAM, nsswitch.conf and switches.
const PLAIN: [&str; 26] = [
    "yes",
    "no",
    "true",
    "false",
    "on",
    "off",
    "none",
    "null",
    "required",
    "requisite",
    "optional",
    "sufficient",
    "include",
    "substack",
    "files",
    "compat",
    "systemd",
    "sss",
    "ldap",
    "db",
    "winbind",
    "nis",
    "pam",
    "shadow",
    "ask",
    "prompt",
];

/// A longer name is none.
// Own bound: of what is taken for a name; the masking of the rest does not depend on it.
const LONGEST_NAME: usize = 48;

/// How tokens of known makers begin; what follows is the secret. Twelve characters at least follow.
const BEGINNINGS: [&str; 74] = [
    "AKIA",
    "ASIA",
    "ABIA",
    "ACCA",
    "AROA",
    "AIDA",
    "AIza",
    "ya29.",
    "GOCSPX-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glrt-",
    "glcbt-",
    "glptt-",
    "glft-",
    "glsoat-",
    "glagent-",
    "glimt-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxr-",
    "xoxs-",
    "xoxe.",
    "xapp-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "whsec_",
    "sk-",
    "npm_",
    "pypi-",
    "dckr_pat_",
    "dckr_oat_",
    "hvs.",
    "hvb.",
    "hvr.",
    "dop_v1_",
    "doo_v1_",
    "dor_v1_",
    "shpat_",
    "shpss_",
    "shpca_",
    "shppa_",
    "lin_api_",
    "PMAK-",
    "NRAK-",
    "NRJS-",
    "NRII-",
    "glc_",
    "glsa_",
    "SG.",
    "key-",
    "AGE-SECRET-KEY-1",
    "EAAC",
    "sq0atp-",
    "sq0csp-",
    "EAAA",
    "tfp_",
    "rubygems_",
    "dp.pt.",
    "pul-",
    "HRKU-",
    "eyJ",
    "secret_",
    "CLOJARS_",
    "FLWSECK",
];

/// How password hashes of crypt(5) and of directories begin.
const HASHES: [&str; 17] = [
    "$1$", "$2a$", "$2b$", "$2x$", "$2y$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$sha1$", "$md5",
    "$argon2", "$pbkdf2", "$scrypt$", "{SSHA", "{CRYPT}",
];

/// Behind a beginning at least so many characters follow.
const LEAST: usize = 12;
/// A word this long may be too random to be one.
const RANDOM: usize = 20;
/// Hexadecimal digits in a row that are a key or a digest rather than a number.
const HEX: usize = 32;

/// Masks line after line: within a private key everything.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    in_key: bool,
}

impl Masker {
    /// The line as it may be shown.
    pub fn line(&mut self, line: &str) -> String {
        let begins = line.contains("-----BEGIN ") || line.contains("BEGIN SSH2 ");
        if begins
            && (line.contains("PRIVATE") || line.contains("ENCRYPTED") || line.contains("PGP"))
        {
            self.in_key = !line.contains("-----END ");
            return MASK.to_owned();
        }
        if self.in_key {
            self.in_key = !line.contains("-----END ");
            return MASK.to_owned();
        }
        let line = addresses(line);
        let line = named(&line);
        words(&line)
    }
}

/// `scheme://USER:PASSWORD@host`: the password, or a token that stands alone.
fn addresses(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let ends =
            |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '<' | '>' | '?' | '#');
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        match authority.rfind('@') {
            Some(host) => {
                let user = authority[..host].split(':').next().unwrap_or_default();
                // A name alone is none; a long one is a token.
                let alone = !authority[..host].contains(':');
                if !(alone && user.len() >= RANDOM) {
                    out.push_str(user);
                }
                if !alone || user.len() >= RANDOM {
                    if !alone {
                        out.push(':');
                    }
                    out.push_str(MASK);
                }
                rest = &after[host..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

/// The value behind each name that says that it is a secret.
fn named(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = next_secret(rest) {
        out.push_str(before);
        out.push_str(MASK);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What stands before the next value of such a name, and what behind it.
fn next_secret(line: &str) -> Option<(&str, &str)> {
    let mut after = line;
    loop {
        let begin = after.trim_start_matches(|c| !is_of_name(c));
        if begin.is_empty() {
            return None;
        }
        let name;
        (name, after) = begin.split_at(begin.find(|c| !is_of_name(c)).unwrap_or(begin.len()));
        if !is_secret(name) {
            continue;
        }
        // `NAME = VALUE`, `"NAME": "VALUE"`, `--NAME VALUE`, `NAME VALUE`.
        let gap =
            after.find(|c: char| !c.is_whitespace() && !matches!(c, '=' | ':' | '"' | '\'' | '>'));
        let Some(gap) = gap.filter(|gap| *gap > 0) else {
            continue;
        };
        let value = &after[gap..];
        let quote = after[..gap]
            .chars()
            .last()
            .filter(|c| matches!(c, '"' | '\''));
        let length = match quote {
            Some(quote) => value.find(quote).unwrap_or(value.len()),
            // A header's value has several words.
            None if name.eq_ignore_ascii_case("authorization") => value.len(),
            None => value
                .find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '&'))
                .unwrap_or(value.len()),
        };
        let (shown, behind) = value.split_at(length);
        // What says yes or no, names a file or a place, or is masked already, is no secret.
        if length == 0 || shown == MASK || is_plain(shown) {
            continue;
        }
        return Some((line.strip_suffix(value)?, behind));
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn is_secret(name: &str) -> bool {
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let bare = bare.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let by_word = words.any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)));
    name.len() <= LONGEST_NAME && (by_word || NAMES.iter().any(|part| bare.contains(part)))
}

/// A value that every configuration may have behind such a name.
fn is_plain(value: &str) -> bool {
    let word = value.trim_matches(|c| matches!(c, '"' | '\''));
    PLAIN.iter().any(|plain| word.eq_ignore_ascii_case(plain))
        || word.starts_with('/')
        || word.starts_with("${")
        || (word.len() <= 6 && word.chars().all(|c| c.is_ascii_digit()))
}

/// Masks words that look like secrets by themselves.
fn words(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let is_of = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(
                    c,
                    '_' | '-' | '.' | '+' | '/' | '$' | '{' | '}' | '=' | '~' | '!'
                )
        };
        let length = rest.find(|c| !is_of(c)).unwrap_or(rest.len());
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        out.push_str(&word_masked(word));
        rest = after;
    }
    out
}

/// A word, or what of it may be shown: its name before a `=`.
fn word_masked(word: &str) -> String {
    if let Some(at) = HASHES.iter().filter_map(|begin| word.find(begin)).min() {
        return format!("{}{MASK}", &word[..at]);
    }
    let (head, value) = match word.split_once('=') {
        Some((head, value)) if !value.is_empty() && !value.starts_with('=') => {
            (&word[..=head.len()], value)
        }
        _ => ("", word),
    };
    let token = BEGINNINGS.iter().any(|begin| {
        value.match_indices(begin).any(|(at, _)| {
            // Not in the middle of a word.
            let (before, token) = value.split_at(at);
            let starts = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
            let body = token.strip_prefix(begin).unwrap_or_default();
            let of_token =
                |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '=');
            let body: Vec<char> = body.chars().take_while(of_token).collect();
            starts
                && body.len() >= LEAST
                && body
                    .iter()
                    .any(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
        })
    });
    match token || is_random(value) {
        true => format!("{head}{MASK}"),
        false => word.to_owned(),
    }
}

/// Whether a part of it is too random to be a word: hexadecimal, or a mix that no name has.
fn is_random(word: &str) -> bool {
    let hex = word
        .split(|c: char| !c.is_ascii_hexdigit())
        .any(|part| part.len() >= HEX && part.chars().any(|c| c.is_ascii_digit()));
    // A path has short parts; base64 may hold a slash now and then.
    let by_path = word.split('/').filter(|part| !part.is_empty());
    let parts: Vec<&str> = by_path.clone().collect();
    let whole = match word.starts_with('/') {
        true => parts,
        false => vec![word],
    };
    hex || whole.iter().any(|part| is_mixed(part))
}

fn is_mixed(word: &str) -> bool {
    let body: Vec<char> = word.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    if body.len() < RANDOM {
        return false;
    }
    let has = |of: fn(&char) -> bool| body.iter().any(of);
    let digits = body.iter().filter(|c| c.is_ascii_digit()).count();
    let kinds = [
        has(char::is_ascii_lowercase),
        has(char::is_ascii_uppercase),
        digits > 0,
    ];
    let kinds = kinds.into_iter().filter(|has| *has).count();
    // How often what a character is changes to another kind: in names, at the ends of their words.
    let kind = |c: &char| (c.is_ascii_digit(), c.is_ascii_uppercase());
    let changes = body
        .iter()
        .zip(body.iter().skip(1))
        .filter(|(one, next)| kind(one) != kind(next))
        .count();
    let once_in = |length: usize| changes.saturating_mul(length) >= body.len();
    match kinds {
        3 => once_in(4),
        2 if digits == 0 => once_in(3),
        2 => digits >= 3 && (once_in(5) || (body.len() >= HEX && once_in(8))),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
