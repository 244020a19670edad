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
            let good = is_yescrypt(parameters) && base64(salt);
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
                // What begins so is no salt.
                [salt] if salt.starts_with("rounds=") => return None,
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
            let good = (*rounds == "0" || count(rounds).is_some())
                && base64(salt)
                && (1..=64).contains(&salt.len());
            (good && whole(hash, 28)).then_some(true)
        }
        [first, .., hash] if first.starts_with("md5") => whole(hash, 22).then_some(true),
        _ => None,
    }
}

/// DES, and bigcrypt: a salt of two characters, then eleven for each of up to sixteen pieces of the password.
fn is_des(text: &str) -> bool {
    (13..=178).contains(&text.len()) && text.len() % 11 == 2 && base64(text)
}

/// crypt(3) takes no fewer rounds than a thousand, and no zero in front.
fn is_rounds(text: &str) -> bool {
    let rounds = text.strip_prefix("rounds=").and_then(count);
    rounds.is_some_and(|rounds| (1000..=999_999_999).contains(&rounds))
}

fn count(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

/// Parameters of yescrypt: its flavour, the cost of which more than 2^20 is refused, and the size of blocks.
fn is_yescrypt(parameters: &str) -> bool {
    matches!(
        parameters.as_bytes(),
        [b'j', b'/'..=b'9' | b'A'..=b'H', _, ..]
    ) && base64(parameters)
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

    /// Fields made at random, each given to crypt(3) as the setting of a password: one that can be matched comes back in its
    /// own length, with all that stands before the hash as it was.
    #[test]
    // Its grammar is what is long.
    #[allow(clippy::too_many_lines)]
    fn as_crypt_takes_fields() {
        let mut seed = 11_u64;
        let mut roll = |sides: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).expect("31 bits") % sides
        };
        let salts = [
            "",
            "a",
            "abcdefgh",
            "abcdefghi",
            "abcdefghijklmnop",
            "abcdefghijklmnopq",
            "a-b",
            "a_b@%",
            "a.b/",
            "é",
        ];
        let rounds = [
            "",
            "",
            "rounds=1000$",
            "rounds=5000$",
            "rounds=999$",
            "rounds=05000$",
            "rounds=$",
            "rounds=1000000000$",
            "rounds=x$",
            "rounds=5000",
        ];
        let mut fields = Vec::new();
        for _ in 0..150 {
            let salt = salts[roll(salts.len())];
            let extra = [0, 0, 0, 0, 1, 2][roll(6)];
            // Whole, one short, or one too long.
            let hash = |length: usize| "a".repeat([length, length - 1, length + 1][extra]);
            fields.push(match roll(9) {
                0 => format!("$6${}{salt}${}", rounds[roll(rounds.len())], hash(86)),
                1 => format!("$5${}{salt}${}", rounds[roll(rounds.len())], hash(43)),
                2 => format!("$1${salt}${}", hash(22)),
                3 => format!(
                    "${}${}${}",
                    ["2a", "2b", "2y", "2x", "2"][roll(5)],
                    ["04", "12", "31", "32", "3", "4"][roll(6)],
                    hash(53)
                )
                .replace("$12$", "$05$")
                .replace("$31$", "$06$"),
                4 => format!(
                    "${}${}${}${}",
                    ["y", "gy"][roll(2)],
                    ["j75", "j75", "", "j", "zzz", "jzz"][roll(6)],
                    ["", "abcdefgh", "abcdefghijklmnop"][roll(3)],
                    hash(43)
                ),
                5 => format!(
                    "$7${}${}",
                    [
                        "6U..../....",
                        "6U..../....salt",
                        "6U..../...",
                        "6U..../....ab-c"
                    ][roll(4)],
                    hash(43)
                ),
                6 => format!(
                    "$sha1${}${salt}${}",
                    ["400", "4", "0", "x", "040"][roll(5)],
                    hash(28)
                ),
                7 => hash(13),
                _ => format!("_J9..{}", hash(15)),
            });
        }
        let dir = std::env::temp_dir().join(format!("crypt-{}", std::process::id()));
        std::fs::write(&dir, fields.join("\n")).expect("written");
        let perl = r#"while (<>) { chomp; my $r = crypt("x", $_) // ""; my $n = /^\$2/ ? 28 : /^\$/ ? rindex($_, "\$") : /^_/ ? 9 : 2;
            print length $r == length $_ && substr($r, 0, $n) eq substr($_, 0, $n) ? "y" : "n", "\n" }"#;
        let ran = std::process::Command::new("perl")
            .args(["-e", perl])
            .arg(&dir)
            .output();
        std::fs::remove_file(&dir).expect("its own file");
        let Ok(ran) = ran else {
            println!("left out: no perl");
            return;
        };
        let theirs = String::from_utf8_lossy(&ran.stdout).into_owned();
        let mut wrong = String::new();
        for (field, said) in fields.iter().zip(theirs.lines()) {
            let usable = matches!(classify(field.as_bytes()), Password::Usable { .. });
            if usable != (said == "y") {
                wrong.push_str(&format!("{field}: crypt(3) says {said}\n"));
            }
        }
        assert_eq!(theirs.lines().count(), fields.len());
        assert!(wrong.is_empty(), "{wrong}");
    }
}
