//! What the word at the start of a line means: keywords, their other spellings, and words without effect.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::build::Build;
use super::history;
use super::keyword::{KEYWORDS, index};

/// Other spellings: the word, what it means, and whether it may stand in a Match block.
static ALIASES: [(&str, &str, bool); 8] = [
    (
        "challengeresponseauthentication",
        "kbdinteractiveauthentication",
        true,
    ),
    ("skeyauthentication", "kbdinteractiveauthentication", true),
    ("dsaauthentication", "pubkeyauthentication", false),
    ("keepalive", "tcpkeepalive", false),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms", true),
    (
        "hostbasedacceptedkeytypes",
        "hostbasedacceptedalgorithms",
        true,
    ),
    ("hostdsakey", "hostkey", false),
    ("rsaminsize", "requiredrsasize", true),
];

/// Accepted and without effect, in builds as distributions have them.
static IGNORED: [(&str, bool); 18] = [
    ("protocol", false),
    ("serverkeybits", false),
    ("keyregenerationinterval", false),
    ("rhostsauthentication", false),
    ("rhostsrsaauthentication", true),
    ("rsaauthentication", true),
    ("uselogin", false),
    ("useprivilegeseparation", false),
    ("checkmail", false),
    ("verifyreversemapping", false),
    ("reversemappingcheck", false),
    ("pamauthenticationviakbdint", false),
    ("authorizedkeysfile2", true),
    ("kerberostgtpassing", false),
    ("afstokenpassing", false),
    ("kerberosgetafstoken", false),
    ("gssapienablek5users", false),
    ("gssusesessionccache", false),
];

/// What a word at the start of a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Index in [`KEYWORDS`], and whether this spelling may stand in a Match block.
    Keyword(usize, bool),
    /// No effect; whether it may stand in a Match block.
    Ignored(bool),
    /// `Include`
    Include,
    /// `Match`
    Match,
}

/// What the word means to that build; `None` for one that it does not know.
pub(super) fn meaning(word: &str, build: Build) -> Option<Meaning> {
    let word = word.to_ascii_lowercase();
    let version = build.number;
    if !build.knows(&word) {
        return None;
    }
    match word.as_str() {
        "include" => return Some(Meaning::Include),
        "match" => return Some(Meaning::Match),
        "challengeresponseauthentication" if version < history::ONE_KBDINT => {
            return Some(Meaning::Keyword(index(&word)?, false));
        }
        "skeyauthentication" if version < (7, 8) => {
            return Some(Meaning::Keyword(
                index("challengeresponseauthentication")?,
                false,
            ));
        }
        "skeyauthentication" if version < history::ONE_KBDINT => {
            return Some(Meaning::Ignored(false));
        }
        _ => {}
    }
    if let Some((_, name, in_match)) = ALIASES.iter().find(|(alias, _, _)| *alias == word) {
        return Some(Meaning::Keyword(index(name)?, *in_match));
    }
    if let Some((_, in_match)) = IGNORED.iter().find(|(ignored, _)| *ignored == word) {
        return Some(Meaning::Ignored(*in_match));
    }
    let at = index(&word)?;
    let in_match = KEYWORDS[at].in_match(version);
    Some(match build.ignores(&word) {
        true => Meaning::Ignored(in_match),
        false => Meaning::Keyword(at, in_match),
    })
}
