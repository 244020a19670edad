//! The one engine of wildcard patterns against judges that share no code with it: glibc's fnmatch(3), asked through
//! Python, and a matcher that tries every way.

use agent_core::glob::{Glob, Syntax};
use harness::run;
use std::io::Write;
use std::process::Command;

/// xorshift64, so that every run asks alike.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("below a usize")
    }
}

/// `FNM_PERIOD` of fnmatch.h.
const PERIOD: u32 = 4;

fn text(random: &mut Random, alphabet: &[&str], most: usize) -> Vec<u8> {
    let length = random.below(most + 1);
    let parts = (0..length).map(|_| alphabet[random.below(alphabet.len())]);
    parts.collect::<String>().into_bytes()
}

#[test]
fn as_glibc_has_it() {
    let mut random = Random(0x0024_0024_0024_0024);
    let parts = [
        "*",
        "*",
        "?",
        "[",
        "[",
        "]",
        "]",
        "!",
        "^",
        "-",
        "\\",
        "a",
        "b",
        "c",
        ".",
        "/",
        "[:alpha:]",
        "[:digit:]",
        "[=a=]",
        "[.b.]",
        "[a-c]",
        "[!a]",
        "[]a]",
        "[^-b]",
        "1",
    ];
    let plain = [
        "a", "a", "b", "c", ".", "/", "[", "]", "-", "!", "^", "1", "\\", ":", "*",
    ];
    let cases: Vec<(Vec<u8>, Vec<u8>, u32)> = (0..60_000)
        .map(|n| {
            let flags = if n % 2 == 0 { 0 } else { PERIOD };
            (
                text(&mut random, &parts, 6),
                text(&mut random, &plain, 5),
                flags,
            )
        })
        .collect();
    let mut lines = tempfile::NamedTempFile::new().expect("a file");
    for (pattern, text, flags) in &cases {
        let [pattern, text] = [pattern, text].map(|bytes| String::from_utf8_lossy(bytes));
        writeln!(lines, "{pattern}\t{text}\t{flags}").expect("written");
    }
    let program = "import ctypes, sys
fnmatch = ctypes.CDLL(None).fnmatch
for line in open(sys.argv[1], 'rb'):
    pattern, text, flags = line[:-1].split(b'\\t')
    sys.stdout.write('01'[fnmatch(pattern, text, int(flags)) == 0])";
    let asked = run(Command::new("python3")
        .args(["-c", program])
        .arg(lines.path())
        .env("LC_ALL", "C"))
    .expect(0);
    let answers = asked.stdout.as_bytes();
    assert_eq!(answers.len(), cases.len());
    let mut matched = 0;
    let mut wrong = Vec::new();
    for ((pattern, text, flags), answer) in cases.iter().zip(answers) {
        let glob = match *flags {
            PERIOD => Glob::of_names(pattern, Syntax::Fnmatch),
            _ => Glob::new(pattern, Syntax::Fnmatch),
        };
        let expected = *answer == b'1';
        matched += u32::from(expected);
        if glob.matches(text) != expected {
            let [pattern, text] = [pattern, text].map(|bytes| String::from_utf8_lossy(bytes));
            wrong.push(format!("{pattern} on {text}: {expected} ({flags})"));
        }
    }
    assert!(matched > 2_000, "hardly any pair matches: {matched}");
    assert!(
        wrong.is_empty(),
        "{} differ: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(40)]
    );
}

/// Tries every way; of `*` and `?` alone.
fn naive(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(byte, behind)| (*first == b'?' || first == byte) && naive(rest, behind)),
    }
}

#[test]
fn as_one_that_tries_every_way_has_it() {
    let mut random = Random(0x2400_2400_2400_2400);
    let mut matched = 0;
    for _ in 0..100_000 {
        let pattern = text(&mut random, &["*", "*", "?", "a", "b", "[", "\\"], 8);
        let text = text(&mut random, &["a", "b", "[", "\\", "."], 8);
        let expected = naive(&pattern, &text);
        matched += u32::from(expected);
        let got = Glob::new(&pattern, Syntax::Stars).matches(&text);
        assert_eq!(got, expected, "{pattern:?} on {text:?}");
    }
    assert!(matched > 5_000, "hardly any pair matches: {matched}");
}
