//! The floor of a check: the same walk and the same system calls on each file, and nothing digested.
//!
//! `bare_walk DIR THREADS` prints paths and bytes. What a check takes longer is arithmetic and judging.

use agent_baseline::profile::load;
use agent_core::os::read::FileReader;
use agent_core::os::root::Root;
use agent_scan::files::pipeline::{Done, ordered};
use agent_scan::files::probe::{First, Wanted, first_look};
use agent_scan::files::scope::Scope;
use agent_scan::files::walk::{Step, Walk};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::Path;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(profile), Some(root), Some(threads)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: bare_walk PROFILE DIR THREADS");
        std::process::exit(2);
    };
    let profile = load::file(Path::new(&profile)).expect("a profile");
    let root = Root::open(Path::new(&root)).expect("a directory");
    let threads: NonZeroUsize = threads
        .to_string_lossy()
        .parse()
        .expect("a number of threads");
    let scope = Scope::current(profile.path_rules);
    let wanted = Wanted {
        limit: None,
        contents: Some(agent_core::attributes::Algorithm::Sha256),
        xattrs: true,
        flags: true,
        selinux: false,
        recorded: None,
    };
    let (mut paths, mut bytes) = (0u64, 0u64);
    ordered(
        threads.into(),
        |emit| {
            for step in Walk::new(&root, &scope) {
                if !emit(step) {
                    return;
                }
            }
        },
        || {
            let mut buffer = vec![0; 64 * 1024];
            let mut reader = FileReader::default();
            move |batch: Vec<Step>| {
                let mut seen = (0, 0);
                for step in &batch {
                    let Step::Look { target, .. } = step else {
                        continue;
                    };
                    seen.0 += 1;
                    let Ok(First::Contents(opened)) = first_look(target, wanted) else {
                        continue;
                    };
                    reader.on_device(opened.before.id.device);
                    let mut offset = 0;
                    while offset < opened.before.size {
                        match reader.read_at(opened.file.as_fd(), &mut buffer, offset) {
                            Ok(piece) if piece.length > 0 => offset += piece.length as u64,
                            _ => break,
                        }
                    }
                    seen.1 += offset;
                    std::hint::black_box(opened.unchanged().is_ok());
                }
                Done {
                    results: vec![seen],
                    waited: false,
                }
            }
        },
        |(more_paths, more_bytes)| {
            paths += more_paths;
            bytes += more_bytes;
            ControlFlow::Continue(())
        },
    );
    println!("{paths} paths, {bytes} bytes");
}
