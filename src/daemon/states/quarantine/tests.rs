use super::*;
use crate::daemon::panics::left_out::LeftOut;

const MOMENT: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const START: UnixMillis = UnixMillis(0);

fn subject(job: Job, kind: TaskKind, name: &str) -> Subject {
    let name = name.as_bytes().to_vec();
    Subject { job, kind, name }
}

fn file(name: &str) -> Subject {
    subject(Job::Files, TaskKind::File, name)
}

fn mark(subject: &Subject, time: UnixMillis) -> Mark {
    Mark {
        id: format!("{} 1", time.0),
        time,
        version: "0".into(),
        binary: "one".into(),
        location: "src/a.rs:1:1".into(),
        subject: subject.clone(),
    }
}

fn same(_: &Subject) -> String {
    "as it was".into()
}

/// Panics of that many, a second apart.
fn panicked(
    quarantine: &mut Quarantine,
    subject: &Subject,
    from: UnixMillis,
    times: u32,
) -> UnixMillis {
    let mut now = from;
    for _ in 0..times {
        now = now + Duration::from_secs(1);
        quarantine.panicked(&mark(subject, now), "one", &same, now);
    }
    now
}

fn aside(quarantine: &Quarantine) -> Vec<String> {
    quarantine
        .aside()
        .map(|held| held.subject.describe())
        .collect()
}

#[test]
fn three_panics_set_a_subject_aside_and_two_do_not() {
    let mut quarantine = Quarantine::default();
    panicked(&mut quarantine, &file("a/b"), START, 2);
    panicked(&mut quarantine, &file("a/c"), UnixMillis(10_000), 2);
    assert_eq!(aside(&quarantine), [""; 0]);
    panicked(&mut quarantine, &file("a/b"), UnixMillis(20_000), 1);
    assert_eq!(aside(&quarantine), ["files: /a/b"]);
    let held = quarantine.held[0].clone();
    assert!(!held.told && held.binary == "one" && held.wait == FIRST_WAIT);
}

#[test]
fn a_mark_counts_once_and_for_a_day() {
    let mut quarantine = Quarantine::default();
    for _ in 0..5 {
        quarantine.panicked(
            &mark(&file("a"), UnixMillis(1000)),
            "one",
            &same,
            UnixMillis(1000),
        );
    }
    panicked(&mut quarantine, &file("a"), UnixMillis(5000), 1);
    panicked(&mut quarantine, &file("a"), UnixMillis(5000) + LAST_WAIT, 2);
    assert_eq!(aside(&quarantine), [""; 0]);
    panicked(&mut quarantine, &file("a"), UnixMillis(9000) + LAST_WAIT, 1);
    assert_eq!(aside(&quarantine), ["files: /a"]);
}

#[test]
fn waits_double_up_to_a_day_and_one_panic_sets_it_aside_again() {
    let mut quarantine = Quarantine::default();
    let mut now = panicked(&mut quarantine, &file("a"), START, 3);
    let mut wait = FIRST_WAIT;
    for _ in 0..12 {
        assert_eq!(quarantine.release("one", &same, now + wait - MOMENT), []);
        now = now + wait;
        assert_eq!(quarantine.release("one", &same, now), [file("a")]);
        assert_eq!(aside(&quarantine), [""; 0], "it is tried");
        now = panicked(&mut quarantine, &file("a"), now, 1);
        assert_eq!(aside(&quarantine), ["files: /a"]);
        wait = (wait * 2).min(24 * HOUR);
    }
    assert_eq!(wait, 24 * HOUR);
}

#[test]
fn another_binary_tries_at_once_and_another_input_after_ten_minutes_at_the_earliest() {
    let other = |_: &Subject| "changed".to_owned();
    let mut quarantine = Quarantine::default();
    let now = panicked(&mut quarantine, &file("a"), START, 3);
    let mut again = quarantine.clone();
    assert_eq!(again.release("two", &same, now), [file("a")]);
    assert_eq!(
        quarantine.release("one", &other, now + 10 * MINUTE - MOMENT),
        []
    );
    quarantine.held[0].wait = 8 * HOUR;
    assert_eq!(
        quarantine.release("one", &other, now + 2 * HOUR - MOMENT),
        []
    );
    assert_eq!(quarantine.release("one", &same, now + 2 * HOUR), []);
    assert_eq!(
        quarantine.release("one", &other, now + 2 * HOUR),
        [file("a")]
    );
}

#[test]
fn what_was_tried_and_passed_is_no_longer_of_note() {
    let mut quarantine = Quarantine::default();
    let now = panicked(&mut quarantine, &file("a"), START, 3);
    assert!(!quarantine.passed(|_| true, now), "it was not tried");
    let now = now + FIRST_WAIT;
    quarantine.release("one", &same, now);
    assert!(
        !quarantine.passed(|_| true, now - MOMENT),
        "the job began before"
    );
    assert!(
        !quarantine.passed(|_| false, now),
        "it was about something else"
    );
    assert!(quarantine.passed(|s| *s == file("a"), now));
    assert_eq!(quarantine.held, []);
    panicked(&mut quarantine, &file("a"), now, 2);
    assert_eq!(aside(&quarantine), [""; 0], "it counts anew");
}

#[test]
fn a_clock_that_goes_back_makes_nothing_wait_for_longer() {
    let mut quarantine = Quarantine::default();
    let now = panicked(&mut quarantine, &file("a"), START + 100 * HOUR, 3);
    assert_eq!(quarantine.release("one", &same, now - 99 * HOUR), []);
    let released = quarantine.release("one", &same, now - 99 * HOUR + FIRST_WAIT);
    assert_eq!(released, [file("a")]);
}

#[test]
fn who_makes_another_file_each_time_has_his_directory_set_aside() {
    let mut quarantine = Quarantine::default();
    let mut now = START;
    for n in 0..IN_DIRECTORY {
        assert_eq!(aside(&quarantine), [""; 0]);
        now = panicked(&mut quarantine, &file(&format!("home/u/f{n}")), now, 1);
    }
    assert_eq!(aside(&quarantine), ["files: /home/u with all below it"]);
    // Two names of a directory whose files fail for a reason of their own are not that.
    let mut quarantine = Quarantine::default();
    panicked(&mut quarantine, &file("etc/a"), START, 3);
    panicked(&mut quarantine, &file("etc/b"), UnixMillis(10_000), 3);
    assert_eq!(aside(&quarantine), ["files: /etc/a", "files: /etc/b"]);
}

#[test]
fn who_makes_another_directory_each_time_gains_no_more() {
    let mut quarantine = Quarantine::default();
    let mut now = START;
    let mut panics = 0;
    while aside(&quarantine).is_empty() {
        panics += 1;
        now = panicked(
            &mut quarantine,
            &file(&format!("home/u/d{panics}/f")),
            now,
            1,
        );
    }
    assert_eq!(aside(&quarantine), ["files: /home/u with all below it"]);
    assert_eq!(panics, 2 * IN_DIRECTORY);
}

#[test]
fn what_is_remembered_is_bounded_and_the_root_is_never_set_aside() {
    let mut quarantine = Quarantine::default();
    let mut now = START;
    for n in 0..=MOST_IN_DIRECTORY {
        now = panicked(&mut quarantine, &file(&format!("home/u/f{n}")), now, 3);
    }
    assert_eq!(aside(&quarantine), ["files: /home/u with all below it"]);
    for n in 0..40 {
        for name in ["x", "y"] {
            let path = format!("home/v/{name}/d{n}/f");
            now = panicked(&mut quarantine, &file(&path), now, 3);
        }
        assert!(quarantine.held.len() <= MOST && quarantine.counts.len() <= MOST);
    }
    for n in 0..3 * MOST {
        now = panicked(&mut quarantine, &file(&format!("top{n}")), now, 3);
        assert!(quarantine.held.len() <= 2 * MOST && quarantine.counts.len() <= MOST);
    }
    assert!(quarantine.held.iter().all(|h| !h.subject.name.is_empty()));
}

#[test]
fn a_directory_that_is_tried_again_is_set_aside_by_what_lies_in_it() {
    let mut quarantine = Quarantine::default();
    let directory = subject(Job::Files, TaskKind::Directory, "home/u");
    let now = panicked(&mut quarantine, &directory, START, 3) + FIRST_WAIT;
    quarantine.release("one", &same, now);
    panicked(&mut quarantine, &file("home/u/deep/f"), now, 1);
    assert_eq!(aside(&quarantine), ["files: /home/u with all below it"]);
    assert_eq!(quarantine.held[0].wait, 2 * FIRST_WAIT);
}

#[test]
fn what_cannot_be_left_out_is_counted_and_told() {
    let mut quarantine = Quarantine::default();
    let store = subject(Job::Store, TaskKind::Whole, "");
    panicked(&mut quarantine, &store, START, 3);
    assert_eq!(aside(&quarantine), [""; 0]);
    let stubborn: Vec<_> = quarantine.stubborn().map(|c| c.subject.clone()).collect();
    assert_eq!(stubborn, [store]);
    let area = subject(Job::Settings, TaskKind::Part, "sshd");
    panicked(&mut quarantine, &area, START, 3);
    let left_out = LeftOut::of(&quarantine);
    assert!(left_out.has(Job::Settings, "sshd") && !left_out.has(Job::Settings, "kernel"));
}

#[test]
fn files_are_digested_one_by_one_until_it_is_known_which_it_is() {
    let mut quarantine = Quarantine::default();
    assert!(!quarantine.alone());
    let batch = subject(Job::Files, TaskKind::Batch, "");
    let now = panicked(&mut quarantine, &batch, START, 1);
    assert!(quarantine.alone());
    quarantine.release("one", &same, now + LAST_WAIT);
    assert!(!quarantine.alone());
}

#[test]
fn the_watch_is_one_subject_and_passes_by_going_on() {
    let mut quarantine = Quarantine::default();
    let watch = subject(Job::Watch, TaskKind::Whole, "");
    let attribution = subject(Job::Watch, TaskKind::Part, "attribution");
    panicked(
        &mut quarantine,
        &subject(Job::Watch, TaskKind::Directory, "a"),
        START,
        2,
    );
    let now = panicked(
        &mut quarantine,
        &subject(Job::Watch, TaskKind::File, "b"),
        UnixMillis(2000),
        1,
    );
    assert_eq!(aside(&quarantine), ["watch"]);
    let now = now + FIRST_WAIT;
    assert_eq!(quarantine.release("one", &same, now), [watch]);
    quarantine.release("one", &same, now + FIRST_WAIT - MOMENT);
    assert_eq!(quarantine.held.len(), 1);
    quarantine.release("one", &same, now + FIRST_WAIT);
    assert_eq!(quarantine.held, []);
    panicked(&mut quarantine, &attribution, now, 3);
    assert_eq!(aside(&quarantine), ["watch: attribution"]);
}
