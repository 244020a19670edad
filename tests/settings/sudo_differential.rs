//! `accounts.sudo_nopasswd` against the programs: policies from a grammar, asked with `sudo -n`.
//!
//! Whoever the program lets through must be told, and whoever is told must be let through. For each group there is an
//! account that is in no other, and one account is in none, so that `%group` and `ALL` are people as well.
//! `AGENT_TEST_SUDOERS` says how many policies; with sudo-rs in the root that `AGENT_TEST_SUDO_RS` names, it is asked
//! too, and left out otherwise.

use super::check;
use harness::{Lab, private, shell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Account, groups, and the subject that stands for it.
const PEOPLE: [(&str, &[&str], &str); 6] = [
    ("ann", &[], "ann"),
    ("bob", &["crew"], "bob"),
    ("carl", &["crew", "deck"], "carl"),
    ("onlycrew", &["crew"], "%crew"),
    ("onlydeck", &["deck"], "%deck"),
    ("other", &[], "ALL"),
];
const COMMANDS: [&str; 5] = [
    "/usr/bin/true",
    "/usr/bin/echo",
    "/usr/bin/env",
    "/usr/bin/id",
    "/usr/sbin/chroot --version",
];
/// How targets are asked for, and what a finding calls them.
const TARGETS: [(&str, &str); 9] = [
    ("", "root"),
    ("-u daemon", "daemon"),
    ("-u games", "any user"),
    ("-g adm", "group adm"),
    ("-g video", "any group"),
    ("-u root -g adm", "root"),
    ("-u root -g video", "root"),
    ("-u daemon -g video", "daemon"),
    ("-u games -g adm", "any user"),
];
/// Asks one question a line: policy, person, command, target, uid, groups, arguments.
const ASK: &str = r#"
    my ($root, $sudo) = @ARGV;
    my $last = -1;
    open(my $asked, "<", "../asked") or die;
    chroot $root or die;
    chdir "/";
    while (<$asked>) {
        my ($n, $p, $c, $t, $uid, $groups, @rest) = split;
        if ($n != $last) {
            open(my $to, ">", "/etc/sudoers") or die;
            print $to $policies[$n];
            close $to;
            $last = $n;
        }
        my $pid = fork;
        if (!$pid) {
            open(STDIN, "<", "/dev/null"); open(STDOUT, ">", "/dev/null"); open(STDERR, ">", "/dev/null");
            my @gids = split /,/, $groups;
            $( = $gids[0]; $) = "$gids[0] @gids"; $< = $uid; $> = $uid;
            exec($sudo, "-n", @rest) or exit 9;
        }
        waitpid $pid, 0;
        print "$n $p $c $t\n" if $? == 0;
    }
"#;

/// Numbers from a seed (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn list(&mut self, of: &[&str]) -> String {
        let names: Vec<String> = (0..=self.roll(3))
            .map(|n| {
                // The first of a list is seldom one that is taken back.
                let negated = self.roll(if n == 0 { 6 } else { 3 }) == 0;
                format!("{}{}", if negated { "!" } else { "" }, self.one(of))
            })
            .collect();
        names.join(", ")
    }
}

const USERS: [&str; 8] = ["ann", "bob", "carl", "%crew", "%deck", "ALL", "U1", "U2"];
const RUNAS: [&str; 5] = ["ALL", "root", "daemon", "R1", "#1"];
/// The same with bytes as two digits behind a backslash, and a sign that is none: sudo alone knows them.
const SPELLED: [&str; 12] = [
    "ann",
    "bob",
    "carl",
    "%crew",
    "%deck",
    "ALL",
    "U1",
    "U2",
    "a\\x6en",
    "%cr\\x65w",
    "\\x63arl",
    "\\%crew",
];
const SPELLED_RUNAS: [&str; 6] = ["ALL", "root", "daemon", "R1", "#1", "d\\x61emon"];

fn policy(dice: &mut Dice, is_rs: bool) -> String {
    let mut text = String::new();
    let (users, targets) = match is_rs {
        true => (&USERS[..], &RUNAS[..]),
        false => (&SPELLED[..], &SPELLED_RUNAS[..]),
    };
    let plain = ["ann", "bob", "carl", "%crew", "%deck", "ALL", "#1001"];
    let paths = [COMMANDS[0], COMMANDS[1], COMMANDS[2]];
    writeln!(text, "User_Alias U1 = {}", dice.list(&plain)).expect("memory");
    writeln!(
        text,
        "User_Alias U2 = {}",
        dice.list(&["U1", "ann", "carl", "%deck"])
    )
    .expect("memory");
    writeln!(
        text,
        "Runas_Alias R1 = {}",
        dice.list(&["ALL", "root", "daemon"])
    )
    .expect("memory");
    writeln!(
        text,
        "Cmnd_Alias C1 = {} : C2 = {}",
        dice.list(&paths),
        dice.list(&["C1", paths[0], "ALL"])
    )
    .expect("memory");
    for n in 0..=dice.roll(5) {
        if n > 0 && dice.roll(3) == 0 && !is_rs {
            let scope = match dice.roll(5) {
                0 => String::new(),
                1 | 2 => format!(":{}", dice.list(users).replace(' ', "")),
                3 => format!(">{}", dice.list(targets).replace(' ', "")),
                _ => format!(
                    "!{}",
                    dice.list(&[paths[0], paths[1], "C1", "ALL"])
                        .replace(' ', "")
                ),
            };
            let setting = dice.one(&[
                "!authenticate",
                "!authenticate",
                "authenticate",
                "exempt_group=crew",
                "exempt_group=cr\\x65w",
                "!exempt_group",
            ]);
            writeln!(text, "Defaults{scope} {setting}").expect("memory");
            continue;
        }
        write!(text, "{} ALL =", dice.list(users)).expect("memory");
        for n in 0..=dice.roll(3) {
            let runas = match dice.roll(7) {
                0..=2 => String::new(),
                3 => "(ALL:ALL) ".to_owned(),
                4 => "(:adm) ".to_owned(),
                5 => format!("({} : adm) ", dice.list(targets)),
                _ => format!("({}) ", dice.list(targets)),
            };
            let tag = dice.one(&["NOPASSWD: ", "NOPASSWD: ", "PASSWD: ", ""]);
            let negated = if dice.roll(5) == 0 { "!" } else { "" };
            let command = dice.one(&[
                "ALL",
                "ALL",
                paths[0],
                paths[1],
                "C1",
                "C2",
                "/usr/bin/e*",
                "/usr/bin/",
            ]);
            let comma = if n == 0 { "" } else { "," };
            write!(text, "{comma} {runas}{tag}{negated}{command}").expect("memory");
        }
        text.push('\n');
    }
    text
}

/// A tree with the people, and as many policies as are wanted beside it.
fn lab(policies: &[String], version: &str) -> Lab {
    let lab = Lab::new();
    let (mut passwd, mut shadow) = (
        "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/usr/sbin/nologin\ngames:x:5:60::/:/usr/sbin/nologin\n".to_owned(),
        "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\ngames:*:19000:0:99999:7:::\n".to_owned(),
    );
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut group = "root:x:0:\ndaemon:x:1:\nadm:x:4:\nvideo:x:44:\ngames:x:60:\n".to_owned();
    for (n, (name, groups, _)) in PEOPLE.iter().enumerate() {
        let id = 1000 + n;
        writeln!(passwd, "{name}:x:{id}:{id}::/:/bin/sh").expect("memory");
        writeln!(shadow, "{name}:*:19000:0:99999:7:::").expect("memory");
        writeln!(group, "{name}:x:{id}:").expect("memory");
        for name_of_group in *groups {
            members.entry(name_of_group).or_default().push(name);
        }
    }
    for (n, (name, list)) in members.iter().enumerate() {
        writeln!(group, "{name}:x:{}:{}", 2000 + n, list.join(",")).expect("memory");
    }
    lab.shell("mkdir -p etc var/lib/dpkg; ln -s usr/bin bin; mkdir -p usr/bin; mkdir ../policies");
    let write = |path: &str, text: &str| fs::write(lab.root().join(path), text).expect("written");
    write("etc/passwd", &passwd);
    write("etc/shadow", &shadow);
    write("etc/group", &group);
    write("etc/sudoers", "");
    write(
        "var/lib/dpkg/status",
        &format!(
            "Package: sudo\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        ),
    );
    lab.shell("chown -R 0:0 etc; chmod 644 etc/passwd etc/group; chmod 440 etc/sudoers");
    for (n, text) in policies.iter().enumerate() {
        fs::write(lab.path().join(format!("policies/{n}")), text).expect("written");
    }
    lab
}

/// Uid and gids of a person.
fn ids(person: usize) -> String {
    let (_, groups, _) = PEOPLE[person];
    let mut ids = vec![1000 + person];
    ids.extend(
        groups
            .iter()
            .map(|group| if *group == "crew" { 2000 } else { 2001 }),
    );
    let groups: Vec<String> = ids.iter().map(usize::to_string).collect();
    format!("{} {}", 1000 + person, groups.join(","))
}

/// What is asked about: policy, person, command, target.
type Question = [usize; 4];

/// Which of the questions are answered by letting the person through.
fn let_through(
    lab: &Lab,
    asked: &BTreeSet<Question>,
    root: &Path,
    sudo: &str,
) -> BTreeSet<Question> {
    let mut lines = String::new();
    for [n, p, c, t] in asked {
        let (target, command) = (TARGETS[*t].0, COMMANDS[*c]);
        writeln!(lines, "{n} {p} {c} {t} {} {target} {command}", ids(*p)).expect("memory");
    }
    fs::write(lab.path().join("asked"), lines).expect("written");
    let policies = "my @policies; for my $n (0 .. $ARGV[2] - 1) { local $/; open(my $f, '<', \"../policies/$n\") or die; push @policies, <$f>; }";
    // A root that was made for this may lack what sudo-rs has of other packages.
    let script = "touch $1/etc/sudoers
        [ -e $1/etc/pam.d/sudo ] || printf '%s required %s\\n' auth pam_deny.so account pam_permit.so session pam_permit.so > $1/etc/pam.d/sudo
        for file in passwd shadow group sudoers; do mount --bind etc/$file $1/etc/$file; done
        perl -e \"$4\" $1 $2 $3";
    let count = fs::read_dir(lab.path().join("policies"))
        .expect("a directory")
        .count()
        .to_string();
    let root = root.to_str().expect("UTF-8");
    let perl = format!("{policies}{ASK}");
    private(&lab.root(), script, &[root, sudo, &count, &perl])
        .expect(0)
        .stdout
        .lines()
        .map(|line| {
            let numbers: Vec<usize> = line
                .split(' ')
                .map(|n| n.parse().expect("a number"))
                .collect();
            numbers.try_into().expect("four numbers")
        })
        .collect()
}

/// Subjects that are told, and as whom each.
fn told(lab: &Lab, text: &str) -> (BTreeMap<String, BTreeSet<String>>, bool) {
    fs::write(lab.root().join("etc/sudoers"), text).expect("written");
    let ran = check(lab, "accounts");
    let mut found = BTreeMap::new();
    let mut unknown = false;
    for finding in ran.findings() {
        if finding["check"] != "accounts.sudo_nopasswd" {
            continue;
        }
        unknown |= finding["verdict"] == "unknown";
        if finding["verdict"] == "fail" {
            let targets = finding["observed"]["as"]
                .as_array()
                .expect("targets")
                .iter();
            let targets = targets.map(|target| target.as_str().expect("text").to_owned());
            found.insert(
                finding["subject"].as_str().expect("text").to_owned(),
                targets.collect(),
            );
        }
    }
    (found, unknown)
}

/// What is asked about every policy: all commands as root, some as others; and of whoever is told, whether it is so.
fn questions(
    dice: &mut Dice,
    n: usize,
    found: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeSet<Question> {
    let mut asked = BTreeSet::new();
    for (p, (_, _, subject)) in PEOPLE.iter().enumerate() {
        asked.extend((0..COMMANDS.len()).map(|c| [n, p, c, 0]));
        asked.extend((0..2).map(|_| [n, p, dice.roll(COMMANDS.len()), dice.roll(TARGETS.len())]));
        if let Some(targets) = found.get(*subject) {
            let of_target =
                |(t, (_, known)): (usize, &(&str, &str))| targets.contains(*known).then_some(t);
            for t in TARGETS.iter().enumerate().filter_map(of_target) {
                asked.extend((0..COMMANDS.len()).map(|c| [n, p, c, t]));
            }
        }
    }
    asked
}

fn compare(root: &Path, sudo: &str, version: &str, count: usize, is_rs: bool) {
    let mut dice = Dice(0x5eed);
    let policies: Vec<String> = (0..count).map(|_| policy(&mut dice, is_rs)).collect();
    let lab = lab(&policies, version);
    if is_rs {
        lab.shell("mkdir -p usr/lib/cargo/bin; touch usr/lib/cargo/bin/sudo; ln -s ../lib/cargo/bin/sudo usr/bin/sudo");
    }
    let told: Vec<_> = policies.iter().map(|text| told(&lab, text)).collect();
    let mut asked = BTreeSet::new();
    for (n, (found, unknown)) in told.iter().enumerate() {
        assert!(!unknown, "{}", policies[n]);
        asked.extend(questions(&mut dice, n, found));
    }
    let open = let_through(&lab, &asked, root, sudo);
    assert!(
        open.len() > count,
        "the grammar gives nothing: {}",
        open.len()
    );
    let mut wrong = String::new();
    for (n, (found, _)) in told.iter().enumerate() {
        for (p, (name, groups, subject)) in PEOPLE.iter().enumerate() {
            let theirs: Vec<_> = open
                .iter()
                .filter(|[policy, person, ..]| (*policy, *person) == (n, p))
                .collect();
            let mut subjects: Vec<String> =
                groups.iter().map(|group| format!("%{group}")).collect();
            subjects.extend([(*name).to_owned(), "ALL".to_owned()]);
            let is_told = subjects.iter().any(|subject| found.contains_key(subject));
            if !theirs.is_empty() && !is_told {
                writeln!(
                    wrong,
                    "--- {name} is let through: {theirs:?}; told: {found:?}\n{}",
                    policies[n]
                )
                .expect("memory");
            }
            // Whoever is told is let through by something, unless as somebody who is not asked for here.
            let asked = |target: &String| TARGETS.iter().any(|(_, known)| known == target);
            let Some(targets) = found.get(*subject) else {
                continue;
            };
            if theirs.is_empty() && targets.iter().any(asked) {
                writeln!(
                    wrong,
                    "--- {subject} is told as {targets:?}, and {name} is asked\n{}",
                    policies[n]
                )
                .expect("memory");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn count() -> usize {
    std::env::var("AGENT_TEST_SUDOERS").map_or(40, |n| n.parse().expect("a number"))
}

#[test]
fn as_sudo_lets_through() {
    let version = shell(Path::new("/"), "dpkg-query -W -f '${Version}' sudo");
    compare(Path::new("/"), "/usr/bin/sudo", &version, count(), false);
}

#[test]
fn as_sudo_rs_lets_through() {
    let Some(root) = std::env::var_os("AGENT_TEST_SUDO_RS") else {
        println!("left out: AGENT_TEST_SUDO_RS names no root with sudo-rs");
        return;
    };
    compare(
        Path::new(&root),
        "/usr/bin/sudo-rs",
        "1.9.17p2-1",
        count(),
        true,
    );
}
