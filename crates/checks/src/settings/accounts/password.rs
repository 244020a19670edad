//! What a password field lets in: the whole forms that crypt(5) lists, and nothing else, can be matched by a
//! password.

/// What field 2 of shadow(5) or passwd(5) means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// No password is asked for.
    Empty,
    /// Begins with `!`: what follows is put aside.
    Locked,
    /// A whole hash: somebody may know the password. Whether the method is too weak (DES, BSDi, MD5, NT).
    Usable {
        /// Can be reversed with little effort.
        weak: bool,
    },
    /// A string that no password yields (`*`, `x`, a hash cut short): nobody gets in with a password.
    Invalid,
}

/// Characters of hashes and salts, `./0-9A-Za-z`.
fn base64(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/'))
}

/// Reads a field.
pub fn classify(field: &[u8]) -> Password {
    match field {
        [] => return Password::Empty,
        [b'!', ..] => return Password::Locked,
        _ => {}
    }
    let Ok(text) = std::str::from_utf8(field) else {
        return Password::Invalid;
    };
    match form(text) {
        Some(weak) => Password::Usable { weak },
        None => Password::Invalid,
    }
}

/// Whether the method is weak; `None` if this is no whole hash.
fn form(text: &str) -> Option<bool> {
    let whole = |hash: &str, length: usize| hash.len() == length && base64(hash);
    let Some(rest) = text.strip_prefix('$') else {
        return match text.strip_prefix('_') {
            Some(rest) => whole(rest, 19).then_some(true),
            None => whole(text, 13).then_some(true),
        };
    };
    let parts: Vec<&str> = rest.split('$').collect();
    let salt = |salt: &str, most: usize| (1..=most).contains(&salt.len()) && base64(salt);
    match parts.as_slice() {
        // yescrypt and gost-yescrypt: parameters, salt, 43 characters.
        ["y" | "gy", parameters, salted, hash] => {
            let good = !parameters.is_empty() && base64(parameters) && base64(salted);
            (good && whole(hash, 43)).then_some(false)
        }
        // scrypt: parameters and salt in one.
        ["7", salted, hash] => {
            (salted.len() >= 11 && base64(salted) && whole(hash, 43)).then_some(false)
        }
        ["2a" | "2b" | "2x" | "2y", cost, hash] => {
            let cost =
                cost.len() == 2 && cost.parse().is_ok_and(|cost: u8| (4..=31).contains(&cost));
            (cost && whole(hash, 53)).then_some(false)
        }
        ["6", salted, hash] => (salt(salted, 16) && whole(hash, 86)).then_some(false),
        ["5", salted, hash] => (salt(salted, 16) && whole(hash, 43)).then_some(false),
        ["6", rounds, salted, hash] => {
            (is_rounds(rounds) && salt(salted, 16) && whole(hash, 86)).then_some(false)
        }
        ["5", rounds, salted, hash] => {
            (is_rounds(rounds) && salt(salted, 16) && whole(hash, 43)).then_some(false)
        }
        ["1", salted, hash] => (salt(salted, 8) && whole(hash, 22)).then_some(true),
        ["3", "", hash] => {
            (hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(true)
        }
        ["sha1", rounds, salted, hash] => {
            (rounds.parse::<u32>().is_ok() && salt(salted, 64) && whole(hash, 28)).then_some(true)
        }
        [first, .., hash] if first.starts_with("md5") => whole(hash, 22).then_some(true),
        _ => None,
    }
}

fn is_rounds(text: &str) -> bool {
    text.strip_prefix("rounds=")
        .is_some_and(|count| count.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let hash86 = "a".repeat(86);
        let hash43 = "a".repeat(43);
        let weak = Password::Usable { weak: true };
        let strong = Password::Usable { weak: false };
        for (field, expected) in [
            (String::new(), Password::Empty),
            ("!".into(), Password::Locked),
            ("!!".into(), Password::Locked),
            (format!("!$6$salt${hash86}"), Password::Locked),
            ("*".into(), Password::Invalid),
            ("x".into(), Password::Invalid),
            ("NP".into(), Password::Invalid),
            (" ".into(), Password::Invalid),
            (format!("$6$salt${hash86}"), strong),
            (format!("$6$rounds=5000$salt${hash86}"), strong),
            (format!("$6$salt${}", &hash86[1..]), Password::Invalid),
            (format!("$5$salt${hash43}"), strong),
            (format!("$y$j9T$salt/salt${hash43}"), strong),
            (format!("$y$j9T$salt/salt${hash43}a"), Password::Invalid),
            (format!("$2b$12${}", "a".repeat(53)), strong),
            (format!("$2b$99${}", "a".repeat(53)), Password::Invalid),
            (format!("$1$salt${}", "a".repeat(22)), weak),
            ("abcdefghijklm".into(), weak),
            ("abcdefghijkl".into(), Password::Invalid),
            (format!("$3$${}", "0".repeat(32)), weak),
            (format!("$9$salt${hash86}"), Password::Invalid),
            (format!("$6$sa:lt${hash86}"), Password::Invalid),
        ] {
            assert_eq!(classify(field.as_bytes()), expected, "{field}");
        }
    }
}
