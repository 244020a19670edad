//! authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT): the keys of a file, and where files of a user lie.

use super::config::Config;
use super::criteria::Account;
use super::effective::Effective;
use super::history::{GLOBS, Number};
use super::{include, words};
use crate::settings::users::{Row, Users};
use agent_core::glob::Syntax;
use agent_core::os::root::Root;
use base64ct::{Base64, Base64Unpadded, Encoding};
use sha2::{Digest, Sha256};
use std::io;

/// A public key that a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// From 1.
    pub line: usize,
    /// As `ssh-ed25519`.
    pub kind: String,
    /// As `ssh-keygen -l` prints it: `SHA256:…`.
    pub fingerprint: String,
    /// Whether the line trusts whatever this key signs (`cert-authority`).
    pub authority: bool,
}

/// The keys of a file; lines that hold none are passed over, as sshd does.
pub fn keys(bytes: &[u8]) -> Vec<Key> {
    (1..)
        .zip(bytes.split(|byte| *byte == b'\n'))
        .filter_map(|(number, line)| {
            let line = String::from_utf8_lossy(of_c(line));
            let line = line.trim_start_matches([' ', '\t']);
            if line.starts_with('#') {
                return None;
            }
            let (kind, fingerprint, options) = match read(line) {
                Some((kind, fingerprint)) => (kind, fingerprint, Vec::new()),
                None => {
                    let (options, rest) = options(line)?;
                    let (kind, fingerprint) = read(rest)?;
                    (kind, fingerprint, options)
                }
            };
            Some(Key {
                line: number,
                kind,
                fingerprint,
                authority: options.iter().any(|(name, _)| name == "cert-authority"),
            })
        })
        .collect()
}

/// What sshd sees of a line: it ends at a NUL.
pub(super) fn of_c(line: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, line).unwrap_or(line.len());
    line.get(..end).unwrap_or(line)
}

/// Whether a word may name a type of key. Before OpenSSH 7.9 a short name stands for it too.
pub(super) fn is_type(word: &str) -> bool {
    let long = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
    long.iter().any(|prefix| word.starts_with(prefix)) || is_short(word)
}

fn is_short(word: &str) -> bool {
    let short = ["rsa", "dsa", "ecdsa", "ed25519"];
    short.iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// `TYPE BASE64`, the type within being the same, or the one that a short name means.
fn read(text: &str) -> Option<(String, String)> {
    let mut words = text.trim_end_matches(['\r', '\n']).split([' ', '\t']);
    let kind = words.next().filter(|kind| is_type(kind))?;
    // Base64 is read without any white space in it (b64_pton of base64.c), which part words no more than these two do.
    let mut blob = words.find(|word| !word.is_empty())?.to_owned();
    blob.retain(|c| !matches!(c, '\x0b' | '\x0c' | '\r'));
    let blob = Base64::decode_vec(&blob)
        .or_else(|_| Base64Unpadded::decode_vec(&blob))
        .ok()?;
    let length = usize::try_from(u32::from_be_bytes(blob.first_chunk().copied()?)).ok()?;
    let inner = std::str::from_utf8(blob.get(4..)?.get(..length)?).ok()?;
    let is_meant = match kind.to_ascii_lowercase().as_str() {
        "rsa" => inner == "ssh-rsa",
        "dsa" => inner == "ssh-dss",
        "ed25519" => inner == "ssh-ed25519",
        "ecdsa" => inner.starts_with("ecdsa-sha2-"),
        _ => inner == kind,
    };
    is_meant.then(|| {
        let digest = Base64Unpadded::encode_string(&Sha256::digest(&blob));
        (inner.to_owned(), format!("SHA256:{digest}"))
    })
}

/// An option of a line, in small letters, and its value.
pub(super) type LineOption = (String, Option<String>);

/// The options before a key, and what follows them. `None` where sshd refuses them whatever they are: a value without
/// quotes, or one that is left open (`sshkey_advance_past_options`, `sshauthopt_parse`).
pub(super) fn options(line: &str) -> Option<(Vec<LineOption>, &str)> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let mut found = Vec::new();
    let mut rest = line;
    loop {
        let end = rest.find(['=', ',', ' ', '\t'])?;
        let (name, behind) = rest.split_at_checked(end)?;
        rest = behind;
        let value = match rest.strip_prefix('=') {
            Some(text) => {
                let (value, behind) = dequoted(text.strip_prefix('"')?)?;
                rest = behind;
                Some(value)
            }
            None => None,
        };
        found.push((name.to_ascii_lowercase(), value));
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.starts_with(BLANKS) => {
                return Some((found, rest.trim_start_matches(BLANKS)));
            }
            None => return None,
        }
    }
}

/// What stands before the closing quote, and behind it; a backslash counts before a quote alone (`opt_dequote`).
fn dequoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some((value, chars.as_str())),
            '\\' if chars.as_str().starts_with('"') => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    None
}

/// Whether the word stands for no file.
pub(super) fn is_none(pattern: &str) -> bool {
    pattern.is_empty() || pattern.eq_ignore_ascii_case("none")
}

/// What a word of AuthorizedKeysFile is for an account, `%h` and its like put in: since OpenSSH 10.0 a pattern of
/// glob(3), before that a file (`user_key_allowed` of auth2-pubkey.c).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// From the root of the tree.
    pub path: String,
    globs: bool,
}

impl Pattern {
    /// The word for the account, as that version takes it.
    pub(super) fn of(word: &str, account: &Row, version: Number) -> Pattern {
        let path = file_of(word, account);
        let globs = version >= GLOBS && path.contains(['*', '?', '[', '\\']);
        Pattern { path, globs }
    }

    /// The files that it names; why they cannot be told.
    pub fn files(&self, root: &Root) -> io::Result<Vec<String>> {
        match self.globs {
            true => include::matches(root, &self.path, Syntax::OpenBsd),
            false => Ok(vec![self.path.clone()]),
        }
    }
}

/// `%h`, `%u`, `%U` and `%%` put in, and what is not absolute taken below the home (`authorized_keys_file`).
fn file_of(pattern: &str, account: &Row) -> String {
    let home = String::from_utf8_lossy(account.field(5)).into_owned();
    let mut path = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match (c, c == '%') {
            (_, true) => match chars.next() {
                Some('h') => path.push_str(&home),
                Some('u') => path.push_str(&String::from_utf8_lossy(account.name())),
                Some('U') => path.push_str(&String::from_utf8_lossy(account.field(2))),
                Some(other) => path.push(other),
                None => {}
            },
            (c, _) => path.push(c),
        }
    }
    match path.starts_with('/') {
        true => path,
        false => format!("{}/{path}", home.trim_end_matches('/')),
    }
}

/// Whether an AuthorizedKeysCommand hands out the keys of records, as the drop-in of systemd-userdbd has it.
pub(super) fn is_userdbctl(command: &str) -> bool {
    let words = words::of_command(command);
    let program = words.first().map(String::as_str).unwrap_or_default();
    matches!(program, "/usr/bin/userdbctl" | "/bin/userdbctl")
        && words.iter().any(|word| word == "ssh-authorized-keys")
}

/// Programs of EC2 Instance Connect, as its packages have them: they hand out what the account lets somebody push for a
/// minute, and nothing that lies on the host.
const INSTANCE_CONNECT: [&str; 2] = [
    "/opt/aws/bin/eic_run_authorized_keys",
    "/usr/share/ec2-instance-connect/eic_run_authorized_keys",
];

/// Whether an AuthorizedKeysCommand may name keys that nobody can list. `--chain` of userdbctl(1) runs another program.
pub(super) fn is_opaque(command: &str) -> bool {
    let words = words::of_command(command);
    let program = words.first().map(String::as_str).unwrap_or_default();
    // getopt_long(3) takes the beginning of a name for it.
    let chained = words.iter().any(|word| word.starts_with("--ch"));
    !(INSTANCE_CONNECT.contains(&program) || is_userdbctl(command) && !chained)
}

/// Which files a configuration takes a user's keys from, for every user that may come.
pub struct Sources<'a> {
    everyone: Vec<&'a str>,
    /// Blocks that say something else: their index, and what they say.
    blocks: Vec<(usize, Vec<&'a str>)>,
    config: &'a Config,
    /// Files of keys that sign users' certificates.
    pub authorities: Vec<&'a str>,
    /// A program that names keys, where there is one.
    pub command: Option<&'a str>,
}

impl<'a> Sources<'a> {
    /// What the configuration says.
    pub fn new(config: &'a Config) -> Sources<'a> {
        let patterns = |values: &Effective<'a>| -> Vec<&'a str> {
            let said = values.values("authorizedkeysfile").into_iter();
            said.filter(|pattern| !is_none(pattern)).collect()
        };
        let global = Effective::global(config);
        let under = |keyword: &'static str| {
            (0..config.blocks.len()).filter(move |block| config.sets(*block, keyword))
        };
        let authority = |values: &Effective<'a>| values.value("trustedusercakeys");
        let command = global.value("authorizedkeyscommand");
        let mut authorities = vec![authority(&global)];
        authorities.extend(
            under("trustedusercakeys").map(|block| authority(&global.under(config, block))),
        );
        authorities.retain(|path| *path != "none");
        authorities.dedup();
        Sources {
            everyone: patterns(&global),
            blocks: under("authorizedkeysfile")
                .map(|block| (block, patterns(&global.under(config, block))))
                .collect(),
            config,
            authorities,
            command: (command != "none").then_some(command),
        }
    }

    /// Whether keys come from records of userdb.
    pub fn asks_userdb(&self) -> bool {
        self.command.is_some_and(is_userdbctl)
    }

    /// The files for the account, under whatever block it may come.
    pub fn files(&self, account: &Row, users: &Users) -> Vec<Pattern> {
        let name = String::from_utf8_lossy(account.name());
        let known = (!self.blocks.is_empty()).then_some(users);
        let who = Account::of(&name, known);
        let blocks = self
            .blocks
            .iter()
            .filter(|(block, _)| self.config.can_apply_to(*block, &who))
            .flat_map(|(_, patterns)| patterns);
        let mut files: Vec<Pattern> = Vec::new();
        for word in self.everyone.iter().chain(blocks) {
            let file = Pattern::of(word, account, self.config.build.number);
            if !files.contains(&file) {
                files.push(file);
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        // The key and its fingerprint as ssh-keygen made them.
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGSVQ2zVwZcZBsfUpm9HVCLSInfpB6jfWfxyuZTKaBNn";
        for (line, found) in [
            (key.to_owned(), true),
            (format!("  {key} ann@host"), true),
            (format!("# {key}"), false),
            (key.replace(" AAAA", " \x0bAA\x0cAA\r"), true),
            (format!("{key}\0x"), true),
            (key.replace("ssh-ed25519", "ED25519"), true),
            (key.replace("ssh-ed25519", "rsa"), false),
            (format!("command=\"a \\\"b c\\\" d\",no-pty {key}"), true),
            (format!("command=\"open {key}"), false),
            (key.replace("ssh-ed25519", "ssh-rsa"), false),
            ("ssh-ed25519 AAAA".into(), false),
            (String::new(), false),
        ] {
            assert_eq!(keys(line.as_bytes()).len(), usize::from(found), "{line}");
        }
        let found = keys(format!("\ncert-authority,no-pty {key}\n").as_bytes());
        assert_eq!((found[0].line, found[0].authority), (2, true));
    }
}
