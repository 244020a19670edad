//! A whole tree for each shipped distribution profile, and what every check says of it: one table, in
//! `tests/data/distributions/verdicts.txt`, with the trees beside it.
//!
//! Each tree comes in three variants. `stock` is an instance of the distribution's image after its first boot, under
//! the shipped profile; `good` is the same with all done that a site demands, `bad` the same let go, both under a
//! profile of the site's own that extends the shipped one.

use harness::rpm::{build_empty, enter, to_berkeley, to_ndb};
use harness::{Host, Ran, agent, shell};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Profiles for hosts that os-release does not tell from others: they have no tree of their own.
const BY_NAME: [&str; 1] = ["amazon-linux-2023-containers"];

const DISTRIBUTIONS: [&str; 13] = [
    "amazon-linux-2",
    "amazon-linux-2023",
    "amazon-linux-2027",
    "debian-12",
    "debian-13",
    "fedora",
    "rhel-9",
    "rhel-10",
    "sles-15",
    "sles-16",
    "ubuntu-22.04",
    "ubuntu-24.04",
    "ubuntu-26.04",
];
const VARIANTS: [&str; 3] = ["stock", "good", "bad"];
/// Of the image that the tree stands for.
const MACHINE: &str = "0123456789abcdef0123456789abcdef";
const INSTANCE: &str = "i-0123456789abcdef0";

/// The row of exit statuses.
const EXIT: &str = "exit status";

/// The verdict on a check: that on the worst of its subjects.
type Verdicts = BTreeMap<String, char>;

fn data(name: &str) -> PathBuf {
    harness::project()
        .join("tests/data/distributions")
        .join(name)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The distribution with those that its profile extends, the first one first.
fn lineage(distribution: &str) -> Vec<String> {
    let path = harness::project().join(format!("baselines/{distribution}.toml"));
    let text = text(&path);
    let mut lines = text.lines();
    let parent = lines.find_map(|line| line.strip_prefix("extends = \"")?.strip_suffix('"'));
    let mut all = match parent {
        None | Some("default") => Vec::new(),
        Some(parent) => lineage(parent),
    };
    all.push(distribution.to_owned());
    all
}

/// Two keys: one that the site knows, and a stranger's.
fn keys(place: &Path) {
    shell(
        place,
        "for who in known stranger; do ssh-keygen -q -t ed25519 -N '' -C $who -f $who; done",
    );
}

/// One variant of a tree, on a host that examines it: its packages with their versions.
struct Tree {
    host: Host,
    packages: Vec<(String, String)>,
    dpkg: bool,
}

impl Tree {
    /// Made by the scripts, in the order in which they build on each other.
    fn new(distribution: &str, variant: &str, keys: &Path, hash: &str) -> Tree {
        let host = Host::new();
        let tree = host.lab().root().join("image");
        fs::create_dir(&tree).expect("the tree");
        let head = format!(
            "machine={MACHINE} instance={INSTANCE} keys={} hash='{hash}'\n",
            keys.display()
        );
        // A tree builds on that of what its profile extends, as the profile does.
        let own = lineage(distribution);
        let changes = variant.to_owned();
        let shared = ["words", "lists", "red-hat", "debian", "ubuntu"].map(str::to_owned);
        let scripts = shared.into_iter().chain(own).chain([changes]);
        let texts: Vec<String> = scripts
            .map(|name| text(&data(&format!("{name}.sh"))))
            .collect();
        let script = texts.join("\n");
        fs::write(host.lab().path().join("script"), head + &script).expect("the script");
        shell(&tree, "bash -eu ../../script");
        let told = |name: &str| text(&host.lab().root().join(name));
        let packages = told("packages")
            .lines()
            .map(|line| line.split_once(' ').expect("a version"))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect();
        let dpkg = told("family").trim() == "dpkg";
        Tree {
            host,
            packages,
            dpkg,
        }
    }

    fn root(&self) -> PathBuf {
        self.host.lab().root().join("image")
    }

    /// Enters its packages into the database of its family; those of rpm were built in `place`.
    fn enter(&self, distribution: &str, place: &Path) {
        let names = self.packages.iter().map(|(name, _)| name);
        match self.dpkg {
            true => {
                let stanza = |(name, version): &(String, String)| {
                    format!(
                        "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
                    )
                };
                let status: String = self.packages.iter().map(stanza).collect();
                fs::create_dir_all(self.root().join("var/lib/dpkg")).expect("a directory");
                fs::write(self.root().join("var/lib/dpkg/status"), status).expect("the status");
            }
            false => enter(&self.root(), place, names),
        }
        match distribution {
            "amazon-linux-2" => to_berkeley(&self.root(), 4096),
            "sles-15" | "sles-16" => to_ndb(&self.root()),
            _ => {}
        }
    }

    /// Records and seals the tree as it is, by a key that the examining host trusts.
    fn seal(&self, profile: &str, keys: &Path) {
        let place = self.root().join("usr/share/host-integrity-agent");
        fs::create_dir_all(&place).expect("a directory");
        let path = |path: &Path| path.to_str().expect("text").to_owned();
        agent([
            "baseline",
            "create",
            "--root",
            &path(&self.root()),
            "--profile",
            profile,
            "--output",
            &path(&place.join("manifest.mtree")),
            "--sign-key",
            &path(&keys.join("known")),
        ])
        .expect(0);
        let signer = format!("baker {}", text(&keys.join("known.pub")));
        let trusted = self
            .host
            .lab()
            .root()
            .join("etc/host-integrity-agent/trusted_signers");
        fs::write(trusted, signer).expect("signers");
    }

    /// What the examining host's agent says of it, under the host's own profile where it has one.
    fn check(&self) -> Ran {
        let globs: Vec<String> = areas().iter().map(|area| format!("{area}.*")).collect();
        let only = globs.iter().flat_map(|glob| ["--only", glob]);
        let mut arguments = vec!["check", "--root", "/image", "--format", "json"];
        arguments.extend(only);
        self.host.agent(&arguments)
    }
}

/// Every check that judges more than files, in the order of reports.
fn checks() -> Vec<String> {
    let shown = agent(["profile", "show", "default"]).expect(0).stdout;
    let ids = shown.lines().filter_map(|line| {
        let id = line.strip_prefix("  ")?.split_once("  ")?.0;
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
        (id.contains('.') && id.chars().all(known) && !id.starts_with("files."))
            .then(|| id.to_owned())
    });
    let ids: Vec<String> = ids.collect();
    assert!(ids.len() > 80, "{shown}");
    ids
}

/// `sshd`, `accounts`, …, `instance`
fn areas() -> Vec<String> {
    let mut areas: Vec<String> = checks()
        .iter()
        .filter_map(|id| Some(id.split_once('.')?.0.to_owned()))
        .collect();
    areas.dedup();
    areas
}

fn verdicts(ran: &Ran) -> Verdicts {
    let mut found = Verdicts::new();
    for finding in ran.findings() {
        let word = |key: &str| finding[key].as_str().expect("text").to_owned();
        let letter = match word("verdict").as_str() {
            "fail" => 'F',
            "unknown" => '?',
            "pass" => '.',
            _ => '-',
        };
        let worst = found.entry(word("check")).or_insert(letter);
        let rank = |letter: &char| "-.?F".find(*letter);
        if rank(worst) < rank(&letter) {
            *worst = letter;
        }
    }
    found
}

/// The end of life of a stock tree comes some day: the verdict must be that of today.
fn end_of_life(ran: &Ran) -> char {
    let finding = ran.one("packages.release_supported", "os-release");
    // A preview has no end yet.
    let Some(end) = finding["observed"]["end"].as_str() else {
        assert_eq!(finding["verdict"], "unknown", "{finding:#?}");
        return '?';
    };
    let today = shell(Path::new("/"), "date -u +%F");
    let verdict = match today.trim() <= end {
        true => "pass",
        false => "fail",
    };
    assert_eq!(finding["verdict"], verdict, "{finding:#?}");
    't'
}

/// The three columns of a distribution.
fn columns(distribution: &str, keys: &Path, hash: &str) -> Vec<Verdicts> {
    let trees: Vec<Tree> = VARIANTS
        .iter()
        .map(|variant| Tree::new(distribution, variant, keys, hash))
        .collect();
    let built = tempfile::tempdir().expect("a directory");
    if !trees[0].dpkg {
        let all: BTreeSet<(String, String)> = trees
            .iter()
            .flat_map(|tree| tree.packages.iter().cloned())
            .collect();
        build_empty(built.path(), all);
    }
    let known = shell(keys, "ssh-keygen -lf known.pub | cut -d' ' -f2");
    let site = text(&data("site.toml")).replace("KNOWN", known.trim());
    let site = format!("name = \"site\"\nextends = \"{distribution}\"\n{site}");
    let mut columns = Vec::new();
    for (variant, tree) in VARIANTS.iter().zip(&trees) {
        tree.enter(distribution, built.path());
        let local = tree
            .host
            .lab()
            .root()
            .join("etc/host-integrity-agent/profile.toml");
        let name = match *variant {
            "stock" => {
                fs::remove_file(local).expect("was there");
                distribution
            }
            _ => {
                fs::write(local, &site).expect("the profile");
                "site"
            }
        };
        if *variant == "good" {
            tree.seal(distribution, keys);
        }
        let ran = tree.check();
        assert_eq!(ran.summary()["profile"], Value::from(name), "{ran:#?}");
        let mut column = verdicts(&ran);
        let exit = char::from_digit(ran.status.unsigned_abs(), 10).expect("a digit");
        column.insert(EXIT.into(), exit);
        if *variant == "stock" {
            column.insert("packages.release_supported".into(), end_of_life(&ran));
        }
        columns.push(column);
    }
    columns
}

/// `STOCK GOOD BAD` below the name of each distribution, a line a check.
fn table(all: &[Vec<Verdicts>]) -> String {
    let checks = checks();
    let width = checks.iter().map(|id| id.len()).max().unwrap_or(0);
    let mut lines = vec![format!("{:width$}  {}", "", DISTRIBUTIONS.join("  "))];
    for id in checks.into_iter().chain([EXIT.to_owned()]) {
        let cells: Vec<String> = DISTRIBUTIONS
            .iter()
            .zip(all)
            .map(|(distribution, columns)| {
                let letters: Vec<String> = columns
                    .iter()
                    .map(|column| column.get(id.as_str()).copied().unwrap_or('!').to_string())
                    .collect();
                format!("{:1$}", letters.join(" "), distribution.len())
            })
            .collect();
        lines.push(format!("{id:width$}  {}", cells.join("  ")));
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n") + "\n"
}

/// The lines in which two tables differ.
fn differences(expected: &str, found: &str) -> Vec<String> {
    let id = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let lines = |text: &str| -> BTreeMap<String, String> {
        text.lines()
            .map(|line| (id(line), line.to_owned()))
            .collect()
    };
    let (expected, found) = (lines(expected), lines(found));
    let ids: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    ids.into_iter()
        .filter(|id| expected.get(*id) != found.get(*id))
        .flat_map(|id| {
            let line = |sign, line: Option<&String>| line.map(|line| format!("{sign} {line}"));
            [
                line("expected", expected.get(id)),
                line("found   ", found.get(id)),
            ]
        })
        .flatten()
        .collect()
}

#[test]
fn every_check_on_every_distribution() {
    let shipped: BTreeSet<String> = fs::read_dir(harness::project().join("baselines"))
        .expect("profiles")
        .map(|entry| entry.expect("readable").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into())
        .filter(|name: &String| name != "default" && !BY_NAME.contains(&name.as_str()))
        .collect();
    assert_eq!(shipped, DISTRIBUTIONS.map(str::to_owned).into());
    let place = tempfile::tempdir().expect("a directory");
    keys(place.path());
    let hash = shell(place.path(), "openssl passwd -6 -salt abcdefgh secret");
    let all: Vec<Vec<Verdicts>> = std::thread::scope(|scope| {
        let (place, hash) = (place.path(), hash.trim());
        let threads = DISTRIBUTIONS
            .map(|distribution| scope.spawn(move || columns(distribution, place, hash)));
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a column"))
            .collect()
    });
    let found = table(&all);
    let expected: String = text(&data("verdicts.txt"))
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    if found != expected {
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verdicts.txt");
        fs::write(&copy, &found).expect("a copy");
        panic!(
            "the verdicts differ (the whole table is in {}):\n{}",
            copy.display(),
            differences(&expected, &found).join("\n")
        );
    }
}

/// docs/distributions.md: a row for each shipped profile, which says no more than what is there to prove it.
#[test]
fn the_table_of_distributions_says_what_is_proven() {
    let table = text(&harness::project().join("docs/distributions.md"));
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip_while(|line| !line.starts_with("| distribution"))
        .skip(2)
        .take_while(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let profiles: BTreeSet<&str> = rows.iter().map(|row| row[1]).collect();
    let all: BTreeSet<&str> = DISTRIBUTIONS.into_iter().chain(BY_NAME).collect();
    assert_eq!(profiles, all);
    let booted = text(&harness::project().join("tests/vm/base"));
    for row in &rows {
        let [distribution, profile, proven, not_proven] = row[..] else {
            panic!("{row:?}");
        };
        assert!(
            !distribution.is_empty() && !not_proven.is_empty(),
            "{row:?}"
        );
        let text = text(&harness::project().join(format!("baselines/{profile}.toml")));
        let unseen = text.contains("Nobody has looked at one");
        // Only what tests/vm boots is called booted, and a profile that nobody has seen says so itself.
        let suite = match profile {
            "debian-12" => "bookworm",
            "debian-13" => "trixie",
            _ => "",
        };
        let boots = !suite.is_empty() && booted.contains(suite);
        assert_eq!(proven.contains("booted"), boots, "{row:?}");
        let has_tree = !BY_NAME.contains(&profile);
        assert_eq!(proven.contains("tree"), has_tree, "{row:?}");
        assert_eq!(unseen, not_proven.contains("a real one"), "{row:?}");
    }
}
