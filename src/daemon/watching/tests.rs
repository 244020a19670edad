use super::*;
use agent_baseline::profile::load;
use agent_scan::watch::Touch;
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
    Scope::current(profile.path_rules)
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
    assert_eq!(lab.watching.debouncer.len(), 0, "taken");

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
    let links = Links::default();
    let batch = lab.watching.take(&root, &links, false, (at(101), 0));
    let paths: Vec<Vec<u8>> = batch
        .expect("one")
        .plan
        .regions()
        .iter()
        .map(|region| region.path.clone())
        .collect();
    assert_eq!(paths, [b"".to_vec(), b"file".to_vec()]);
}

/// Whoever is at work delays no look; what a package database judged meanwhile is looked at again by the next one.
#[test]
fn nothing_waits_to_be_looked_at_while_packages_are_installed() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let directory = tempfile::tempdir().expect("a directory");
    let group = "sys/fs/cgroup/system.slice/cloud-final.service";
    std::fs::create_dir_all(directory.path().join(group)).expect("made");
    let process = directory.path().join(group).join("cgroup.procs");
    let root = Root::open(directory.path()).expect("a tree");
    let links = Links::default();
    for packages in [true, false] {
        let mut watching = Watching::new(Duration::ZERO, directory.path(), start);
        let mut take = |paths: &[&str], second| {
            let touch = |path: &&str| Touch {
                path: path.as_bytes().to_vec(),
                below: true,
                itself: true,
            };
            watching.touch(paths.iter().map(touch).collect(), at(second));
            let batch = watching.take(&root, &links, packages, (at(second), 0))?;
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
        std::fs::write(&process, "4711\n").expect("written");
        let (touched, holder, settled) = take(&["etc/b", "etc/a"], 1).expect("at once");
        assert_eq!(touched, seen(&[("etc/a", true), ("etc/b", true)]));
        assert_eq!((holder.as_str(), settled), ("cloud-init", false));
        assert!(take(&[], 2).is_none(), "looked at");
        std::fs::write(&process, "").expect("written");
        let after = take(&[], 3);
        match packages {
            true => {
                let (touched, holder, settled) = after.expect("by another database");
                // Told as restored at most once.
                assert_eq!(touched, seen(&[("etc/a", false), ("etc/b", false)]));
                assert_eq!((holder.as_str(), settled), ("cloud-init", true));
            }
            false => assert!(after.is_none(), "the manifest is the same one"),
        }
        let (_, holder, settled) = take(&["etc/c"], 5).expect("what settles late");
        assert_eq!((holder.as_str(), settled), ("cloud-init", true));
        let (_, holder, _) = take(&["etc/c"], 60).expect("somebody else's");
        assert_eq!(holder, "");
    }
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
