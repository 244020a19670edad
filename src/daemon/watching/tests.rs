use super::*;
use crate::profile::load;
use crate::watch::Touch;
use std::sync::mpsc::{Receiver, channel};

/// A watch of an empty directory, and its canary's directory.
struct Lab {
    watching: Watching,
    notices: Receiver<Notice>,
    directory: tempfile::TempDir,
}

fn scope(directory: &Path, profile: &str) -> Scope {
    let file = directory.join("profile.toml");
    std::fs::write(&file, profile).expect("written");
    let profile = load::named(file.to_str().expect("UTF-8")).expect("a profile");
    Scope::current(profile.cover)
}

impl Lab {
    fn new(now: Instant) -> Lab {
        let directory = tempfile::tempdir().expect("a directory");
        let tree = directory.path().join("tree");
        std::fs::create_dir(&tree).expect("made");
        let run = directory.path().join("run");
        let mut watching = Watching::new(Duration::from_millis(1), &run, now);
        let (sender, notices) = channel();
        let rule = "name = \"all\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n";
        let options = Options {
            root: tree,
            scope: Arc::new(scope(directory.path(), rule)),
            linked: Arc::default(),
            canary: Some(run),
            attribution: None,
        };
        let watch = Watch::start(options, move |notice| {
            sender.send(notice).unwrap_or_default();
        });
        watching.watch = Some(watch.expect("a watch"));
        let lab = Lab {
            watching,
            notices,
            directory,
        };
        lab.until_watched();
        lab
    }

    fn until_watched(&self) {
        let is_told = |notice: &Notice| matches!(notice, Notice::Coverage(_));
        let next = || self.notices.recv_timeout(Duration::from_secs(60));
        while !is_told(&next().expect("what is watched")) {}
    }

    /// Takes in what is touched, until nothing is; whether the canary was.
    fn hear(&mut self, now: Instant) -> bool {
        let mut came = false;
        while let Ok(notice) = self.notices.recv_timeout(Duration::from_millis(500)) {
            if let Notice::Touched(touches) = notice {
                came |= touches.iter().any(|touch| touch.path == canary::KEY);
                self.watching.touch(touches, now);
            }
        }
        came
    }
}

#[test]
fn a_watch_that_is_blind_is_made_anew_and_tried_again() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut lab = Lab::new(start);
    lab.watching.covered(Coverage::default(), start);
    lab.watching.tend(start);
    assert!(lab.hear(start), "the first change");
    lab.watching.tend(at(1));
    assert!(lab.watching.sees());
    assert_eq!(lab.watching.settle.len(), 0, "taken");

    // Its directory is another one: nobody watches that.
    let run = lab.directory.path().join("run");
    std::fs::rename(&run, lab.directory.path().join("old")).expect("moved");
    lab.watching.tend(at(300));
    assert!(!lab.hear(at(300)));
    lab.watching.tend(at(329));
    assert!(lab.watching.sees());
    lab.watching.tend(at(330));
    assert!(lab.watching.is_blind() && !lab.watching.sees());
    // Ordered by nobody but the blind one.
    lab.until_watched();
    assert_eq!(lab.watching.due(false), Some(at(335)));
    lab.watching.tend(at(335));
    assert!(lab.watching.is_blind(), "until it is seen");
    assert!(lab.hear(at(335)), "the change after that");
    lab.watching.tend(at(336));
    assert!(lab.watching.sees());
}

/// While a look takes long, nothing that is due is taken; the canary is.
#[test]
fn a_long_look_does_not_blind() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut lab = Lab::new(start);
    lab.watching.covered(Coverage::default(), start);
    lab.watching.tend(start);
    assert!(lab.hear(start));
    let other = Touch {
        path: b"file".to_vec(),
        below: true,
        itself: true,
    };
    lab.watching.touch(vec![other], start);
    lab.watching.tend(at(1));
    lab.watching.tend(at(100));
    assert!(lab.watching.sees());
    // What is taken holds no canary, however it got there.
    let root = Root::open(lab.directory.path()).expect("a tree");
    lab.watching.touch(
        vec![Touch {
            path: canary::KEY.to_vec(),
            below: true,
            itself: true,
        }],
        at(100),
    );
    let severity = |_: &[u8]| Some(Severity::High);
    let links = Links::default();
    let batch = lab.watching.take(&root, severity, &links, at(101));
    let paths: Vec<Vec<u8>> = batch
        .expect("one")
        .plan
        .regions()
        .iter()
        .map(|region| region.path.clone())
        .collect();
    assert_eq!(paths, [b"".to_vec(), b"file".to_vec()]);
}

/// What may hold something critical does not wait for a package manager, and is looked at again when it is done.
#[test]
fn what_may_hold_something_critical_does_not_wait() {
    let now = Instant::now();
    let directory = tempfile::tempdir().expect("a directory");
    let rules = "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"high\"\n\
        [[paths]]\npath = \"/etc/*/key\"\nseverity = \"critical\"\n";
    let scope = scope(directory.path(), rules);
    let mut watching = Watching::new(Duration::ZERO, directory.path(), now);
    watching.critical = Some(scope.narrowed(Severity::Critical));
    let severity = |path: &[u8]| {
        let duty = scope.at(path)?;
        (!duty.leads).then_some(duty.demand.severity)
    };
    let touched = |(path, below): (&str, bool)| {
        let region = Region {
            path: path.into(),
            below,
        };
        Touched {
            itself: true,
            ..Touched::unseen(region, SystemTime::now())
        }
    };
    let all = [
        ("etc/ssh/key", true),
        // A directory that was moved here.
        ("etc/ssh", true),
        ("etc/tls", false),
        ("etc/conf", true),
        ("etc/ssh/conf", true),
        ("", true),
    ];
    let at_work = Some("dpkg".to_owned());
    let touched = all.map(touched).to_vec();
    let names = |touched: &[Touched]| {
        let path = |t: &Touched| String::from_utf8_lossy(&t.region.path).into_owned();
        touched.iter().map(path).collect::<Vec<_>>()
    };
    let (judged, settled) = watching.part(touched, at_work, severity, now);
    // One level below /etc nobody can tell what is a directory.
    assert_eq!(names(&judged), ["etc/ssh/key", "etc/ssh", "etc/conf", ""]);
    assert!(!settled);
    assert_eq!(watching.waits_in(b"etc/ssh", 9).len(), 2);
    let of = |path: &str| watching.transaction(path.as_bytes());
    assert_eq!(of("etc/ssh/new"), Some("dpkg".to_owned()));
    assert_eq!(
        of("etc/tls/new"),
        Some("dpkg".to_owned()),
        "the root itself"
    );
    assert!(watching.waits());
    let (after, settled) = watching.part(Vec::new(), None, severity, now);
    assert!(settled);
    // Told as restored at most once.
    let told = after.iter().map(|t| t.itself).collect::<Vec<_>>();
    assert_eq!(
        names(&after),
        [
            "",
            "etc/conf",
            "etc/ssh",
            "etc/ssh/conf",
            "etc/ssh/key",
            "etc/tls"
        ]
    );
    assert_eq!(told, [false, false, false, true, false, true]);
    assert!(
        after
            .iter()
            .all(|t| t.transaction.as_deref() == Some("dpkg"))
    );
}

/// A change of the canary that the watch before would have told of is no blindness of the one after it.
#[test]
fn a_watch_that_is_begun_anew_is_tried_at_once() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut lab = Lab::new(start);
    lab.watching.covered(Coverage::default(), start);
    lab.watching.tend(start);
    // Told to nobody.
    while lab.notices.recv_timeout(Duration::from_millis(500)).is_ok() {}
    lab.watching.ready = false;
    lab.watching.tend(at(5));
    lab.watching.covered(Coverage::default(), at(10));
    lab.watching.tend(at(10));
    assert!(lab.hear(at(10)), "changed again");
    lab.watching.tend(at(11));
    lab.watching.tend(at(100));
    assert!(lab.watching.sees());
}
