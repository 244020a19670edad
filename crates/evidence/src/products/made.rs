//! What scripts and tools of packages make on a host and what cannot be recomputed here: who makes it, so that a reader
//! knows where it comes from. It lowers nothing.

use agent_core::bytes;
use agent_core::glob::{PathGlob, Syntax};
use std::sync::LazyLock;

/// Where it lies (relative to the root, `*` within one component), and who makes it out of what.
const TABLE: [(&str, &str); 9] = [
    (
        "boot/initrd*",
        "an initrd is made on the host, out of its files and of what scripts add; compare what it holds with one that was made anew (lsinitramfs, lsinitrd)",
    ),
    (
        "boot/initramfs*",
        "an initramfs is made on the host, out of its files and of what scripts add; compare what it holds with one that was made anew (lsinitrd)",
    ),
    (
        "usr/lib/modules/*/modules.*",
        "depmod makes it out of the modules beside it, when a kernel or a module is installed",
    ),
    (
        "lib/modules/*/modules.*",
        "depmod makes it out of the modules beside it, when a kernel or a module is installed",
    ),
    (
        "etc/ssl/certs/*",
        "update-ca-certificates makes it out of /etc/ca-certificates.conf, /usr/share/ca-certificates and /usr/local/share/ca-certificates; `trust list` or a run of it on another host shows what should be there",
    ),
    (
        "etc/ca-certificates.conf*",
        "the configuration script of ca-certificates writes it, with a line for each certificate of its package",
    ),
    (
        "etc/pam.d/common-*",
        "pam-auth-update makes it out of /usr/share/pam-configs",
    ),
    (
        "**/__pycache__/*.pyc",
        "py3compile makes it out of the source of the same name, which is judged by itself; what is compiled is not compared with it",
    ),
    ("**/__pycache__", "py3compile makes it and what is in it"),
];

/// The patterns of the table, each with whether a leading `**` stands for any directory: every path that changes is held
/// against them.
static PATTERNS: LazyLock<Vec<(PathGlob, bool)>> = LazyLock::new(|| {
    let compiled = |(pattern, _): &(&str, _)| match pattern.strip_prefix("**/") {
        Some(rest) => (PathGlob::new(rest.as_bytes(), Syntax::Stars), true),
        None => (PathGlob::new(pattern.as_bytes(), Syntax::Stars), false),
    };
    TABLE.iter().map(compiled).collect()
});

/// Who makes what lies at the path, or lay there.
pub(super) fn by(path: &[u8]) -> Option<&'static str> {
    let mut table = PATTERNS.iter().zip(&TABLE);
    let found = table.find(|((glob, anywhere), _)| matches(glob, *anywhere, path));
    found.map(|(_, (_, who))| *who)
}

fn matches(glob: &PathGlob, anywhere: bool, path: &[u8]) -> bool {
    let mut tail = path;
    loop {
        if glob.matches(tail) {
            return true;
        }
        match bytes::split_once(tail, b'/') {
            Some((_, below)) if anywhere => tail = below,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_on_the_host_says_by_whom() {
        for (path, words) in [
            ("boot/initrd.img-6.1", "initrd"),
            ("usr/lib/modules/6.1/modules.dep", "depmod"),
            (
                "etc/ssl/certs/ca-certificates.crt",
                "update-ca-certificates",
            ),
            ("etc/pam.d/common-auth", "pam-auth-update"),
            (
                "usr/lib/python3/a/__pycache__/b.cpython-311.pyc",
                "py3compile",
            ),
            ("usr/lib/python3/a/__pycache__", "py3compile"),
        ] {
            let who = by(path.as_bytes());
            assert!(
                who.is_some_and(|who| who.contains(words)),
                "{path}: {who:?}"
            );
        }
        for path in [
            "boot/vmlinuz-6.1",
            "boot/x/initrd.img",
            "usr/lib/modules/6.1/kernel/a.ko",
            "etc/ssl/private/key",
            "etc/ssl/certs/below/one",
            "etc/pam.d/sshd",
            "usr/lib/python3/b.pyc",
            "usr/lib/a__pycache__/b.pyc",
        ] {
            assert_eq!(by(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn the_docs_name_each() {
        let docs = include_str!("../../../../docs/changes.md");
        for (pattern, _) in &TABLE {
            let shown = pattern.strip_prefix("**/").unwrap_or(pattern);
            assert!(docs.contains(shown), "{pattern}");
        }
    }
}
