use super::*;

fn touch(path: &str) -> Touch {
    Touch {
        path: path.into(),
        below: true,
        itself: true,
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn paths(due: &[Due]) -> Vec<String> {
    let path = |due: &Due| String::from_utf8_lossy(&due.region.path).into_owned();
    due.iter().map(path).collect()
}

#[test]
fn a_path_is_due_when_it_is_quiet() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(200));
    debouncer.touch(touch("a"), start);
    debouncer.touch(touch("b"), start + ms(50));
    debouncer.touch(touch("a"), start + ms(100));
    assert_eq!(debouncer.next(), Some(start + ms(250)));
    assert_eq!(debouncer.due(start + ms(249), MOST), []);
    assert_eq!(paths(&debouncer.due(start + ms(299), MOST)), ["b"]);
    let due = debouncer.due(start + ms(300), MOST);
    assert_eq!((paths(&due), due[0].since), (vec!["a".into()], start));
    assert_eq!((debouncer.next(), debouncer.is_empty()), (None, true));
}

#[test]
fn another_quiet_time_loses_nothing() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(200));
    debouncer.touch(touch("a"), start);
    debouncer.set_quiet(ms(500));
    debouncer.touch(touch("b"), start);
    assert_eq!(paths(&debouncer.due(start + ms(200), MOST)), ["a"]);
    assert_eq!(debouncer.next(), Some(start + ms(500)));
}

#[test]
fn one_path_may_be_taken_by_itself() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(200));
    debouncer.touch(touch("a"), start);
    debouncer.touch(touch("b"), start);
    assert!(!debouncer.take(b"a", start + ms(199)), "not yet");
    assert!(!debouncer.take(b"c", start + ms(200)), "never touched");
    assert!(debouncer.take(b"a", start + ms(200)));
    assert!(!debouncer.take(b"a", start + ms(200)), "taken");
    assert_eq!(paths(&debouncer.due(start + ms(200), MOST)), ["b"]);
    assert_eq!((debouncer.next(), debouncer.is_empty()), (None, true));
}

#[test]
fn entries_that_wait_are_found_by_their_directory() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(200));
    for path in ["", "a", "a/x", "a/x/y", "a/z", "a-b", "b"] {
        debouncer.touch(touch(path), start);
    }
    let entries = |directory: &str, most| {
        let found = debouncer.entries_of(directory.as_bytes(), most);
        let text = |path: Vec<u8>| String::from_utf8_lossy(&path).into_owned();
        found.into_iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(entries("", 9), ["a", "a-b", "b"]);
    assert_eq!(entries("a", 9), ["a/x", "a/z"]);
    assert_eq!(entries("a", 1), ["a/x"]);
    assert_eq!(entries("b", 9), [""; 0]);
}

#[test]
fn a_busy_path_is_due_in_the_end() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(200));
    for i in 0..30 {
        debouncer.touch(touch("log"), start + ms(100 * i));
        let due = debouncer.due(start + ms(100 * i), MOST);
        assert_eq!(!due.is_empty(), i == 20, "{i}");
    }
}

#[test]
fn touches_of_one_path_add_up() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(1));
    for (below, itself) in [(false, true), (true, false), (false, false)] {
        let path = b"d".to_vec();
        debouncer.touch(
            Touch {
                path,
                below,
                itself,
            },
            start,
        );
    }
    let due = debouncer.due(start + ms(1), MOST);
    assert_eq!(due.len(), 1);
    assert!(due[0].region.below && due[0].itself);
}

#[test]
fn directories_stand_for_what_does_not_fit() {
    let start = Instant::now();
    let mut debouncer = Debouncer::with_room(ms(10), 100);
    debouncer.touch(touch("\0canary"), start);
    debouncer.touch(touch("few/x"), start);
    for i in 0..1000 {
        debouncer.touch(touch(&format!("many/{}/x{i}", i % 3)), start);
        assert!(debouncer.len() <= 100);
    }
    let due = debouncer.due(start + ms(10), MOST);
    let all = |path: &str| {
        due.iter().any(|d| {
            d.region
                == Region {
                    path: path.into(),
                    below: true,
                }
        })
    };
    assert!(all("\0canary") && all("few/x"), "{due:?}");
    for i in 0..1000 {
        let (directory, path) = (format!("many/{}", i % 3), format!("many/{}/x{i}", i % 3));
        assert!(all(&path) || all(&directory), "{path}");
    }
}

#[test]
fn everything_may_be_taken_out() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(10));
    debouncer.touch(touch("a"), start);
    debouncer.clear();
    assert_eq!((debouncer.len(), debouncer.next()), (0, None));
}

#[test]
fn directories_take_turns_and_no_more_is_taken_than_asked_for() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(10));
    for i in 0..1000 {
        debouncer.touch(touch(&format!("noisy/x{i:04}")), start);
    }
    debouncer.touch(touch("calm/a"), start + ms(5));
    debouncer.touch(touch("late/a"), start + ms(6));
    let taken = paths(&debouncer.due(start + ms(15), 100));
    assert_eq!(taken.len(), 100);
    assert_eq!(taken[0], "calm/a", "it does not wait for the crowd");
    assert!(taken[1..].iter().all(|path| path.starts_with("noisy/")));
    let taken = paths(&debouncer.due(start + ms(16), 100));
    assert_eq!((taken.len(), &*taken[0]), (100, "late/a"));
    let mut rest = 0;
    while !debouncer.is_empty() {
        rest += debouncer.due(start + ms(16), 300).len();
    }
    assert_eq!((rest, debouncer.next()), (802, None), "none is lost");
}

#[test]
fn what_waited_longest_comes_first_in_each_directory() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(10));
    for (i, path) in ["a/3", "b/3", "a/2", "b/2", "a/1", "b/1"]
        .iter()
        .enumerate()
    {
        debouncer.touch(touch(path), start + ms(i as u64));
    }
    let all = start + ms(100);
    assert_eq!(paths(&debouncer.due(all, 1)), ["a/3"]);
    assert_eq!(paths(&debouncer.due(all, 2)), ["a/2", "b/3"]);
    assert_eq!(paths(&debouncer.due(all, 9)), ["a/1", "b/1", "b/2"]);
}

#[test]
fn an_urgent_path_is_looked_at_while_it_is_busy_and_again_when_it_is_quiet() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(200));
    let mut looks = Vec::new();
    for i in 0..=10 {
        let now = start + ms(100 * i);
        debouncer.touch_urgent(touch("passwd"), now);
        debouncer.touch(touch("other"), now);
        assert!(debouncer.next_first_look() <= Some(now + ms(400)));
        if !debouncer.first_looks(now, MOST).is_empty() {
            looks.push(100 * i);
        }
        assert_eq!(debouncer.due(now, MOST), [], "busy");
    }
    assert_eq!(looks, [400, 900], "each 400 ms after the first touch since");
    assert_eq!(debouncer.next_first_look(), Some(start + ms(1200)));
    let quiet = start + ms(1200);
    assert_eq!(paths(&debouncer.first_looks(quiet, MOST)), ["passwd"]);
    assert_eq!(paths(&debouncer.due(quiet, MOST)), ["other", "passwd"]);
    assert_eq!(debouncer.next_first_look(), None);
}

#[test]
fn a_first_look_is_not_lost_to_the_other_one() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(200));
    debouncer.touch_urgent(touch("passwd"), start);
    assert_eq!(paths(&debouncer.due(start + ms(200), MOST)), ["passwd"]);
    assert_eq!(debouncer.next_first_look(), Some(start + ms(200)));
    assert_eq!(
        paths(&debouncer.first_looks(start + ms(200), MOST)),
        ["passwd"]
    );
    assert_eq!(
        (debouncer.next(), debouncer.next_first_look()),
        (None, None)
    );
}

#[test]
fn in_a_hurry_nothing_waits_for_quiet() {
    let start = Instant::now();
    let mut debouncer = Debouncer::new(ms(200));
    debouncer.touch(touch("a"), start);
    debouncer.hurry(start);
    debouncer.touch(touch("b"), start);
    assert_eq!(paths(&debouncer.due(start, MOST)), ["a", "b"]);
    assert_eq!(debouncer.next(), None);
}
