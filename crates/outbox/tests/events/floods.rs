//! Many deviations at once: which are told, in what order, and how soon.

use super::told::file;
use super::{Fixture, T, changed, gists, values};
use agent_core::finding::{Finding, Severity};
use agent_outbox::store::{FLOOD, Scope, SinkKind};

const DAY: i64 = 24 * 3600 * 1000;

#[test]
fn more_deviations_than_a_look_remembers() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    let many: Vec<Finding> = (0..6000).map(|n| file(&format!("/d/{n:05}"))).collect();
    fixture.look(Scope::Files, &many);
    assert_eq!(fixture.take().len(), 6001);
    fixture.now += 10_000;
    fixture.look(Scope::Files, &many);
    assert_eq!(gists(&fixture.take()), ["Flood ended"]);
    fixture.look(Scope::Files, &many[1..]);
    assert_eq!(gists(&fixture.take()), ["cleared /d/00000"]);
    drop(fixture);
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T + DAY / 2);
    fixture.look(Scope::Files, &many[2..]);
    assert_eq!(gists(&fixture.take()), ["cleared /d/00001"]);
    fixture.look(Scope::Path(b"/d".to_vec()), &[]);
    assert_eq!(fixture.take().len(), 5998);
}

#[test]
fn a_flood_is_marked_and_summed_up_and_delays_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    let all = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    let many: Vec<Finding> = (0..2000)
        .map(|n| {
            let directory = ["/usr/bin", "/usr/lib/a/b", "/etc"][n % 3];
            changed(&format!("{directory}/{n}"), all[n % 4], 5)
        })
        .collect();
    let scan_id = fixture.store.begin(Scope::Files);
    for finding in &many {
        fixture.store.found(scan_id, finding, None, fixture.now);
    }
    fixture.store.end(scan_id, fixture.now);
    fixture.store.commit(fixture.now);
    let events = values(&fixture.handed_over());
    assert_eq!(events.len(), 2001, "all is told before anything has ended");
    let at = |activity: &str| events.iter().position(|e| e["activity_name"] == activity);
    let begun = &events[at("Flood begun").expect("it is told")];
    let id = &begun["unmapped"]["flood"];
    assert!(id.is_string(), "{begun}");
    let severities: Vec<u64> = events
        .iter()
        .filter(|event| event["class_uid"] == 2004)
        .map(|event| event["severity_id"].as_u64().expect("a number"))
        .collect();
    assert!(severities.is_sorted_by(|a, b| a >= b), "worst first");
    for event in events.iter().filter(|event| event["class_uid"] == 2004) {
        let minor = event["severity_id"].as_u64() <= Some(3);
        let marked = &event["unmapped"]["flood"] == id;
        assert_eq!(marked, minor, "{event}");
    }
    fixture.take();
    fixture.now += 6000;
    fixture.store.tick(fixture.now);
    let [ended] = &fixture.take()[..] else {
        panic!("one event sums it up");
    };
    assert_eq!(ended["activity_name"], "Flood ended");
    assert_eq!(&ended["unmapped"]["flood"], id);
    assert_eq!(
        (&ended["count"], &ended["severity_id"]),
        (&2000.into(), &5.into())
    );
    let summary = &ended["unmapped"]["flood_summary"];
    for severity in ["low", "medium", "high", "critical"] {
        assert_eq!(summary["by_severity"][severity], 500);
    }
    let counted: u64 = summary["by_directory"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|place| place["count"].as_u64().expect("a count"))
        .sum();
    assert_eq!(counted, 2000);
    // A few more are no flood.
    fixture.now += 5000;
    fixture.look(Scope::Path(b"/x".to_vec()), &[file("/x")]);
    assert_eq!(gists(&fixture.take()), ["raised /x"]);
}

#[test]
fn a_flood_outside_of_a_scan_is_one_too_and_a_crash_amid_it_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    let count = usize::try_from(FLOOD).expect("fits") * 10;
    let scan_id = fixture.store.begin(Scope::Path(b"/".to_vec()));
    for n in 0..count {
        fixture
            .store
            .found(scan_id, &file(&format!("/{n}")), None, fixture.now);
    }
    fixture.store.commit(fixture.now);
    assert_eq!(fixture.waiting().len(), count + 1);
    drop(fixture);
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T + 1);
    fixture.settle();
    let events = fixture.take();
    assert_eq!(events.len(), count + 2);
    let last = &events[count + 1];
    assert_eq!(last["activity_name"], "Flood ended");
    assert_eq!(last["count"], count);
    drop(fixture);
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T + 2);
    fixture.settle();
    assert_eq!(gists(&fixture.take()), [""; 0], "it is summed up once");
}

#[test]
fn critical_events_overtake_and_noise_in_one_place_does_not_delay_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    let noise: Vec<Finding> = (0..3000)
        .map(|n| changed(&format!("/home/a/.ssh/{}/{n}", n % 700), Severity::High, n))
        .collect();
    let scan_id = fixture.store.begin(Scope::Path(b"/".to_vec()));
    for finding in &noise {
        fixture.store.found(scan_id, finding, None, fixture.now);
    }
    for (path, severity) in [
        ("/home/b/.ssh/authorized_keys", Severity::High),
        ("/etc/passwd", Severity::Critical),
    ] {
        let finding = changed(path, severity, 1);
        fixture.store.found(scan_id, &finding, None, fixture.now);
    }
    fixture.store.commit(fixture.now);
    let first = fixture.store.parcels(SinkKind::Stdout, 5, usize::MAX);
    let first = gists(&values(&first));
    assert_eq!(first[0], "raised /etc/passwd");
    assert!(
        first.contains(&"raised /home/b/.ssh/authorized_keys".into()),
        "{first:?}"
    );
}

#[test]
fn a_critical_one_is_on_disk_at_once_and_others_within_their_group() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    fixture.now += 1000;
    let scan_id = fixture.store.begin(Scope::Path(b"/".to_vec()));
    fixture.store.found(scan_id, &file("/a"), None, fixture.now);
    assert_eq!(fixture.waiting().len(), 0);
    assert_eq!(fixture.store.tick(fixture.now + 20), Some(30));
    assert_eq!(fixture.store.tick(fixture.now + 50), None);
    assert_eq!(fixture.waiting().len(), 1);
    fixture.now += 1000;
    let critical = changed("/b", Severity::Critical, 1);
    fixture.store.found(scan_id, &critical, None, fixture.now);
    assert_eq!(fixture.waiting().len(), 2);
    fixture.now += 1000;
    for n in 0..500 {
        fixture
            .store
            .found(scan_id, &file("/a"), None, fixture.now + n);
    }
    assert_eq!(fixture.store.pending(fixture.now).held, 0, "a full group");
}
