//! What packages explain is told by package, and nothing of it is lost on the way.

use super::{Fixture, T, changed, gists, values};
use agent_core::change::ChangeContext;
use agent_core::explained::{Evidence, ExplainedBy, ExplanationKind};
use agent_core::finding::{Finding, Severity};
use agent_outbox::event::by_package::{Sign, listed};
use agent_outbox::event::{Lifecycle, Transaction, TransactionCounts};
use agent_outbox::parcel::Delivery;
use agent_outbox::store::{Scope, SinkKind};
use serde_json::Value;

const DAY: i64 = 24 * 3600 * 1000;

/// A changed file that a signed package explains; `severity`: without.
fn explained(path: &str, package: &str, severity: Severity) -> Finding {
    let mut finding = changed(path, Severity::Low, 1030);
    finding.unexplained_severity = Some(severity);
    finding.explained_by = Some(ExplainedBy {
        package: Some(package.into()),
        version: Some("1.1".into()),
        evidence: Some(Evidence::Signed),
        ..ExplainedBy::new(ExplanationKind::Package)
    });
    finding
}

fn tool(path: &str) -> Finding {
    explained(path, "tool", Severity::High)
}

/// Package, status, and what the list names, of an event that tells one.
fn told(event: &Value) -> (String, String, Vec<String>) {
    assert_eq!(event["activity_name"], "Package explained", "{event:#}");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listing = word(&event["unmapped"]["listing"]);
    let paths = listed(&listing).map(|(_, path)| String::from_utf8(path).expect("UTF-8"));
    let paths: Vec<String> = paths.collect();
    assert_eq!(event["unmapped"]["paths"], paths.len(), "{event:#}");
    (
        word(&event["unmapped"]["package"]["name"]),
        word(&event["status"]),
        paths,
    )
}

fn of(name: &str, status: &str, paths: &[&str]) -> (String, String, Vec<String>) {
    let paths = paths.iter().map(|path| (*path).to_owned());
    (name.into(), status.into(), paths.collect())
}

fn fixture(directory: &tempfile::TempDir) -> Fixture {
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    fixture.take();
    fixture
}

#[test]
fn a_package_is_one_event_and_what_is_critical_or_unexplained_one_each() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = fixture(&directory);
    let found = [
        tool("/usr/bin/tool"),
        explained("/usr/bin/sudo", "sudo", Severity::Critical),
        changed("/usr/bin/evil", Severity::High, 7),
        explained("/usr/bin/other", "other", Severity::Medium),
        tool("/usr/bin/a"),
    ];
    fixture.look(Scope::Files, &found);
    let events = fixture.take();
    assert_eq!(
        gists(&events),
        [
            "Package explained",
            "Package explained",
            "raised /usr/bin/evil",
            "raised /usr/bin/sudo"
        ]
    );
    assert_eq!(told(&events[0]), of("other", "New", &["/usr/bin/other"]));
    let expected = of("tool", "New", &["/usr/bin/a", "/usr/bin/tool"]);
    assert_eq!(told(&events[1]), expected);
    assert_eq!(events[1]["severity"], "Low");
    let pending = fixture.store.pending(fixture.now);
    assert_eq!((pending.open, pending.untold), (5, 0));
    // Found again it is not told again, before a day is over.
    fixture.look(Scope::Files, &found);
    assert_eq!(fixture.take(), [] as [Value; 0]);
    fixture.now += DAY + 60_000;
    fixture.look(Scope::Files, &found);
    let again = fixture.take();
    assert_eq!(again.len(), 4, "{:?}", gists(&again));
    let expected = of("tool", "In Progress", &["/usr/bin/a", "/usr/bin/tool"]);
    assert_eq!(told(&again[1]), expected);
}

#[test]
fn what_is_low_anyway_is_told_by_package_too_where_nothing_speaks_against_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = fixture(&directory);
    let low = |path: &str, evidence, reason: Option<&str>| {
        let mut finding = tool(path);
        finding.unexplained_severity = None;
        let by = finding.explained_by.as_mut().expect("a package");
        by.evidence = evidence;
        by.reason = reason.map(str::to_owned);
        finding
    };
    let found = [
        low("/usr/share/zoneinfo/A", Some(Evidence::Signed), None),
        low("/usr/share/zoneinfo/B", Some(Evidence::Md5), None),
        low(
            "/usr/share/zoneinfo/C",
            Some(Evidence::Signed),
            Some("the package is new on this host"),
        ),
    ];
    fixture.look(Scope::Files, &found);
    let events = fixture.take();
    assert_eq!(
        gists(&events),
        [
            "Package explained",
            "raised /usr/share/zoneinfo/B",
            "raised /usr/share/zoneinfo/C"
        ]
    );
    assert_eq!(
        told(&events[0]),
        of("tool", "New", &["/usr/share/zoneinfo/A"])
    );
}

#[test]
fn what_was_told_by_itself_before_its_evidence_came_is_changed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = fixture(&directory);
    fixture.look(
        Scope::Files,
        &[changed("/usr/bin/tool", Severity::High, 1030)],
    );
    let raised = fixture.take();
    fixture.look(Scope::Files, &[tool("/usr/bin/tool")]);
    let events = fixture.take();
    assert_eq!(gists(&events), ["changed /usr/bin/tool"]);
    let uid = |event: &Value| event["finding_info"]["uid"].clone();
    assert_eq!(uid(&events[0]), uid(&raised[0]));
    assert_eq!(events[0]["severity"], "Low");
}

#[test]
fn what_was_told_by_package_and_is_something_else_is_raised() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = fixture(&directory);
    fixture.look(Scope::Files, &[tool("/usr/bin/a"), tool("/usr/bin/b")]);
    fixture.take();
    // Edited after the update: at its full severity, as new. The other one is as recorded again.
    fixture.look(Scope::Files, &[changed("/usr/bin/a", Severity::High, 7)]);
    let events = fixture.take();
    assert_eq!(gists(&events)[0], "raised /usr/bin/a");
    assert_eq!(events[0]["severity"], "High");
    assert_eq!(told(&events[1]), of("", "Resolved", &["/usr/bin/b"]));
    fixture.look(Scope::Files, &[]);
    assert_eq!(gists(&fixture.take()), ["cleared /usr/bin/a"]);
    assert_eq!(fixture.store.pending(fixture.now).open, 0);
}

#[test]
fn it_waits_a_while_for_more_of_its_package_and_never_a_minute() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = fixture(&directory);
    let begun = fixture.now;
    let scan = fixture.store.begin(Scope::Path(b"/usr".to_vec()));
    let mut n = 0;
    while fixture.waiting().is_empty() {
        // Something of it comes every second.
        n += 1;
        fixture.now += 1000;
        let path = format!("/usr/lib/tool/{n}");
        fixture.store.found(scan, &tool(&path), None, fixture.now);
        fixture.store.commit(fixture.now);
        fixture.store.tick(fixture.now);
    }
    let waited = fixture.now - begun;
    assert!((40_000..60_000).contains(&waited), "{waited}");
    fixture.take();
    fixture.now += 10_000;
    fixture
        .store
        .found(scan, &tool("/usr/lib/x"), None, fixture.now);
    fixture.store.commit(fixture.now);
    assert_eq!(fixture.waiting().len(), 0);
    let wait = fixture.store.tick(fixture.now).expect("something waits");
    assert!((0..=2_000).contains(&wait), "{wait}");
    fixture.now += wait;
    fixture.store.tick(fixture.now);
    assert_eq!(gists(&fixture.take()), ["Package explained"]);
}

#[test]
fn a_kill_while_it_waits_loses_nothing_and_the_end_waits_for_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut first = fixture(&directory);
    let scan = first.store.begin(Scope::Path(b"/usr".to_vec()));
    first
        .store
        .found(scan, &tool("/usr/bin/tool"), None, first.now);
    first.store.commit(first.now);
    assert_eq!(first.waiting().len(), 0);
    drop(first);
    let mut second = Fixture::open(directory.path(), 64 << 20, T + 500);
    second.settle();
    let events = second.take();
    assert_eq!(told(&events[0]), of("tool", "New", &["/usr/bin/tool"]));
    let scan = second.store.begin(Scope::Path(b"/usr".to_vec()));
    second
        .store
        .found(scan, &tool("/usr/bin/more"), None, second.now);
    let reason = "SIGTERM".to_owned();
    second.store.tell(Lifecycle::Stopped { reason }, second.now);
    second.store.commit(second.now);
    assert_eq!(gists(&second.take()), ["Package explained", "Stop"]);
}

#[test]
fn the_end_of_a_transaction_comes_after_what_it_explains_with_numbers() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = fixture(&directory);
    let transaction = Transaction {
        holder: "apt-get".into(),
        pid: 7,
        manager: "dpkg",
    };
    fixture.tell(Lifecycle::TransactionBegun(transaction.clone()));
    let cause = ChangeContext {
        transaction: Some("apt-get".into()),
        replaces: Some("1.0".into()),
        ..ChangeContext::default()
    };
    let scan = fixture.store.begin(Scope::Path(b"/usr".to_vec()));
    for finding in [
        tool("/usr/bin/tool"),
        tool("/usr/bin/b"),
        changed("/usr/bin/evil", Severity::High, 7),
        explained("/usr/bin/sudo", "sudo", Severity::Critical),
    ] {
        fixture
            .store
            .found(scan, &finding, Some(&cause), fixture.now);
    }
    // One package in two parts is one.
    fixture.store.commit(fixture.now);
    fixture.now += 60_000;
    fixture.store.tick(fixture.now);
    let later = tool("/usr/bin/later");
    let store = &mut fixture.store;
    store.found(scan, &later, Some(&cause), fixture.now);
    fixture.store.tell(
        Lifecycle::TransactionEnded {
            transaction,
            since: T,
            until: T + 5000,
            waited: 3,
            counts: TransactionCounts::default(),
        },
        fixture.now,
    );
    fixture.store.commit(fixture.now);
    let events = fixture.take();
    let expected = [
        "Package transaction begun",
        "raised /usr/bin/evil",
        "raised /usr/bin/sudo",
        "Package explained",
        "Package explained",
        "Package transaction ended",
    ];
    assert_eq!(gists(&events), expected);
    assert_eq!(events[3]["unmapped"]["package"]["replaces"], "1.0");
    let numbers = &events[5]["unmapped"]["told"];
    let number = |name: &str| numbers[name].as_u64();
    assert_eq!(
        (number("packages"), number("explained")),
        (Some(1), Some(3))
    );
    let singles = (number("single"), number("critical"));
    assert_eq!(singles, (Some(2), Some(1)), "{numbers}");
}

#[test]
fn a_list_that_a_full_spool_gave_up_is_told_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 10, T);
    fixture.look(Scope::Files, &[tool("/usr/bin/tool")]);
    let noise: Vec<Finding> = (0..60)
        .map(|n| changed(&format!("/etc/{n}"), Severity::High, 7))
        .collect();
    fixture.look(Scope::Path(b"/etc".to_vec()), &noise);
    let events = fixture.take();
    assert!(
        !gists(&events).contains(&"Package explained".to_owned()),
        "given up first: {:?}",
        gists(&events)
    );
    let mut all = noise;
    all.push(tool("/usr/bin/tool"));
    for _ in 0..3 {
        fixture.now += 60_000;
        fixture.look(Scope::Files, &all);
        let events = fixture.take();
        let mut lists = events
            .iter()
            .filter(|event| event["activity_name"] == "Package explained");
        if let Some(list) = lists.next_back() {
            assert_eq!(told(list), of("tool", "New", &["/usr/bin/tool"]));
            return;
        }
    }
    panic!("it is not told anew");
}

/// The log of an update of 300 packages with 20,000 files.
#[test]
fn an_update_of_20_000_files_takes_less_than_two_megabytes() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = fixture(&directory);
    let paths = (0..20_000).map(|n| {
        (
            n % 300,
            format!(
                "/usr/share/package-{:03}/part/of/it/file-{n:05}.dat",
                n % 300
            ),
        )
    });
    let scan = fixture.store.begin(Scope::Files);
    for (n, path) in paths {
        let finding = explained(&path, &format!("package-{n:03}"), Severity::High);
        fixture.store.found(scan, &finding, None, fixture.now);
    }
    fixture.store.end(scan, fixture.now);
    fixture.settle();
    let parcels = fixture.waiting();
    let bytes: usize = parcels.iter().map(|parcel| parcel.bytes.len()).sum();
    assert!(bytes < 2_000_000, "{bytes}");
    let events = values(&parcels);
    assert_eq!(events.len(), 300);
    let count: usize = events.iter().map(|event| told(event).2.len()).sum();
    assert_eq!(count, 20_000);
    let delivery = Delivery {
        accepted: parcels.iter().map(|parcel| parcel.key).collect(),
        refused: Vec::new(),
    };
    fixture
        .store
        .settle(SinkKind::Stdout, &delivery, fixture.now);
    fixture.settle();
    assert_eq!(fixture.store.pending(fixture.now).untold, 0);
    // Accepted by an amendment: gone by lists too.
    fixture.look(Scope::Files, &[]);
    let events = fixture.take();
    let gone: usize = events.iter().map(|event| told(event).2.len()).sum();
    assert_eq!(gone, 20_000);
    assert!(events.len() < 60, "{}", events.len());
    assert!(Sign::of("files.unreadable").is_none());
}
