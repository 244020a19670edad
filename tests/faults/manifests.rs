//! Malformed manifests: exit 2 that names file and line, and nothing on standard output.

use harness::{Lab, Ran, agent_path, run};
use std::fs;
use std::process::Command;

/// A recorded tree that has changed since, so that a check that went ahead would print something.
///
/// The manifest: 1 `#mtree`, 2 version, 3 profile, 4 time, 5 selinux, 6 cover, 7 `.`, 8 `./dir`,
/// 9 `./dir/x`, 10 `./dir/y`, 11 `./one`, 12 `# entries 5`.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell("mkdir dir; echo x > dir/x; echo y > dir/y; echo one > one");
    lab.create().expect(0);
    // How much is mounted is the host's matter; lines are counted here.
    lab.shell("sed -i '/^# mount /d' ../manifest.mtree; echo z > aaa");
    lab
}

fn lines(lab: &Lab) -> Vec<String> {
    let text = fs::read_to_string(lab.manifest()).expect("UTF-8");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 12, "{text}");
    lines
}

/// Every command that reads the manifest refuses it, at that line (`None`: at some line), for that reason.
fn refused(lab: &Lab, name: &str, bytes: &[u8], line: Option<usize>, word: &str) {
    fs::write(lab.manifest(), bytes).expect("written");
    let place = match line {
        Some(line) => format!("manifest.mtree:{line}: "),
        None => "manifest.mtree:".to_owned(),
    };
    let plain = |arguments: &[&str]| {
        run(Command::new(agent_path())
            .args(arguments)
            .current_dir(lab.path()))
    };
    let runs: [Ran; 5] = [
        lab.check(&[]),
        plain(&["baseline", "verify", "manifest.mtree"]),
        plain(&["baseline", "diff", "manifest.mtree", "manifest.mtree"]),
        plain(&["baseline", "export", "manifest.mtree", "--format", "json"]),
        lab.agent(
            &["baseline", "launch"],
            &["--manifest", "manifest.mtree", "--output", "record"],
        ),
    ];
    for ran in runs {
        assert_eq!(ran.status, 2, "{name}: {ran:#?}");
        assert_eq!(ran.stdout, "", "{name}");
        assert!(
            ran.stderr.contains(&place),
            "{name}: no {place} in {ran:#?}"
        );
        assert!(ran.stderr.contains(word), "{name}: no `{word}` in {ran:#?}");
    }
    assert!(!lab.path().join("record").exists(), "{name}");
}

/// What is done to a line of the manifest.
enum Edit {
    /// The line becomes this.
    Becomes(&'static str),
    /// Of the line, this becomes that.
    Replace(&'static str, &'static str),
    /// This stands before the line.
    Before(&'static str),
    /// The line is gone.
    Gone,
    /// The line trades places with the next.
    Swapped,
    /// The line stands twice.
    Twice,
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn malformed_lines_are_named() {
    use Edit::{Becomes, Before, Gone, Replace, Swapped, Twice};
    let digest_of_x = "sha256digest=73cb";
    #[rustfmt::skip]
    let cases: &[(&str, usize, Edit, usize, &str)] = &[
        // Name, line edited, how, line blamed, word of the message.
        ("not mtree at all", 1, Becomes("#!/bin/sh"), 1, "#mtree"),
        ("no first line", 1, Gone, 1, "#mtree"),
        ("unknown version", 2, Replace("manifest 1", "manifest 2"), 2, "manifest 1"),
        ("another program's", 2, Gone, 2, "manifest 1"),
        ("no profile", 3, Gone, 5, "# profile"),
        ("profile twice", 3, Twice, 4, "one `# profile"),
        ("profile without a digest", 3, Becomes("# profile lab"), 3, "NAME SHA256"),
        ("no cover", 6, Gone, 5, "# cover"),
        ("a cover of unknown severity", 6, Becomes("# cover hot all /"), 6, "severity"),
        ("a cover of unknown attributes", 6, Becomes("# cover high sha1 /"), 6, "attribute"),
        ("a cover that climbs", 6, Becomes("# cover high all /a/../b"), 6, ".."),
        ("an exclude that is no path", 6, Before("# exclude dir"), 6, "absolute"),
        ("selinux perhaps", 5, Becomes("# selinux perhaps"), 5, "selinux"),
        ("a header line without a blank", 5, Becomes("#selinux none"), 5, "# key value"),
        ("missing `.`", 7, Gone, 7, "`.`"),
        ("`.` twice", 7, Twice, 8, "twice"),
        ("unsorted siblings", 9, Swapped, 10, "out of order"),
        ("child before parent", 8, Swapped, 8, "its directory"),
        ("parent missing", 8, Gone, 8, "its directory"),
        ("a directory after the next sibling", 10, Swapped, 11, "out of order"),
        ("a path twice", 9, Twice, 10, "twice"),
        ("child of a file", 8, Replace("type=dir", "type=fifo"), 9, "as a directory"),
        ("climbs out", 9, Replace("./dir/x", "./dir/../../x"), 9, ".."),
        ("climbs out at once", 8, Replace("./dir", "./.."), 8, ".."),
        ("a dot on the way", 9, Replace("./dir/x", "./dir/./x"), 9, "`.`"),
        ("an empty component", 9, Replace("./dir/x", "./dir//x"), 9, "empty"),
        ("an absolute path", 9, Replace("./dir/x", "/dir/x"), 9, "./"),
        ("a bare path", 9, Replace("./dir/x", "dir/x"), 9, "./"),
        ("an escaped slash", 9, Replace("./dir/x", "./dir\\057x"), 9, "plain"),
        ("an escaped NUL", 9, Replace("./dir/x", "./dir/x\\000"), 9, "ooo"),
        ("a torn escape", 9, Replace("./dir/x", "./dir/x\\04"), 9, "ooo"),
        ("another escape", 9, Replace("./dir/x", "./dir/x\\s"), 9, "ooo"),
        ("a raw bracket", 9, Replace("./dir/x", "./dir/x["), 9, "ooo"),
        ("an unknown keyword", 9, Replace("mode=", "moed="), 9, "keyword"),
        ("a keyword of other readers", 9, Replace("nlink=1", "nlink=1 inode=5"), 9, "inode"),
        ("a keyword twice", 9, Replace("uid=0", "uid=0 uid=0"), 9, "twice"),
        ("no type", 9, Replace(" type=file", ""), 9, "type="),
        ("an unknown type", 9, Replace("type=file", "type=door"), 9, "type"),
        ("a mode beyond", 9, Replace("mode=0644", "mode=17777"), 9, "octal"),
        ("a mode that is none", 9, Replace("mode=0644", "mode=0648"), 9, "octal"),
        ("a signed number", 9, Replace("size=2", "size=+2"), 9, "size"),
        ("a number too large", 9, Replace("uid=0", "uid=4294967296"), 9, "uid"),
        ("a time without its fraction", 9, Replace("time=", "time=5 time="), 9, "time"),
        ("a short digest", 9, Replace("sha256digest=7", "sha256digest="), 9, "64"),
        ("an upper-case digest", 9, Replace(digest_of_x, "sha256digest=73CB"), 9, "64"),
        ("no value", 9, Replace("size=2", "size="), 9, "size"),
        ("tags without commas", 9, Replace("size=2", "size=2 tags=removed"), 9, "tags"),
        ("an unknown tag", 9, Replace("size=2", "size=2 tags=,new,"), 9, "tags"),
        ("optional without its tag", 9, Replace("size=2", "size=2 optional"), 9, "optional"),
        ("two blanks", 9, Replace("uid=0", " uid=0"), 9, "two spaces"),
        ("a blank at the end", 9, Replace("size=2", "size=2 "), 9, "two spaces"),
        ("a tab", 9, Replace(" uid=0", "\tuid=0"), 9, "mode"),
        ("CR LF", 9, Replace("size=2", "size=2 optional\r\n./dir/xx type=file"), 9, "CR LF"),
        ("NUL", 9, Replace("size=2", "size=2\0"), 9, "NUL"),
        ("a blank line", 9, Before(""), 9, "./"),
        ("a comment among the entries", 9, Before("# aside"), 9, "./"),
        ("a /set line", 9, Before("/set uid=0"), 9, "./"),
        ("an entry less than counted", 11, Gone, 11, "# entries 4"),
        ("an entry more than counted", 12, Before("./two type=fifo mode=0644 uid=0 gid=0 nlink=1 time=1.000000000"), 13, "# entries 6"),
        ("a count that is none", 12, Becomes("# entries five"), 12, "# entries 5"),
        ("another form of the count", 12, Becomes("# entries 05"), 12, "# entries 5"),
        ("no trailer", 12, Gone, 12, "cut short"),
        ("two trailers", 12, Twice, 13, "nothing behind"),
        ("entries behind the trailer", 11, Swapped, 11, "# entries 4"),
        ("a second manifest behind the first", 12, Becomes("# entries 5\n#mtree"), 13, "nothing behind"),
    ];
    let lab = lab();
    let good = lines(&lab);
    for (name, number, edit, blamed, word) in cases {
        let mut text = good.clone();
        let at = number - 1;
        match edit {
            Becomes(line) => text[at] = (*line).to_owned(),
            Replace(from, to) => {
                assert!(text[at].contains(from), "{name}: {}", text[at]);
                text[at] = text[at].replacen(from, to, 1);
            }
            Before(line) => text.insert(at, (*line).to_owned()),
            Gone => {
                text.remove(at);
            }
            Swapped => text.swap(at, at + 1),
            Twice => text.insert(at, text[at].clone()),
        }
        let bytes = text.join("\n") + "\n";
        refused(&lab, name, bytes.as_bytes(), Some(*blamed), word);
    }
}

/// A file that ends before its end: at every line's start and end, in the middle of each, and without the
/// last newline, where libarchive would drop an entry without a word.
#[test]
fn a_manifest_cut_short_is_refused_wherever_it_is_cut() {
    let lab = lab();
    let whole = fs::read(lab.manifest()).expect("readable");
    let mut cuts = vec![0, 1, whole.len() - 1];
    for (end, _) in whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let start = whole[..end]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |i| i + 1);
        cuts.extend([start + 1, (start + end) / 2, end, end + 1]);
    }
    cuts.retain(|cut| *cut < whole.len());
    assert!(cuts.len() > 40);
    for cut in cuts {
        refused(&lab, &format!("cut at byte {cut}"), &whole[..cut], None, "");
    }
}

#[test]
fn files_that_are_no_manifest() {
    let lab = lab();
    let good = fs::read(lab.manifest()).expect("readable");
    let zeros = vec![0; 200_000];
    let random: Vec<u8> = (0..100_000u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[2])
        .collect();
    let dos = String::from_utf8(good.clone())
        .expect("UTF-8")
        .replace('\n', "\r\n");
    let wide: Vec<u8> = good.iter().flat_map(|byte| [*byte, 0]).collect();
    let marked = [b"\xef\xbb\xbf", &good[..]].concat();
    let cases: [(&str, &[u8], &str); 7] = [
        ("empty", b"", "#mtree"),
        ("zeros", &zeros, ""),
        ("random bytes", &random, ""),
        ("a program", b"\x7fELF\x02\x01\x01\0\n", ""),
        ("DOS line ends", dos.as_bytes(), "CR LF"),
        ("UTF-16", &wide, ""),
        ("a byte order mark", &marked, "#mtree"),
    ];
    for (name, bytes, word) in cases {
        refused(&lab, name, bytes, Some(1), word);
    }
}

#[test]
fn an_over_long_line_is_refused_and_never_held() {
    let lab = lab();
    let good = lines(&lab);
    for length in [300_000, 5_000_000] {
        let mut text = good.clone();
        text.insert(11, format!("./{} type=file", "z".repeat(length)));
        let bytes = text.join("\n") + "\n";
        refused(&lab, "long", bytes.as_bytes(), Some(12), "longer than");
    }
}

/// An entry that the header's own rules do not cover would never be looked at.
#[test]
fn an_entry_outside_the_cover_is_refused() {
    let lab = lab();
    let good = lines(&lab);
    let cases = [
        (
            "not covered",
            6,
            "# cover high all /dir",
            11,
            "does not cover",
        ),
        (
            "excluded",
            6,
            "# cover high all /\n# exclude /dir/y",
            11,
            "does not cover",
        ),
        (
            "excluded with its directory",
            6,
            "# cover high all /\n# exclude /dir",
            9,
            "does not cover",
        ),
    ];
    for (name, number, becomes, blamed, word) in cases {
        let mut text = good.clone();
        text[number - 1] = becomes.to_owned();
        let bytes = text.join("\n") + "\n";
        refused(&lab, name, bytes.as_bytes(), Some(blamed), word);
    }
}
