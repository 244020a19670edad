//! What a password field lets in: the whole forms that crypt(5) lists, and nothing else, can be matched by a
//! password.

/// What field 2 of shadow(5) or passwd(5) means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// No password is asked for.
    Empty,
    /// Begins with `!`: what follows is put aside.
    Locked,
    /// A whole hash: somebody may know the password. Whether the method is too weak (DES, bigcrypt,
    /// BSDi, MD5, SHA-1, NT).
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

/// Characters that crypt(3) takes in a free salt: printable ASCII but those that would break a row of shadow(5).
fn free_salt(text: &str, most: usize) -> bool {
    text.len() <= most
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b':' | b';' | b'*' | b'!' | b'\\'))
}

/// Whether the method is weak; `None` if this is no whole hash. Forms and lengths are those of crypt(5).
fn form(text: &str) -> Option<bool> {
    let whole = |hash: &str, length: usize| hash.len() == length && base64(hash);
    let Some(rest) = text.strip_prefix('$') else {
        return match text.strip_prefix('_') {
            Some(rest) => whole(rest, 19).then_some(true),
            None => is_des(text).then_some(true),
        };
    };
    let parts: Vec<&str> = rest.split('$').collect();
    match parts.as_slice() {
        // yescrypt and its kin: parameters, salt, 43 characters.
        ["y" | "gy" | "sm3y", parameters, salt, hash] => {
            let good = !parameters.is_empty() && base64(parameters) && base64(salt);
            (good && whole(hash, 43)).then_some(false)
        }
        // scrypt: parameters and salt in one.
        ["7", salt, hash] => (salt.len() >= 11 && base64(salt) && whole(hash, 43)).then_some(false),
        ["2a" | "2b" | "2x" | "2y", cost, hash] => {
            let cost =
                cost.len() == 2 && cost.parse().is_ok_and(|cost: u8| (4..=31).contains(&cost));
            (cost && whole(hash, 53)).then_some(false)
        }
        [method @ ("5" | "6" | "sm3"), rest @ .., hash] => {
            let salt = match rest {
                [salt] => salt,
                [rounds, salt] if is_rounds(rounds) => salt,
                _ => return None,
            };
            let length = if *method == "6" { 86 } else { 43 };
            (free_salt(salt, 16) && whole(hash, length)).then_some(false)
        }
        ["1", salt, hash] => (free_salt(salt, 8) && whole(hash, 22)).then_some(true),
        ["3", "", hash] => {
            (hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(true)
        }
        ["sha1", rounds, salt, hash] => {
            let good = rounds.parse::<u32>().is_ok() && base64(salt) && salt.len() <= 64;
            (good && whole(hash, 28)).then_some(true)
        }
        [first, .., hash] if first.starts_with("md5") => whole(hash, 22).then_some(true),
        _ => None,
    }
}

/// DES, and bigcrypt: a salt of two characters, then eleven for each of up to sixteen pieces of the password.
fn is_des(text: &str) -> bool {
    (13..=178).contains(&text.len()) && (text.len() - 2).is_multiple_of(11) && base64(text)
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
            (format!("$6$sa lt${hash86}"), Password::Invalid),
            (format!("$6$sa-l_t@${hash86}"), strong),
            (format!("$6$${hash86}"), strong),
            (format!("$5$rounds=5000$${hash43}"), strong),
            (format!("$5$rounds$${hash43}"), Password::Invalid),
            (format!("$1$${}", "a".repeat(22)), weak),
            (format!("$1$s#l%t${}", "a".repeat(22)), weak),
            (format!("$sm3$salt${hash43}"), strong),
            (format!("$sm3y$j9T$salt${hash43}"), strong),
            ("a".repeat(24), weak),
            ("a".repeat(178), weak),
            ("a".repeat(23), Password::Invalid),
            ("a".repeat(189), Password::Invalid),
        ] {
            assert_eq!(classify(field.as_bytes()), expected, "{field}");
        }
    }
}
