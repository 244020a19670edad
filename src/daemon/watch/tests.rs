use super::*;
use crate::daemon::clock::UnixMillis;
use agent_baseline::profile::load;
use agent_scan::watch::{Touch, canary};
use std::sync::mpsc::{Receiver, channel};

/// A watch of an empty directory, and its canary's directory.
struct Lab {
    watcher: Watcher,
    notices: Receiver<Notice>,
    directory: tempfile::TempDir,
}

fn scope(directory: &Path, profile: &str) -> Scope {
    let file = directory.join("profile.toml");
    std::fs::write(&file, profile).expect("written");
    let profile = load::named(file.to_str().expect("UTF-8")).expect("a profile");
    Scope::current(profile.path_rules)
}

impl Lab {
    fn new(now: Instant) -> Lab {
        let directory = tempfile::tempdir().expect("a directory");
        let tree = directory.path().join("tree");
        std::fs::create_dir(&tree).expect("made");
        let run = directory.path().join("run");
        let mut watcher = Watcher::new(Duration::from_millis(1), &run, now);
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
        watcher.watch = Some(watch.expect("a watch"));
        watcher.health.began();
        let lab = Lab {
            watcher,
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
                self.watcher.pending.touch(touches, now);
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
    lab.watcher.covered(Coverage::default(), start);
    lab.watcher.tend(start);
    assert!(lab.hear(start), "the first change");
    lab.watcher.tend(at(1));
    assert!(lab.watcher.health.sees());
    assert_eq!(lab.watcher.pending.unsettled(), 0, "taken");

    // Its directory is another one: nobody watches that.
    let run = lab.directory.path().join("run");
    std::fs::rename(&run, lab.directory.path().join("old")).expect("moved");
    lab.watcher.tend(at(300));
    assert!(!lab.hear(at(300)));
    lab.watcher.tend(at(329));
    assert!(lab.watcher.health.sees());
    lab.watcher.tend(at(330));
    assert!(lab.watcher.health.is_blind() && !lab.watcher.health.sees());
    // Ordered by nobody but the blind one.
    lab.until_watched();
    assert_eq!(lab.watcher.due(false, at(330)), Some(at(335)));
    lab.watcher.tend(at(335));
    assert!(lab.watcher.health.is_blind(), "until it is seen");
    assert!(lab.hear(at(335)), "the change after that");
    lab.watcher.tend(at(336));
    assert!(lab.watcher.health.sees());
}

/// While a job takes long, nothing that is due is taken; the canary is.
#[test]
fn a_long_job_does_not_blind() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut lab = Lab::new(start);
    lab.watcher.covered(Coverage::default(), start);
    lab.watcher.tend(start);
    assert!(lab.hear(start));
    let other = Touch {
        path: b"file".to_vec(),
        below: true,
        itself: true,
    };
    lab.watcher.pending.touch(vec![other], start);
    lab.watcher.tend(at(1));
    lab.watcher.tend(at(100));
    assert!(lab.watcher.health.sees());
    // What is taken holds no canary, however it got there.
    let root = Root::open(lab.directory.path()).expect("a tree");
    lab.watcher.pending.touch(
        vec![Touch {
            path: canary::KEY.to_vec(),
            below: true,
            itself: true,
        }],
        at(100),
    );
    let links = Links::default();
    let now = Now {
        monotonic: at(101),
        wall: UnixMillis(0),
    };
    let batch = lab.watcher.take(&root, &links, false, now);
    let paths: Vec<Vec<u8>> = batch
        .expect("one")
        .plan
        .regions()
        .iter()
        .map(|region| region.path.clone())
        .collect();
    assert_eq!(paths, [b"".to_vec(), b"file".to_vec()]);
}

/// A change of the canary that the watch before would have told of is no blindness of the one after it.
#[test]
fn a_watch_that_is_begun_anew_is_tried_at_once() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut lab = Lab::new(start);
    lab.watcher.covered(Coverage::default(), start);
    lab.watcher.tend(start);
    // Told to nobody.
    while lab.notices.recv_timeout(Duration::from_millis(500)).is_ok() {}
    lab.watcher.health.begin();
    lab.watcher.health.began();
    lab.watcher.tend(at(5));
    lab.watcher.covered(Coverage::default(), at(10));
    lab.watcher.tend(at(10));
    assert!(lab.hear(at(10)), "changed again");
    lab.watcher.tend(at(11));
    lab.watcher.tend(at(100));
    assert!(lab.watcher.health.sees());
}
