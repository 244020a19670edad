use super::*;
use crate::daemon::clock::UnixMillis;
use agent_packages::transaction::Manager;
use std::cell::RefCell;

fn touches(paths: impl IntoIterator<Item = String>) -> Vec<Touch> {
    let touch = |path: String| Touch {
        path: path.into(),
        below: true,
        itself: true,
    };
    paths.into_iter().map(touch).collect()
}

/// Whoever is at work delays no check; what a package database judged meanwhile is checked again by the next one.
#[test]
fn nothing_waits_to_be_checked_while_packages_are_installed() {
    let start = Instant::now();
    let links = Links::default();
    for by_packages in [true, false] {
        let holder = RefCell::new(None);
        let mut pending = PendingPaths::new(Duration::ZERO);
        let mut take = |paths: &[&str], second| {
            let now = Now {
                monotonic: start + Duration::from_secs(second),
                wall: UnixMillis(0),
            };
            let paths = paths.iter().map(|path| String::from(*path));
            pending.touch(touches(paths), now.monotonic);
            let lock = &mut || holder.borrow().clone();
            let batch = pending.take(&links, by_packages, lock, now)?;
            let holder = batch.transaction().cloned().unwrap_or_default();
            let settled = batch.settled;
            let seen = |t: Touched| {
                let path = String::from_utf8_lossy(&t.region.path).into_owned();
                (path, t.itself)
            };
            let seen: Vec<_> = batch.into_touched().into_iter().map(seen).collect();
            Some((seen, holder, settled))
        };
        let seen = |paths: &[(&str, bool)]| {
            let of = |(path, itself): &(&str, bool)| (String::from(*path), *itself);
            paths.iter().map(of).collect::<Vec<_>>()
        };
        *holder.borrow_mut() = Some(Transaction {
            holder: "cloud-init".into(),
            pid: 4711,
            manager: Manager::CloudInit,
        });
        let (touched, name, settled) = take(&["etc/b", "etc/a"], 1).expect("at once");
        assert_eq!(touched, seen(&[("etc/a", true), ("etc/b", true)]));
        assert_eq!((name.as_str(), settled), ("cloud-init", false));
        assert!(take(&[], 2).is_none(), "checked");
        *holder.borrow_mut() = None;
        let after = take(&[], 3);
        match by_packages {
            true => {
                let (touched, name, settled) = after.expect("by another database");
                // Told as restored at most once.
                assert_eq!(touched, seen(&[("etc/a", false), ("etc/b", false)]));
                assert_eq!((name.as_str(), settled), ("cloud-init", true));
            }
            false => assert!(after.is_none(), "the manifest is the same one"),
        }
        let (_, name, settled) = take(&["etc/c"], 5).expect("what settles late");
        assert_eq!((name.as_str(), settled), ("cloud-init", true));
        let (_, name, _) = take(&["etc/c"], 60).expect("somebody else's");
        assert_eq!(name, "");
    }
}

#[test]
fn what_settles_in_a_transaction_is_gathered_for_a_moment() {
    let start = Instant::now();
    let links = Links::default();
    let at = |ms| Now {
        monotonic: start + Duration::from_millis(ms),
        wall: UnixMillis(0),
    };
    let held = Some(Transaction {
        holder: "dpkg".into(),
        pid: 7,
        manager: Manager::Dpkg,
    });
    let mut pending = PendingPaths::new(Duration::ZERO);
    let mut take = |path: &str, lock: &Option<Transaction>, ms| {
        let now = at(ms);
        pending.touch(touches([path.to_owned()]), now.monotonic);
        let batch = pending.take(&links, false, &mut || lock.clone(), now);
        let taken = batch.map_or(0, |batch| batch.into_touched().len());
        let due = pending
            .next_due(now.monotonic)
            .expect("the lock is asked for");
        (
            taken,
            due.saturating_duration_since(now.monotonic).as_millis(),
        )
    };
    assert_eq!(take("a", &held, 0).0, 1, "the first at once");
    // Asked for the lock, and no sooner for what is due already.
    assert_eq!(take("b", &held, 10), (0, 90));
    assert_eq!(take("c", &held, 200), (0, 50));
    assert_eq!(take("d", &held, 250).0, 3);
    assert_eq!(take("e", &held, 300).0, 0);
    assert_eq!(take("f", &None, 400).0, 2, "it is over");
    assert_eq!(take("g", &None, 401).0, 1);
}

/// Whichever manager holds its lock: rpm's database has all of a package when its files are there, and settings of the package
/// manager may have been judged while one was written.
#[test]
fn what_nothing_explains_is_looked_at_once_more_when_the_lock_is_free() {
    let start = Instant::now();
    let links = Links::default();
    for (holder, manager) in [("rpm", Manager::Rpm), ("dpkg", Manager::Dpkg)] {
        let at = |second| Now {
            monotonic: start + Duration::from_secs(second),
            wall: UnixMillis(0),
        };
        let held = Some(Transaction {
            holder: holder.into(),
            pid: 7,
            manager,
        });
        let mut pending = PendingPaths::new(Duration::ZERO);
        pending.touch(touches(["usr/bin/a".to_owned()]), at(1).monotonic);
        let batch = pending.take(&links, false, &mut || held.clone(), at(1));
        let batch = batch.expect("looked at while it is held");
        assert!(!batch.settled);
        let path = b"usr/bin/a";
        let touched = batch.touched(path).expect("it was touched");
        for _ in 0..2 {
            pending.transactions.look_at_end(touched, path);
        }
        assert!(!pending.is_judged());
        assert!(
            pending
                .take(&links, false, &mut || held.clone(), at(2))
                .is_none()
        );
        let again = pending.take(&links, false, &mut || None, at(3));
        let again = again.expect("once more");
        assert!(again.settled);
        let found = again.touched(path).expect("it");
        assert_eq!(found.transaction.as_deref(), Some(holder));
        assert!(!found.itself, "told as restored at most once");
        pending.transactions.look_at_end(found, path);
        assert!(pending.is_judged(), "and not for ever");
        assert!(pending.take(&links, false, &mut || None, at(4)).is_none());
    }
}

/// dpkg's database may say for ever that a package is being unpacked: without the lock nothing waits for it.
#[test]
fn what_dpkg_left_unpacked_is_looked_at_once_when_the_lock_is_free() {
    let start = Instant::now();
    let links = Links::default();
    let at = |ms| Now {
        monotonic: start + Duration::from_millis(ms),
        wall: UnixMillis(0),
    };
    let held = Some(Transaction {
        holder: "dpkg".into(),
        pid: 7,
        manager: Manager::Dpkg,
    });
    let mut pending = PendingPaths::new(Duration::ZERO);
    pending.touch(touches(["usr/bin/a".to_owned()]), at(0).monotonic);
    let batch = pending.take(&links, false, &mut || held.clone(), at(0));
    let batch = batch.expect("looked at while it is held");
    assert!(batch.unpacking);
    let touched = batch.touched(b"usr/bin/a").expect("it was touched");
    let transactions = &mut pending.transactions;
    assert!(transactions.note("a".into(), touched, b"usr/bin/a", at(0).monotonic));
    let again = pending.take(&links, false, &mut || None, at(300));
    assert!(!again.expect("it is free").unpacking);
    assert!(pending.take(&links, false, &mut || None, at(600)).is_none());
}

#[test]
fn a_job_takes_a_bounded_number_and_the_rest_comes_next() {
    let start = Instant::now();
    let links = Links::default();
    let mut pending = PendingPaths::new(Duration::ZERO);
    let many = 5 * MOST_AT_ONCE;
    let region = |n: usize| Region {
        path: n.to_string().into(),
        below: false,
    };
    let now = Now {
        monotonic: start,
        wall: UnixMillis(0),
    };
    let all = (0..many).map(|n| Touched::unseen(region(n), now.wall.system()));
    pending.again(all.collect());
    let mut taken = 0;
    while let Some(batch) = pending.take(&links, false, &mut || None, now) {
        let count = batch.into_touched().len();
        assert!(count <= 2 * MOST_AT_ONCE, "{count}");
        taken += count;
    }
    assert_eq!(taken, many);
    assert_eq!(pending.next_due(start), None);
}

#[test]
fn at_the_end_nothing_waits_for_quiet() {
    let start = Instant::now();
    let hour = Duration::from_secs(3600);
    let mut pending = PendingPaths::new(hour);
    pending.touch(touches(["a".to_owned()]), start);
    pending.stop(true, start);
    let now = Now {
        monotonic: start,
        wall: UnixMillis(0),
    };
    assert!(!pending.is_done(true, start));
    let batch = pending.take(&Links::default(), false, &mut || None, now);
    assert_eq!(batch.map(|batch| batch.into_touched().len()), Some(1));
    // The canary comes back behind everything else.
    assert!(!pending.is_done(true, start) && pending.is_done(false, start));
    let canary = String::from_utf8_lossy(canary::KEY).into_owned();
    pending.touch(touches([canary]), start);
    assert!(pending.is_done(true, start + hour));
}
