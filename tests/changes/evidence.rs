//! What a finding says that there was, and is.

use super::change;
use harness::sha256;
use harness::tree::Pristine;
use serde_json::{Value, json};

/// `expected` and `observed` of the one finding that a change makes.
#[test]
fn evidence_says_what_was_and_what_is() {
    let xattrs = |value: &str| json!({"xattrs": {"user.note": sha256(value.as_bytes())}});
    let cases: [(&str, Value, Value); 12] = [
        (
            "chmod u+s bin/tool",
            json!({"mode": "0755"}),
            json!({"mode": "4755"}),
        ),
        (
            "chown 4000000000:7 etc/passwd",
            json!({"uid": 0, "gid": 0}),
            json!({"uid": 4_000_000_000u32, "gid": 7}),
        ),
        (
            "keep var/void truncate -s 3 var/void",
            json!({"size": 0, "sha256": sha256(b"")}),
            json!({"size": 3, "sha256": sha256(&[0; 3])}),
        ),
        (
            "touch -d '2024-02-29 12:34:56.12345679Z' etc/passwd",
            json!({"mtime": "2024-02-29T12:34:56.123456789Z"}),
            json!({"mtime": "2024-02-29T12:34:56.123456790Z"}),
        ),
        (
            "touch -d '1969-12-31 23:59:59.5Z' etc/passwd",
            json!({"mtime": "2024-02-29T12:34:56.123456789Z"}),
            json!({"mtime": "1969-12-31T23:59:59.500000000Z"}),
        ),
        (
            "become bin/sh ln -s $'a\\xff\\nb' bin/sh",
            json!({"link": "tool"}),
            json!({"link": "a\\xff\nb"}),
        ),
        (
            "ln bin/tool ../tool",
            json!({"nlink": 1}),
            json!({"nlink": 2}),
        ),
        (
            "setfattr -n user.note -v eno etc/conf.d/10-one",
            xattrs("one"),
            xattrs("eno"),
        ),
        (
            "setfattr -x user.note etc/conf.d/10-one",
            xattrs("one"),
            json!({"xattrs": {}}),
        ),
        (
            "chattr +d var/log",
            json!({"flags": "a"}),
            json!({"flags": "ad"}),
        ),
        (
            "become dev/null mknod -m 0666 dev/null c 1 70000",
            json!({"device": "1:3"}),
            json!({"device": "1:70000"}),
        ),
        (
            "become etc/passwd mkfifo -m 0644 etc/passwd",
            json!({"type": "file"}),
            json!({"type": "fifo"}),
        ),
    ];
    let pristine = Pristine::new();
    for (line, expected, observed) in cases {
        let lab = pristine.recorded();
        change(&lab, line);
        let findings = lab.check(&[]).expect(1).findings();
        assert_eq!(findings.len(), 1, "{line}: {findings:#?}");
        assert_eq!(findings[0]["expected"], expected, "{line}");
        assert_eq!(findings[0]["observed"], observed, "{line}");
    }
}
