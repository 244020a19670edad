use super::*;
use agent_core::attributes::Xattr;

fn sample() -> Entry {
    Entry {
        path: b"etc/a b\n\xff\\".to_vec(),
        attributes: Attributes {
            mode: Some(0o4755),
            uid: Some(0),
            gid: Some(4_000_000_000),
            size: Some(u64::MAX),
            nlink: Some(2),
            mtime: Some(Timestamp {
                seconds: -3,
                nanoseconds: 7,
            }),
            digest: Some(Digest::Sha256([0xab; 32])),
            flags: Flags::from_letters(b"ia"),
            xattrs: Some(vec![
                Xattr {
                    name: b"security.capability"[..].into(),
                    sha256: [1; 32],
                },
                Xattr {
                    name: b"user.a,b=c d\xfe%"[..].into(),
                    sha256: [2; 32],
                },
            ]),
            verity: Some("sha256:4096::d167".into()),
            ..Attributes::new(FileType::File)
        },
        role: Role::Recorded,
        package: Some("libstdc++6:amd64".into()),
    }
}

fn reparse(entry: &Entry) -> Entry {
    let mut line = Vec::new();
    push(&mut line, entry);
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(!line.contains(&b'\n'));
    parse(&line).expect("our own line")
}

#[test]
fn every_value_survives() {
    let mut entry = sample();
    assert_eq!(reparse(&entry), entry);
    entry.role = Role::Removed;
    assert_eq!(reparse(&entry), entry);
    entry.path = Vec::new();
    entry.role = Role::Recorded;
    entry.attributes = Attributes {
        flags: Some(Flags::default()),
        xattrs: Some(Vec::new()),
        ..Attributes::new(FileType::Dir)
    };
    assert_eq!(reparse(&entry), entry);
    entry.path = b"dev/null".to_vec();
    entry.attributes = Attributes {
        device: Some((1, 3)),
        xattrs: Some(Vec::new()),
        ..Attributes::new(FileType::Char)
    };
    assert_eq!(reparse(&entry), entry);
}

#[test]
fn nothing_odd_is_taken() {
    let bad = [
        "",
        "x type=file",
        "/x type=file",
        "./x",
        "./x type=door",
        "./../x type=file",
        "./a/./b type=file",
        "./a//b type=file",
        "./a/ type=file",
        "./a\\057b type=file",
        "./a type=file mode=0888",
        "./a type=file mode=17777",
        "./a type=file uid=-1",
        "./a type=file uid=4294967296",
        "./a type=file  uid=1",
        "./a type=file uid=1 ",
        "./a type=file time=1.5",
        "./a type=file time=1",
        "./a type=file size=+1",
        "./a type=file sha256digest=ABCD",
        "./a type=file type=file",
        "./a type=file flags=z",
        "./a type=file surprise=1",
        "./a type=file tags=xattr",
        "./a type=file tags=,odd,",
        "./a type=file tags=,verity=,",
        "./a type=file tags=,verity=a,verity=a,",
        "./a type=file optional",
        "./a type=file tags=,removed,",
        "./a type=link link=",
        "./a type=char device=linux,1,3",
        "./a type=file uid=1\r",
        "./a type=file optional=1 tags=,removed,",
    ];
    for line in bad {
        assert!(parse(line.as_bytes()).is_err(), "{line}");
    }
}
