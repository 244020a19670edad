//! Every parser of bytes that somebody else wrote, as a function that takes them and must come back.
//!
//! `fuzz/run` looks for bytes from which one does not; the test of this crate gives all of them everything that was ever
//! found, on every change. What a parser says of the bytes is for its own tests: here it may say anything.
#![forbid(unsafe_code)]

mod bytes;
mod tree;

/// One target: its name, which is that of its corpus, and what is called.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("manifest", bytes::manifest),
    ("signers", bytes::signers),
    ("seal", bytes::seal),
    ("profile", bytes::profile),
    ("config", bytes::config),
    ("glob", bytes::glob),
    ("identity", bytes::identity),
    ("log", bytes::log),
    ("unpack", bytes::unpack),
    ("sshd", |bytes| tree::judge(&tree::SSHD, bytes)),
    ("accounts", |bytes| tree::judge(&tree::ACCOUNTS, bytes)),
    ("console", |bytes| tree::judge(&tree::CONSOLE, bytes)),
    ("credentials", |bytes| {
        tree::judge(&tree::CREDENTIALS, bytes)
    }),
    ("network", |bytes| tree::judge(&tree::NETWORK, bytes)),
    ("logging", |bytes| tree::judge(&tree::LOGGING, bytes)),
    ("kernel", |bytes| tree::judge(&tree::KERNEL, bytes)),
    ("packages", |bytes| tree::judge(&tree::PACKAGES, bytes)),
    ("dpkg", tree::dpkg),
    ("rpm", tree::rpm),
    ("evidence", tree::evidence),
];

/// Calls the target of that name; whether there is one.
pub fn call(name: &str, bytes: &[u8]) -> bool {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    target.inspect(|(_, call)| call(bytes)).is_some()
}
