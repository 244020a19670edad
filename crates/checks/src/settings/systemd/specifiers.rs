//! Specifiers of systemd.unit(5): what `%p` and its like stand for in the settings of a unit (specifier_printf() of
//! systemd's specifier.c, unit_full_printf() of unit-printf.c).

/// Stands for what cannot be told: a NUL, which no word of a setting and no variable can hold.
pub const UNTOLD: char = '\0';

/// The text of a setting of the unit with what specifiers stand for, [`UNTOLD`] for those that the tree does not decide.
/// Of a template no instance is known.
pub fn specifiers(text: &str, unit: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, rest.clone().next()) {
            ('%', Some('%')) => {
                rest.next();
                found.push('%');
            }
            ('%', Some(specifier)) if specifier.is_ascii_alphabetic() => {
                rest.next();
                match value(specifier, unit) {
                    Some(value) => found.push_str(&value),
                    None => found.push(UNTOLD),
                }
            }
            (c, _) => found.push(c),
        }
    }
    found
}

/// What the system's own manager puts in place of the letter.
fn value(specifier: char, unit: &str) -> Option<String> {
    let (whole, _) = unit.rsplit_once('.').unwrap_or((unit, ""));
    let (prefix, instance) = match whole.split_once('@') {
        Some((prefix, "")) => (prefix, None),
        Some((prefix, instance)) => (prefix, Some(instance)),
        None => (whole, Some("")),
    };
    let last = || prefix.rsplit('-').next().unwrap_or_default();
    let fixed = match specifier {
        'n' => instance.map(|_| unit)?,
        'N' => instance.map(|_| whole)?,
        'p' => prefix,
        'i' => instance?,
        'j' => last(),
        'P' => return unescaped(prefix),
        'I' => return unescaped(instance?),
        'J' => return unescaped(last()),
        // The instance, else the prefix, as the path that it stands for.
        'f' => {
            let path = match instance? {
                "" => prefix,
                instance => instance,
            };
            let path = unescaped(path)?;
            return Some(format!("/{}", path.trim_start_matches('/')));
        }
        't' => "/run",
        'S' => "/var/lib",
        'C' => "/var/cache",
        'L' => "/var/log",
        'E' => "/etc",
        'T' => "/tmp",
        'V' => "/var/tmp",
        'h' => "/root",
        'u' | 'g' => "root",
        'U' | 'G' => "0",
        _ => return None,
    };
    Some(fixed.to_owned())
}

/// unit_name_unescape(): a dash stands for a slash, `\x2d` for a byte.
fn unescaped(name: &str) -> Option<String> {
    let mut found = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'-' => found.push(b'/'),
            b'\\' => {
                let digits = std::str::from_utf8(behind.strip_prefix(b"x")?.get(..2)?).ok()?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                let value = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
                found.push(value);
                rest = behind.get(3..)?;
            }
            byte => found.push(*byte),
        }
    }
    String::from_utf8(found)
        .ok()
        .filter(|name| !name.contains(UNTOLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_name() {
        for (unit, text, expected) in [
            ("my-sshd.service", "/usr/sbin/%j", "/usr/sbin/sshd"),
            (
                "my-sshd.service",
                "%n %N %p %i|%I",
                "my-sshd.service my-sshd my-sshd |",
            ),
            ("a-b@c-d.service", "%n %N", "a-b@c-d.service a-b@c-d"),
            ("a-b@c-d.service", "%p %P %j %J", "a-b a/b b b"),
            ("a-b@c-d.service", "%i %I %f", "c-d c/d /c/d"),
            (r"x@a\x2db.service", "%i %I", r"a\x2db a-b"),
            ("a-b.service", "%f", "/a/b"),
            ("a@.service", "%p %i %n %f", "a \0 \0 \0"),
            ("a.service", "%%p %- %", "%p %- %"),
            ("a.service", "%E/x %t", "/etc/x /run"),
            ("a.service", "%m%H", "\0\0"),
            (r"x@a\x.service", "%I", "\0"),
        ] {
            assert_eq!(specifiers(text, unit), expected, "{unit} {text}");
        }
    }
}
