//! Who did it, by fanotify, on the real kernel.

use super::ledger::assert_same;
use super::sentry::Sentry;
use agent_core::change::Actor;
use agent_scan::watch::attribution::{Options, Status};
use harness::edits::{Edits, PROFILES, Rules};
use harness::kernel::limits_stand_still;
use harness::{Lab, UNTIL_SEEN, meanwhile};
use std::sync::Arc;
use std::time::SystemTime;

fn watched(lab: &Lab, arguments: bool) -> Sentry {
    let mut sentry = Sentry::with(lab, Some(Options { arguments }));
    sentry.run_while(|sentry| sentry.attribution.is_none());
    assert_eq!(sentry.attribution, Some(Status::On(1)));
    sentry
}

/// The actor of a path, once fanotify's thread has seen one of that name.
fn actor(sentry: &mut Sentry, path: &str, since: SystemTime, name: &str) -> Arc<Actor> {
    let seen = |sentry: &Sentry| {
        let actor = sentry.watch.actor(path.as_bytes(), since);
        actor.filter(|actor| actor.name.as_deref() == Some(name))
    };
    sentry.run_while(|sentry| seen(sentry).is_none());
    sentry.catch_up();
    seen(sentry).expect("it was just there")
}

#[test]
fn the_last_writer_is_named() {
    let lab = Lab::new();
    lab.shell("mkdir -p etc/dir gone/below; echo x | tee etc/conf etc/dir/file gone/below/file");
    lab.create().expect(0);
    let mut sentry = watched(&lab, false);
    let since = SystemTime::now();
    // A login user of its own, another user, and a program that lives while it is looked at.
    lab.shell("chown 1234 etc/conf; chmod 711 ..");
    let line = format!(
        "(echo 4321 >/proc/self/loginuid; exec setpriv --reuid 1234 --clear-groups \
            perl -e 'open(my $f, \">>\", \"etc/conf\"); syswrite($f, \"y\"); {UNTIL_SEEN}' secret)"
    );
    let seen = meanwhile(&lab.root(), &line, || {
        actor(&mut sentry, "etc/conf", since, "perl")
    });
    assert_eq!(
        (seen.uid, seen.login_uid),
        (Some(1234), Some(4321)),
        "{seen:?}"
    );
    assert_eq!(seen.name.as_deref(), Some("perl"), "{seen:?}");
    let program = seen.program.as_deref().expect("a program");
    assert!(program.ends_with("/perl"), "{seen:?}");
    assert_eq!(seen.parent_name.as_deref(), Some("bash"), "{seen:?}");
    let command = seen.command_line.as_deref().expect("a command line");
    assert!(command.ends_with("perl *** *** ***"), "{seen:?}");
    assert!(seen.parent_pid.is_some());

    // What was in a directory that moved away shares its fate.
    lab.shell("mv etc/dir ../away");
    sentry.run_while(|sentry| sentry.watch.actor(b"etc/dir/file", since).is_none());
    sentry.catch_up();
    // What was not touched was touched by nobody.
    assert_eq!(sentry.watch.actor(b"gone/below/file", since), None);
    let later = SystemTime::now() + std::time::Duration::from_secs(5);
    assert_eq!(sentry.watch.actor(b"etc/conf", later), None);
    assert_same(&sentry.ledger, &lab, "at the end");
}

/// A directory that moves into scope is attributed, however busy it was outside.
#[test]
fn what_was_out_of_scope_is_attributed_once_it_is_in() {
    let lab = Lab::new();
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n\
         [[exclude]]\npath = \"/log/**\"\nreason = \"logs\"\n",
    );
    lab.shell("mkdir -p log/a ../outside; echo x | tee log/a/f ../outside/f");
    lab.create().expect(0);
    let mut sentry = watched(&lab, false);
    lab.shell("for i in {1..20}; do echo y >>log/a/f; echo y >>../outside/f; done");
    // What moves about out of scope stays out of it.
    lab.shell(
        "mv ../outside ../other; mv log/a log/b; for i in {1..20}; do echo y >>../other/f; done",
    );
    sentry.catch_up();
    let since = SystemTime::now();
    lab.shell("mv log/b a; mv ../other b");
    // Whatever the machine is busy with: both are known to be in before anybody writes there.
    sentry.catch_up();
    lab.shell("sleep 0.3");
    let line = format!(
        "perl -e 'for my $n (\"a/f\", \"b/f\") {{ open(my $f, \">>\", $n); syswrite($f, \"y\") }} {UNTIL_SEEN}'"
    );
    meanwhile(&lab.root(), &line, || {
        for path in ["a/f", "b/f"] {
            actor(&mut sentry, path, since, "perl");
        }
    });
}

#[test]
fn arguments_are_given_where_they_are_asked_for() {
    let lab = Lab::new();
    lab.shell("echo x >file");
    lab.create().expect(0);
    let mut sentry = watched(&lab, true);
    let since = SystemTime::now();
    let line = format!(
        "perl -e 'open(my $f, \">>\", \"file\"); syswrite($f, \"y\"); {UNTIL_SEEN}' argument"
    );
    let seen = meanwhile(&lab.root(), &line, || {
        actor(&mut sentry, "file", since, "perl")
    });
    let command = seen.command_line.as_deref().expect("a command line");
    assert!(command.ends_with(" argument"), "{seen:?}");
}

/// A write through a memory mapping, and the touches of both eyes together.
#[test]
fn with_attribution_open_findings_are_those_of_a_fresh_check_too() {
    let _limits = limits_stand_still();
    for rules in &PROFILES {
        let Rules { name, profile, .. } = rules;
        let seed = fastrand::u64(..1 << 32);
        let lab = Lab::new();
        lab.profile(profile);
        let mut edits = Edits::new(&lab.root(), &lab.path().join("pristine"), seed, rules);
        lab.create().expect(0);
        let mut sentry = watched(&lab, false);
        for round in 0..4 {
            for _ in 0..60 {
                edits.edit();
            }
            sentry.catch_up();
            assert_same(
                &sentry.ledger,
                &lab,
                &format!("{name}, seed {seed}, round {round}"),
            );
        }
    }
}
