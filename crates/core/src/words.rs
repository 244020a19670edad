//! Numbers and the nouns after them, as people read them.

/// What a noun ends with after `count`: nothing, or an s.
#[must_use]
pub fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// `1 path`, `26,454 paths`
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count), plural(count))
}

/// `26,454`
#[must_use]
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (left, digit) in (1..=digits.len()).rev().zip(digits.chars()) {
        text.push(digit);
        if left > 1 && left % 3 == 1 {
            text.push(',');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(26_454), "26,454");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(counted(0, "path"), "0 paths");
        assert_eq!(counted(1, "path"), "1 path");
        assert_eq!(counted(1_000, "path"), "1,000 paths");
    }
}
