use super::*;
use std::time::SystemTime;

fn lock(holder: &str, manager: Manager) -> Option<Transaction> {
    Some(Transaction {
        holder: holder.into(),
        pid: 7,
        manager,
    })
}

/// Takes in who holds a lock, at that moment by both clocks.
fn saw(all: &mut Transactions, lock: Option<Transaction>, monotonic: Instant, wall: i64) {
    let wall = UnixMillis(wall);
    all.saw(lock, Now { monotonic, wall });
}

fn touched(path: &str) -> Touched {
    let region = Region {
        path: path.into(),
        below: true,
    };
    Touched {
        itself: true,
        transaction: Some("dpkg".into()),
        ..Touched::unseen(region, SystemTime::now())
    }
}

fn paths(touched: &[Touched]) -> Vec<String> {
    let path = |t: &Touched| String::from_utf8_lossy(&t.region.path).into_owned();
    touched.iter().map(path).collect()
}

/// What is told, in short.
fn news(transactions: &mut Transactions) -> Vec<String> {
    let short = |event: Lifecycle| match event {
        Lifecycle::TransactionBegun(begun) => format!("begun {} {}", begun.holder, begun.manager),
        Lifecycle::TransactionEnded {
            transaction,
            since,
            until,
            waited,
            ..
        } => format!("ended {} {since} {until} {waited}", transaction.holder),
        event => panic!("{event:?}"),
    };
    let news = transactions.news(true, Instant::now());
    news.into_iter().map(short).collect()
}

/// Packages that are asked for, those that need only be unpacked with a mark.
fn question(transactions: &mut Transactions, now: Instant) -> Option<Vec<String>> {
    let awaited = transactions.question(now)?;
    let called = |one: Awaited| format!("{}{}", one.package, if one.late { " late" } else { "" });
    Some(awaited.into_iter().map(called).collect())
}

#[test]
fn a_transaction_is_told_when_it_begins_and_when_its_lock_stays_free() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut all = Transactions::default();
    saw(&mut all, None, at(0), 0);
    assert!(!all.is_held() && all.holder(at(0)).is_none() && all.due().is_none());
    saw(&mut all, lock("apt-get", Manager::Dpkg), at(100), 100);
    assert_eq!(news(&mut all), ["begun apt-get dpkg"]);
    assert!(all.is_held() && all.is_unpacking() && all.due().is_some());
    // Between two runs.
    saw(&mut all, None, at(500), 500);
    assert!(!all.is_held() && all.is_unpacking());
    saw(&mut all, lock("dpkg", Manager::Dpkg), at(900), 900);
    assert!(all.is_held());
    assert_eq!(all.holder(at(900)).as_deref(), Some("dpkg"));
    saw(&mut all, None, at(1800), 1800);
    saw(&mut all, None, at(2799), 2799);
    assert!(news(&mut all).is_empty());
    saw(&mut all, None, at(2800), 2800);
    assert_eq!(news(&mut all), ["ended apt-get 100 900 0"]);
    assert!(!all.is_unpacking() && all.holder(at(5900)).is_some());
    assert!(all.holder(at(5901)).is_none(), "hours later somebody else");
    // Another manager's is another one; cloud-init's work is none.
    saw(&mut all, lock("dnf", Manager::Rpm), at(7000), 7000);
    assert!(!all.is_unpacking());
    saw(&mut all, lock("dpkg", Manager::Dpkg), at(8000), 8000);
    saw(
        &mut all,
        lock("cloud-init", Manager::CloudInit),
        at(9000),
        9000,
    );
    let expected = [
        "begun dnf rpm",
        "ended dnf 7000 7000 0",
        "begun dpkg dpkg",
        "ended dpkg 8000 8000 0",
    ];
    assert_eq!(news(&mut all), expected);
    assert!(all.is_held() && !all.is_unpacking());
    saw(&mut all, None, at(10_000), 10_000);
    saw(&mut all, None, at(11_000), 11_000);
    assert!(news(&mut all).is_empty());
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one transaction from its beginning to its end, an assertion a step"
)]
#[test]
fn only_what_dpkg_unpacks_waits_and_is_checked_again_when_that_is_done() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut all = Transactions::default();
    let file = touched("usr/bin/a");
    assert!(
        !all.note("a".into(), &file, b"usr/bin/a", at(100)),
        "no lock"
    );
    saw(&mut all, lock("rpm", Manager::Rpm), at(0), 0);
    assert!(!all.note("a".into(), &file, b"usr/bin/a", at(100)), "rpm's");
    saw(&mut all, lock("dpkg", Manager::Dpkg), at(100), 100);
    assert!(all.note("a".into(), &file, b"usr/bin/a", at(100)));
    assert!(
        all.note("a".into(), &file, b"usr/bin/a", at(100)),
        "found again"
    );
    assert!(all.note("b".into(), &touched("usr"), b"usr/bin/b", at(100)));
    assert!(all.note("b".into(), &touched("usr"), b"usr/bin/c", at(100)));
    assert_eq!(all.of(b"usr/bin/a").as_deref(), Some("dpkg"));
    assert_eq!(question(&mut all, at(599)), None);
    assert_eq!(
        question(&mut all, at(600)),
        Some(vec!["a".into(), "b".into()])
    );
    assert_eq!(question(&mut all, at(9000)), None, "one at a time");
    let done = all.done(&["b".into()], at(9000));
    assert_eq!(paths(&done), ["usr/bin/b", "usr/bin/c"]);
    // The finding's path alone, whatever was touched.
    assert!(done.iter().all(|t| !t.region.below && !t.itself));
    assert_eq!(all.question_due(), Some(at(9500)));
    assert!(all.done(&["b".into()], at(9500)).is_empty());
    // What the lock's end finds waiting.
    saw(&mut all, None, at(9600), 9600);
    assert!(!all.is_held() && all.holds());
    assert_eq!(paths(&all.release().touched), ["usr/bin/a"]);
    assert!(!all.holds());
    // By what it makes of the package database files are judged when it is over.
    all.by_packages = true;
    // A job that began before it was free.
    assert!(all.note("c".into(), &file, b"usr/bin/d", at(9600)) && all.holds());
    assert_eq!(all.question_due(), None);
    assert_eq!(paths(&all.release().touched), ["usr/bin/d"]);
    saw(&mut all, None, at(99_000), 99_000);
    assert_eq!(
        news(&mut all).last().map(String::as_str),
        Some("ended dpkg 100 100 4")
    );
    assert!(
        !all.note("c".into(), &file, b"usr/bin/d", at(99_000)),
        "over"
    );
}

/// What is critical does not wait, and a finding may come when all is over: nothing could explain them when they were
/// judged.
#[test]
fn what_was_told_of_a_package_half_in_place_is_looked_at_again() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut all = Transactions::default();
    let file = touched("usr/bin/a");
    saw(&mut all, lock("dpkg", Manager::Dpkg), at(0), 0);
    assert!(
        all.look_again("a".into(), &file, b"usr/bin/a", at(100))
            .is_none()
    );
    assert_eq!(question(&mut all, at(600)), Some(vec!["a".into()]));
    assert!(all.done(&[], at(600)).is_empty());
    assert_eq!(
        question(&mut all, at(30_000)),
        Some(vec!["a late".into()]),
        "its files are in place long before all is configured"
    );
    assert_eq!(paths(&all.done(&["a".into()], at(30_000))), ["usr/bin/a"]);
    assert!(!all.holds());
    // Somebody holds the lock and never ends: nobody reads dpkg's database for ever, and what was told is kept.
    assert!(
        all.look_again("a".into(), &file, b"usr/bin/a", at(30_100))
            .is_none()
    );
    assert_eq!(question(&mut all, at(90_100)), None);
    assert!(all.holds() && all.question_due().is_none());
    assert_eq!(paths(&all.release().touched), ["usr/bin/a"]);
    assert!(
        all.look_again("a".into(), &file, b"usr/bin/a", at(90_100))
            .is_none()
    );
    saw(&mut all, None, at(90_200), 90_200);
    assert_eq!(paths(&all.release().touched), ["usr/bin/a"]);
    saw(&mut all, None, at(92_000), 92_000);
    assert!(!all.is_unpacking());
    assert!(!all.note("a".into(), &file, b"usr/bin/a", at(92_001)));
    let again = all.look_again("a".into(), &file, b"usr/bin/a", at(92_001));
    let again = again.expect("at once");
    assert_eq!(paths(&[again]), ["usr/bin/a"]);
    assert!(!all.holds());
}

#[test]
fn what_waits_and_what_is_kept_is_bounded() {
    let start = Instant::now();
    let mut all = Transactions::default();
    saw(&mut all, lock("dpkg", Manager::Dpkg), start, 0);
    let file = touched("x");
    for n in 0..MOST_WAITING {
        assert!(all.note("a".into(), &file, format!("{n}").as_bytes(), start));
    }
    assert!(!all.note("a".into(), &file, b"more", start), "told at once");
    assert!(all.note("a".into(), &file, b"7", start), "known");
    assert_eq!(all.release().touched.len(), MOST_WAITING);
    all.keep(&[touched("x")]);
    assert!(!all.holds(), "a manifest stays what it is");
    all.by_packages = true;
    let many: Vec<Touched> = (0..MOST_TOUCHED).map(|n| touched(&n.to_string())).collect();
    all.keep(&many);
    all.keep(&many[..9]);
    assert_eq!(all.of(b"7/below").as_deref(), Some("dpkg"));
    all.keep(&[touched("more")]);
    let released = all.release();
    assert!(released.touched.is_empty() && released.too_many);
    assert!(!all.release().too_many);
}

#[test]
fn with_very_many_that_wait_packages_are_asked_for_less_often() {
    let start = Instant::now();
    let mut all = Transactions::default();
    saw(&mut all, lock("dpkg", Manager::Dpkg), start, 0);
    let file = touched("x");
    for n in 0..2 * MANY {
        assert!(all.note("a".into(), &file, format!("{n}").as_bytes(), start));
    }
    assert_eq!(all.question_due(), Some(start + ASK));
    assert!(all.done(&[], start + ASK).is_empty());
    assert_eq!(all.question_due(), Some(start + 4 * ASK));
}

#[test]
fn the_lock_is_asked_for_while_something_settles_or_waits() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut all = Transactions::default();
    assert!(!all.asks(false, at(0)) && all.due().is_none());
    assert!(all.asks(true, at(0)) && !all.asks(true, at(99)) && all.asks(true, at(100)));
    assert!(!all.asks(false, at(200)) && all.due().is_none());
    saw(&mut all, lock("dpkg", Manager::Dpkg), at(200), 0);
    assert_eq!(all.due(), Some(at(450)));
    assert!(!all.asks(false, at(449)) && all.asks(false, at(450)));
}

/// The store has told it by then: dpkg's database is not read for as long as somebody holds the lock.
#[test]
fn what_was_told_waits_no_longer() {
    let start = Instant::now();
    let at = |s| start + Duration::from_secs(s);
    let mut all = Transactions::default();
    saw(&mut all, lock("dpkg", Manager::Dpkg), start, 0);
    let file = touched("x");
    assert!(all.note("a".into(), &file, b"a", at(0)));
    assert!(all.note("b".into(), &file, b"b", at(30)));
    assert!(all.note("a".into(), &file, b"a", at(59)), "keeps its time");
    assert_eq!(
        question(&mut all, at(59)),
        Some(vec!["a late".into(), "b late".into()])
    );
    assert!(all.done(&[], at(59)).is_empty());
    assert_eq!(question(&mut all, at(60)), Some(vec!["b late".into()]));
    assert!(all.done(&[], at(89)).is_empty());
    assert_eq!(question(&mut all, at(90)), None);
    assert_eq!(all.question_due(), None);
}
