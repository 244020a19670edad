//! Judges that share no code with the agent: NetBSD's mtree checks trees against our manifests, libarchive
//! lists them, sha256sum(1) passes on the export, and stat, getfattr and chattr agree on what was recorded.
// Long: one test for each program that the record is compared with.

use base64ct::{Base64, Encoding};
use harness::tree::{FLAGGED, Pristine};
use harness::{Lab, Ran, agent_path, readable, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What NetBSD's mtree calls the attributes that it looks at.
const KEYWORDS: [(&str, &str); 10] = [
    ("type", "type"),
    ("permissions", "mode"),
    ("user", "uid"),
    ("gid", "gid"),
    ("size", "size"),
    ("modification time", "mtime"),
    ("link ref", "link"),
    ("link count", "nlink"),
    ("sha256", "sha256"),
    ("device", "device"),
];

fn mtree(lab: &Lab) -> Ran {
    run(Command::new("mtree")
        .args(["-f", "manifest.mtree", "-p", "root"])
        .current_dir(lab.path()))
}

/// What mtree printed, each path in one line as [`Ran::deviations`] has it.
fn differences(printed: &str) -> BTreeSet<String> {
    let mut paths: Vec<String> = Vec::new();
    for line in printed.lines() {
        let difference = match line.split_once(": ") {
            Some(("extra", path)) => {
                paths.push(format!("+ /{path}"));
                continue;
            }
            Some(("missing", path)) => {
                paths.push(format!("- /{}", path.trim_start_matches("./")));
                continue;
            }
            _ if line.starts_with('\t') => line,
            // The first difference stands behind a short path, and below a long one.
            _ => {
                let (path, difference) = line.split_once(':').expect("a path");
                let path = if path == "." { "" } else { path };
                paths.push(format!("~ /{path}"));
                difference
            }
        };
        let difference = difference.trim_start();
        if difference.is_empty() {
            continue;
        }
        let (_, attribute) = KEYWORDS
            .iter()
            .find(|(keyword, _)| difference.starts_with(keyword))
            .unwrap_or_else(|| panic!("{line}"));
        *paths.last_mut().expect("a path comes first") += &format!(" {attribute}");
    }
    paths.into_iter().collect()
}

/// Without the directories that are told for their time alone, where an entry of them is told too: the
/// agent leaves them out.
fn without_excused(told: &BTreeSet<String>) -> BTreeSet<String> {
    let path = |line: &str| line.split(' ').nth(1).expect("a path").to_owned();
    let excused = |line: &String| {
        let Some(directory) = line
            .strip_suffix(" mtime")
            .and_then(|l| l.strip_prefix("~ "))
        else {
            return false;
        };
        let below = format!("{}/", directory.trim_end_matches('/'));
        told.iter().map(|line| path(line)).any(|path| {
            path.strip_prefix(&below)
                .is_some_and(|name| !name.is_empty() && !name.contains('/'))
        })
    };
    told.iter().filter(|line| !excused(line)).cloned().collect()
}

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn netbsd_mtree_finds_nothing_in_an_untouched_tree() {
    let ran = mtree(&Pristine::new().recorded()).expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

/// Changes that mtree sees as a whole: it and the agent say the same.
#[rustfmt::skip]
#[test]
fn netbsd_mtree_finds_the_same_changes() {
    let cases: &[(&str, &[&str])] = &[
        ("chmod 0600 etc/passwd", &["~ /etc/passwd mode"]),
        ("chmod u+s bin/tool", &["~ /bin/tool mode"]),
        ("chmod 0777 tmp", &["~ /tmp mode"]),
        ("chmod 0711 .", &["~ / mode"]),
        ("chown 5:6 etc/passwd", &["~ /etc/passwd uid gid"]),
        ("chown -h 5 bin/sh", &["~ /bin/sh uid"]),
        ("chown 4000000000 lib/a-b", &["~ /lib/a-b uid"]),
        ("touch -d @0 etc/passwd", &["~ /etc/passwd mtime"]),
        ("touch -d '2024-02-29 12:34:56.123457Z' etc/passwd", &["~ /etc/passwd mtime"]),
        ("touch -h -d @0 etc/mtab", &["~ /etc/mtab mtime"]),
        ("touch -d @0 var/empty", &["~ /var/empty mtime"]),
        ("echo >>etc/passwd", &["~ /etc/passwd size mtime sha256"]),
        ("printf X | dd of=lib/sparse bs=1 seek=1048576 conv=notrunc", &["~ /lib/sparse mtime sha256"]),
        ("truncate -s 5G var/void; touch -d @0 var/void; truncate -s 0 var/void", &["~ /var/void mtime"]),
        ("ln -sfn ../lib/zcat bin/sh", &["~ /bin/sh size mtime link"]),
        ("ln -sfn $'a \\xffb' bin/sh; touch -h -r bin/su bin/sh", &["~ /bin/sh link"]),
        ("ln bin/su ../su", &["~ /bin/su nlink"]),
        ("rm lib/zcat", &["- /lib/zcat", "~ /bin/gzip nlink", "~ /bin/gunzip nlink"]),
        ("rm dev/null; mknod -m 0666 dev/null c 1 5; touch -r bin dev/null", &["~ /dev/null device"]),
        ("rm dev/disk; mknod -m 0600 dev/disk b 259 70000; touch -r bin dev/disk", &["~ /dev/disk device"]),
        ("rm tmp/pipe; touch -r bin tmp/pipe; chmod 0600 tmp/pipe", &["~ /tmp/pipe type"]),
        ("rm etc/passwd; mkfifo -m 0644 etc/passwd; touch -r bin etc/passwd", &["~ /etc/passwd type"]),
        ("rm etc/passwd", &["- /etc/passwd"]),
        ("rm -r lib/a/b", &["- /lib/a/b", "- /lib/a/b/c", "- /lib/a/b/c/d", "- /lib/a/b/c/d/deepest"]),
        ("echo >etc/new", &["+ /etc/new"]),
        ("echo >.new; touch -r bin .", &["+ /.new"]),
        ("mkdir etc/new", &["+ /etc/new"]),
        ("ln -s nowhere lib/a/b/c/d/new", &["+ /lib/a/b/c/d/new"]),
        ("mv etc/readme etc/Readme", &["- /etc/readme", "+ /etc/Readme"]),
        ("echo >>odd/'#hash'", &["~ /odd/#hash size mtime sha256"]),
        ("chmod 0600 odd/'star*' odd/'br[ack]et'", &["~ /odd/star* mode", "~ /odd/br[ack]et mode"]),
        ("chmod 0600 odd/'back\\slash'; rm odd/\"$(printf 'n%.0s' {1..255})\"; echo >odd/-new",
            &["~ /odd/back\\slash mode", "+ /odd/-new",
              "- /odd/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\
nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\
nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"]),
    ];
    let pristine = Pristine::new();
    for (line, both) in cases {
        let lab = pristine.recorded();
        lab.shell(line);
        assert_eq!(lab.check(&[]).expect(1).deviations(), set(both), "the agent: {line}");
        let ran = mtree(&lab);
        let told = differences(&ran.stdout);
        assert_eq!(without_excused(&told), set(both), "mtree: {line}");
        // It takes paths that are missing or extra for no failure.
        let status = if told.iter().any(|line| line.starts_with('~')) { 2 } else { 0 };
        assert_eq!((ran.status, ran.stderr.as_str()), (status, ""), "{line}");
    }
}

/// What mtree(5) has no word for, or mtree(8) does not look at: the reason why there is an agent.
#[test]
fn the_agent_sees_what_netbsd_mtree_does_not() {
    let cases: &[(&str, &str)] = &[
        ("setcap cap_setuid+ep bin/tool", "~ /bin/tool xattrs"),
        ("setfacl -n -m u:1000:rw etc/hosts", "~ /etc/hosts xattrs"),
        (
            "setfattr -n user.note -v eno etc/conf.d/10-one",
            "~ /etc/conf.d/10-one xattrs",
        ),
        ("chattr +i etc/passwd", "~ /etc/passwd flags"),
        (
            "touch -d '2024-02-29 12:34:56.123456790Z' etc/passwd",
            "~ /etc/passwd mtime",
        ),
    ];
    let pristine = Pristine::new();
    for (line, expected) in cases {
        let lab = pristine.recorded();
        lab.shell(line);
        let ran = mtree(&lab).expect(0);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("", ""),
            "{line}"
        );
        assert_eq!(
            lab.check(&[]).expect(1).deviations(),
            set(&[expected]),
            "{line}"
        );
    }
}

/// Undoes the escapes of `bsdtar -t` in the C locale.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes().iter().copied().peekable();
    while let Some(byte) = rest.next() {
        bytes.push(match byte == b'\\' {
            false => byte,
            true => match rest.next().expect("something is escaped") {
                b'n' => b'\n',
                b't' => b'\t',
                b'\\' => b'\\',
                digit => {
                    let mut next = || rest.next().expect("three digits") - b'0';
                    (digit - b'0') << 6 | next() << 3 | next()
                }
            },
        });
    }
    bytes
}

#[test]
fn libarchive_lists_what_find_finds_in_the_order_of_a_walk() {
    let lab = Pristine::new().recorded();
    let ran = run(Command::new("bsdtar")
        .args(["-tf", "manifest.mtree"])
        .env("LC_ALL", "C")
        .current_dir(lab.path()));
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let listed: Vec<Vec<u8>> = ran.stdout.lines().map(unescaped).collect();
    // As names between slashes, so that byte order is the order of a sorted walk.
    let mut there: Vec<Vec<Vec<u8>>> = records(&lab, "find . -print0", 1)
        .iter()
        .map(|record| {
            record[0]
                .split(|b| *b == b'/')
                .map(<[u8]>::to_vec)
                .collect()
        })
        .collect();
    there.sort();
    let there: Vec<Vec<u8>> = there.into_iter().map(|names| names.join(&b'/')).collect();
    assert_eq!(listed, there);
}

/// Runs `agent baseline export` of the lab's manifest.
fn export(lab: &Lab, format: &str) -> Ran {
    run(Command::new(agent_path())
        .args(["baseline", "export", "manifest.mtree", "--format", format])
        .current_dir(lab.path()))
    .expect(0)
}

#[test]
fn sha256sum_passes_on_the_export_until_something_changes() {
    let lab = Pristine::new().recorded();
    let judge = format!(
        "{} baseline export ../manifest.mtree --format sha256sum >../sums && sha256sum -c --strict",
        agent_path()
    );
    let passed = lab.shell(&format!("{judge} ../sums"));
    let files = lab.shell("find . -type f -printf x").len();
    assert_eq!(
        passed.lines().filter(|line| line.ends_with(": OK")).count(),
        files
    );

    let pairs = [
        ("echo >>etc/passwd", "./etc/passwd: FAILED\n"),
        (
            r"echo >>odd/$'both\n\\ways'",
            "\\./odd/both\\n\\\\ways: FAILED\n",
        ),
        (r"echo >>odd/'back\slash'", "./odd/back\\slash: FAILED\n"),
        ("rm lib/a0", "./lib/a0: FAILED open or read\n"),
    ];
    let mut expected = BTreeSet::new();
    for (line, told) in pairs {
        lab.shell(line);
        expected.insert(told.trim_end().to_owned());
        let ran = run(Command::new("sha256sum")
            .args(["-c", "--quiet", "../sums"])
            .current_dir(lab.root()));
        assert_eq!(ran.status, 1, "{line}: {ran:#?}");
        let failed: BTreeSet<String> = ran.stdout.lines().map(str::to_owned).collect();
        assert_eq!(failed, expected, "{line}");
    }
}

#[test]
fn the_export_as_mtree_is_the_manifest() {
    let lab = Pristine::new().recorded();
    let manifest = std::fs::read_to_string(lab.manifest()).expect("ASCII");
    assert!(manifest.is_ascii());
    assert_eq!(export(&lab, "mtree").stdout, manifest);
}

/// The objects of the JSON export by path.
fn exported(lab: &Lab) -> BTreeMap<Vec<u8>, Value> {
    let objects = export(lab, "json").json();
    let count = objects.len();
    let by_path: BTreeMap<Vec<u8>, Value> = objects
        .into_iter()
        .map(|object| {
            let text = object["path"].as_str().expect("a path");
            let path = match object["path_base64"].as_str() {
                Some(encoded) => Base64::decode_vec(encoded).expect("base64"),
                None => text.as_bytes().to_vec(),
            };
            assert_eq!(text, readable(&path));
            (path, object["attributes"].clone())
        })
        .collect();
    assert_eq!(by_path.len(), count, "a path stands twice");
    by_path
}

/// One line of shell that prints NUL-separated words, `width` to a record.
fn records(lab: &Lab, line: &str, width: usize) -> Vec<Vec<Vec<u8>>> {
    let text = lab.shell(&format!(
        "export TZ=UTC LC_ALL=C; {{ {line}; }} | base64 -w 0"
    ));
    let bytes = Base64::decode_vec(&text).expect("base64");
    let ended = bytes.strip_suffix(b"\0").expect("each word has its NUL");
    let words: Vec<Vec<u8>> = ended.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
    let records = words.chunks_exact(width);
    assert!(records.remainder().is_empty(), "{line}");
    records.map(<[Vec<u8>]>::to_vec).collect()
}

/// `./a` of find(1) as the agent writes it.
fn from_root(path: &[u8]) -> Vec<u8> {
    [b"/", path.strip_prefix(b"./").unwrap_or_default()].concat()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("ASCII")
}

/// Everything that was recorded, against find, sha256sum, stat, getfattr and the flags that were set.
#[test]
fn every_recorded_value_is_what_other_programs_say() {
    let lab = Pristine::new().copy();
    lab.shell(
        "touch -d '1969-12-31 23:59:58.000000007Z' var/void; touch -h -d '2106-02-07 06:28:17.9Z' bin/sh
         touch -d '1901-12-14 00:00:00Z' var/shared; chown 4000000000:4000000001 var/void",
    );
    lab.create().expect(0);
    let mut expected: BTreeMap<Vec<u8>, Value> = BTreeMap::new();
    for record in records(
        &lab,
        r"find . -printf '%p\0%y\0%m\0%U\0%G\0%n\0%s\0%l\0%TFT%TT\0'",
        9,
    ) {
        let [path, kind, mode, uid, gid, nlink, size, link, time] = &record[..] else {
            panic!("nine words");
        };
        let number = |bytes: &[u8]| text(bytes).parse::<u64>().expect("a number");
        let mode = u32::from_str_radix(text(mode), 8).expect("octal");
        let mut attributes = json!({
            "mode": format!("{mode:04o}"), "uid": number(uid), "gid": number(gid), "nlink": number(nlink),
            "mtime": format!("{}Z", &text(time)[..29]), "xattrs": {},
        });
        let kind = match text(kind) {
            "f" => "file",
            "d" => "dir",
            "l" => "link",
            "p" => "fifo",
            "c" => "char",
            "b" => "block",
            other => panic!("{other}"),
        };
        attributes["type"] = json!(kind);
        if matches!(kind, "file" | "link") {
            attributes["size"] = json!(number(size));
        }
        if kind == "link" {
            attributes["link"] = json!(text(link));
        }
        if matches!(kind, "file" | "dir") {
            attributes["flags"] = json!("");
        }
        expected.insert(from_root(path), attributes);
    }
    let mut tell = |path: &[u8], attribute: &str, value: Value| {
        expected.get_mut(&from_root(path)).expect("found by find")[attribute] = value;
    };
    for record in records(&lab, "find . -type f -print0 | xargs -0 sha256sum -z", 1) {
        tell(&record[0][66..], "sha256", json!(text(&record[0][..64])));
    }
    for record in records(&lab, r"stat --printf './%n\0%t\0%T\0' dev/*", 3) {
        let number = |bytes: &[u8]| u32::from_str_radix(text(bytes), 16).expect("hexadecimal");
        tell(
            &record[0],
            "device",
            json!(format!("{}:{}", number(&record[1]), number(&record[2]))),
        );
    }
    for (flag, path) in FLAGGED {
        tell(format!("./{path}").as_bytes(), "flags", json!(flag));
    }
    for block in lab
        .shell("getfattr -R -P -h -m - .")
        .split("\n\n")
        .filter(|b| !b.is_empty())
    {
        let mut lines = block.lines();
        let path = lines
            .next()
            .and_then(|line| line.strip_prefix("# file: "))
            .expect("a path");
        let digests = lines.map(|name| {
            let value = lab.shell(&format!(
                "getfattr -h --only-values -n {name} {path} | sha256sum"
            ));
            (name.to_owned(), json!(value[..64]))
        });
        let digests: Value = digests.collect::<serde_json::Map<_, _>>().into();
        tell(format!("./{path}").as_bytes(), "xattrs", digests);
    }
    let with_xattrs = expected
        .values()
        .filter(|a| a["xattrs"] != json!({}))
        .count();
    assert_eq!(with_xattrs, 5, "ACLs, a capability and user attributes");

    let mut recorded = exported(&lab);
    for (path, expected) in expected {
        let recorded = recorded.remove(&path);
        assert_eq!(recorded, Some(expected), "{}", readable(&path));
    }
    assert!(recorded.is_empty(), "nobody else sees these: {recorded:#?}");
}

#[test]
fn one_source_date_gives_one_manifest() {
    let lab = Pristine::new().copy();
    let record = |output: &str, epoch: &str| {
        run(Command::new(agent_path())
            .args([
                "baseline",
                "create",
                "--root",
                "root",
                "--profile",
                "./profile.toml",
                "--output",
                output,
            ])
            .env("SOURCE_DATE_EPOCH", epoch)
            .current_dir(lab.path()))
        .expect(0);
        std::fs::read_to_string(lab.path().join(output)).expect("ASCII")
    };
    let first = record("first", "1700000000");
    assert!(first.contains("\n# time 2023-11-14T22:13:20Z\n"), "{first}");
    assert_eq!(record("second", "1700000000"), first);
    let third = record("third", "1700000001");
    let differ = first.lines().zip(third.lines()).filter(|(a, b)| a != b);
    assert_eq!(
        differ.collect::<Vec<_>>(),
        [("# time 2023-11-14T22:13:20Z", "# time 2023-11-14T22:13:21Z")]
    );
}

/// Another tree with the same contents is as good, but for the flags, which no copy keeps.
#[test]
fn a_copy_differs_in_its_flags_alone() {
    let lab = Pristine::new().recorded();
    lab.shell("mv ../root ../original; cp -a ../original ../root");
    let flags = FLAGGED.map(|(_, path)| format!("~ /{path} flags"));
    assert_eq!(lab.check(&[]).expect(1).deviations(), BTreeSet::from(flags));
    for (flag, path) in FLAGGED {
        lab.shell(&format!("cd ../root; chattr +{flag} {path}"));
    }
    lab.check(&[]).expect(0);
    // A copy by somebody who cannot give files away keeps less.
    lab.shell("cd ..; chattr -R -f -ia root || :; rm -rf root; cp -r --preserve=mode,timestamps,links original root");
    let found = lab.check(&[]).expect(1).deviations();
    for line in ["~ /bin/wall gid", "~ /bin/ping xattrs", "~ /etc/shadow gid"] {
        assert!(found.contains(line), "{line}: {found:#?}");
    }
}
