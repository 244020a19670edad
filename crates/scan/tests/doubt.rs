//! File systems of this host's own that are asked like those that a server answers for: in a process of its own, since
//! that holds for all of it.

use agent_core::bounds;
use agent_scan::files::remote::{self, Unanswered};
use std::io::{self, Read};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn what_holds_up_one_file_of_the_hosts_own_does_not_hold_up_the_next() {
    let device = (7, 1);
    let hang = || {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let hung = remote::ask(SHORT, device, move |_| {
            reader.read(&mut [0]).unwrap_or_default()
        });
        assert_eq!(hung, Err(Unanswered::Silent));
        writer
    };
    let first = hang();
    let is_asked = || remote::ask(Duration::from_secs(60), device, |_| ()).is_ok();
    assert!(!is_asked(), "one server stands behind all of it");
    remote::doubt_local(true);
    assert!(is_asked());
    let others: Vec<_> = (1..bounds::HELD).map(|_| hang()).collect();
    assert!(!is_asked(), "so many hang");
    drop((first, others));
    while !is_asked() {
        std::thread::yield_now();
    }
}
