//! An update by apt under a running daemon, as one story: told by package, path by path what is critical or not the
//! package's, and with numbers at its end. `tests/long update` runs it with 300 packages and 20,000 files, and forges a
//! thousand of them.

use super::evidence::run;
use super::harness::{Daemon, DaemonHarness};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

/// How much there is of it.
struct Size {
    packages: usize,
    files: usize,
    forged: usize,
}

impl Size {
    fn read() -> Size {
        let number = |name: &str| std::env::var(name).ok()?.parse().ok();
        Size {
            packages: number("AGENT_TEST_PACKAGES").unwrap_or(4),
            files: number("AGENT_TEST_FILES").unwrap_or(12),
            forged: number("AGENT_TEST_FORGED").unwrap_or(10),
        }
    }

    fn is_long(&self) -> bool {
        self.packages >= 100
    }
}

/// Packages `p1` and so on from a signed repository in version 1.0, recorded; 1.1 is to be had. One program is critical.
fn host(size: &Size) -> DaemonHarness {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "for path in /usr/bin /usr/lib /etc/apt /var/lib/dpkg/info; do printf '[[paths]]\\npath = \"%s\"\\nseverity = \"high\"\\n' $path; done \
         >> etc/host-integrity-agent/profile.toml
         printf '[[paths]]\\npath = \"/usr/bin/p1\"\\nseverity = \"critical\"\\n' >> etc/host-integrity-agent/profile.toml",
    );
    let Size {
        packages, files, ..
    } = size;
    run(
        &harness,
        &format!(
            "mkdir -p $PLACE/repo; mkdir -m 700 $PLACE/gpg; cd $ROOT
             mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/lib/apt/lists/partial var/cache/apt/archives/partial
             mkdir -p etc/apt/apt.conf.d etc/apt/preferences.d etc/apt/sources.list.d etc/apt/trusted.gpg.d
             mkdir -p var/log/apt usr/bin usr/lib; : > var/lib/dpkg/status
             key distribution etc/apt/trusted.gpg.d/distribution.gpg; echo \"deb copy:$PLACE/repo ./\" > etc/apt/sources.list
             for version in 1.0 1.1; do for p in $(seq {packages}); do
               make p$p $version \"for n in \\$(seq {files}); do echo \\$n $version $p > usr/lib/p$p/\\$n; done\"
             done; done
             publish distribution; apt update
             apt install $(for p in $(seq {packages}); do echo p$p=1.0; done); rm $ROOT/var/cache/apt/archives/*.deb"
        ),
    );
    harness.record();
    harness
}

/// Paths that were told by package, by that; each once.
fn by_package(events: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in events {
        let unmapped = &event["unmapped"];
        if event["activity_name"] != "Package explained" || event["status"] != "New" {
            continue;
        }
        let package = &unmapped["package"];
        assert_eq!(package["version"], "1.1", "{event:#}");
        assert_eq!(package["replaces"], "1.0", "{event:#}");
        assert_eq!(package["evidence"], "signed", "{event:#}");
        assert_eq!(event["severity"], "Low", "{event:#}");
        let name = package["name"].as_str().expect("a name").to_owned();
        let paths = told.entry(name).or_default();
        for line in unmapped["listing"].as_str().expect("a list").lines() {
            assert!(paths.insert(line[2..].to_owned()), "twice: {line}");
        }
    }
    told
}

/// What was told last of each path by itself: severity, and whether it is explained.
fn singly(events: &[Value]) -> BTreeMap<String, (String, bool)> {
    let mut told = BTreeMap::new();
    for event in events.iter().filter(|event| event["class_uid"] == 2004) {
        let Some(path) = event["unmapped"]["subject"].as_str() else {
            continue;
        };
        if event["activity_name"] == "Close" {
            told.remove(path);
            continue;
        }
        let severity = event["severity"].as_str().unwrap_or_default().to_owned();
        let explained = !event["unmapped"]["unexplained_severity"].is_null();
        told.insert(path.to_owned(), (severity, explained));
    }
    told
}

/// Paths that were told by themselves and that nothing explains.
fn unexplained(events: &[Value]) -> Vec<String> {
    let told = singly(events).into_iter();
    let told = told.filter(|(_, (severity, explained))| !explained && severity != "Low");
    told.map(|(path, _)| path).collect()
}

/// All files of the update, but the configuration and what is critical.
fn files(size: &Size) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for p in 1..=size.packages {
        if p > 1 {
            all.insert(format!("/usr/bin/p{p}"));
        }
        all.insert(format!("/usr/lib/p{p}/data"));
        all.insert(format!("/usr/lib/p{p}/link-1.1"));
        all.extend((1..=size.files).map(|n| format!("/usr/lib/p{p}/{n}")));
    }
    all
}

/// Peak of resident memory in KiB, and processor time in seconds.
fn usage(daemon: &Daemon<'_>) -> (u64, f64) {
    let of = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", daemon.id()));
    let status = of("status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.split_whitespace().next()?.parse().ok());
    let stat = of("stat").unwrap_or_default();
    let rest = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = rest.split(' ').skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|text| text.parse::<u64>().ok()).sum();
    // USER_HZ
    (peak.unwrap_or(0), ticks as f64 / 100.0)
}

/// Processor time of what the shell ran, in seconds, as its builtin `times` tells it.
fn children(times: &str) -> f64 {
    let seconds = |word: &str| -> Option<f64> {
        let (minutes, seconds) = word.strip_suffix('s')?.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    let words = times.lines().nth(1).unwrap_or_default().split_whitespace();
    words.filter_map(seconds).sum()
}

#[test]
fn an_update_is_told_as_one_story() {
    let size = Size::read();
    let harness = host(&size);
    let daemon = harness.start_scanned();
    let before = (
        usage(&daemon).1,
        fs::metadata(harness.path("var/log/events.jsonl")),
    );
    let log_before = before.1.map_or(0, |data| data.len());
    let times = harness.host.lab().path().join("times");
    run(
        &harness,
        &format!(
            "apt install $(for p in $(seq {}); do echo p$p=1.1; done); times > {}
             rm $ROOT/var/cache/apt/archives/*.deb",
            size.packages,
            times.display()
        ),
    );
    let free = Instant::now();
    let expected = files(&size);
    harness.until("everything is explained", |harness| {
        let events = harness.events();
        let listed: BTreeSet<String> = by_package(&events).into_values().flatten().collect();
        let singly = singly(&events);
        let explained = |path: &String| singly.get(path).is_some_and(|(_, explained)| *explained);
        expected
            .iter()
            .all(|path| listed.contains(path) || explained(path))
            && singly.get("/usr/bin/p1") == Some(&("Low".to_owned(), true))
    });
    let explained = free.elapsed();
    harness.until("its end", |harness| {
        let events = harness.events();
        events
            .iter()
            .any(|event| event["activity_name"] == "Package transaction ended")
    });
    harness.until("nothing is unexplained", |harness| {
        unexplained(&harness.events()).is_empty()
    });
    let events = harness.events();
    let step = |name: &str| {
        let mut steps = events.iter().filter(|event| event["activity_name"] == name);
        steps.next().unwrap_or_else(|| panic!("no {name}")).clone()
    };
    step("Package transaction begun");
    let ended = step("Package transaction ended");
    let numbers = &ended["unmapped"]["told"];
    assert!(numbers["critical"].as_u64() >= Some(1), "{ended:#}");
    let listed = by_package(&events);
    // What settled before its evidence came is changed, by itself: on a busy machine that may be some of it.
    let count: usize = listed.values().map(BTreeSet::len).sum();
    assert!(count * 2 >= expected.len(), "{count} of {}", expected.len());
    let mut names: Vec<&String> = listed.keys().collect();
    names.dedup();
    assert_eq!(names.len(), size.packages);
    let log = fs::metadata(harness.path("var/log/events.jsonl")).expect("the log");
    let (peak, used) = usage(&daemon);
    let by_apt = fs::read_to_string(&times).unwrap_or_default();
    println!(
        "update: {} packages, {} files explained, {count} of them by package; {}",
        size.packages,
        expected.len(),
        ended["message"]
    );
    let used = used - before.0;
    let by_apt = children(&by_apt);
    for (what, is, most) in [
        (
            "s after apt's end until all is explained",
            explained.as_secs_f64(),
            10.0,
        ),
        ("MiB at the peak", peak as f64 / 1024.0, 32.0),
        (
            "s of the agent's processor time, of apt's and dpkg's fifth",
            used,
            by_apt / 5.0,
        ),
        ("bytes of log", (log.len() - log_before) as f64, 2_000_000.0),
    ] {
        let word = if is <= most { "reached" } else { "short" };
        println!("update: {is:.1} {what}; at most {most:.1}: {word}");
    }
    if size.is_long() {
        assert!(log.len() - log_before < 2_000_000);
    }
    forge(&harness, &size, &expected);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// Files of the update are changed by hand, with sums that match: each is told at its full severity.
fn forge(harness: &DaemonHarness, size: &Size, files: &BTreeSet<String>) {
    let seed = std::env::var("AGENT_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let mut random = fastrand::Rng::with_seed(seed.unwrap_or(28));
    let mut files: Vec<&String> = files.iter().filter(|path| !path.contains("link")).collect();
    random.shuffle(&mut files);
    files.truncate(size.forged);
    let mut script = String::from("cd $ROOT\n");
    for (n, path) in files.iter().enumerate() {
        let path = path.trim_start_matches('/');
        script += &match n % 5 {
            0 => format!("echo evil >> {path}; forged {path}\n"),
            1 => format!("chmod 777 {path}\n"),
            2 => format!("chown 7:7 {path}\n"),
            3 => format!(
                "setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 {path}\n"
            ),
            _ => format!("ln -sf /tmp/evil {path}\n"),
        };
    }
    run(
        harness,
        &format!(
            "forged() {{ sum=$(md5sum $1 | cut -c1-32); name=$(echo $1 | cut -d/ -f3); \
             sed -i \"s|^[0-9a-f]*  $1\\$|$sum  $1|\" var/lib/dpkg/info/$name.md5sums; }}\n{script}"
        ),
    );
    let begun = Instant::now();
    harness.until("each forged change", |harness| {
        let singly = singly(&harness.events());
        files.iter().all(|path| {
            let told = singly.get(*path);
            told.is_some_and(|(severity, explained)| severity == "High" && !explained)
        })
    });
    assert!(begun.elapsed() < Duration::from_secs(300));
    println!("forged: {} changes, each told as High", files.len());
}
