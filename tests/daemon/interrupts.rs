//! SIGINT ends a daemon that is in the foreground, and no other.

use super::house::House;
use harness::after;

#[test]
fn an_interrupt_ends_the_daemon_unless_it_was_started_with_interrupts_ignored() {
    let house = House::recorded();
    let daemon = house.start();
    house.until_scanned();
    daemon.signal("INT");
    house.until("ended", |house| {
        house
            .events()
            .iter()
            .any(|event| event["activity_name"] == "Stop")
    });
    assert_eq!(daemon.stop(), 0);

    // As a shell starts what runs in the background.
    let daemon = house.start_with(|command| *command = after("trap '' INT", command));
    house.host.shell("echo first > data/first");
    house.until_told("raised files.added /data/first");
    daemon.signal("INT");
    house.host.shell("echo second > data/second");
    house.until_told("raised files.added /data/second");
    assert_eq!(daemon.stop(), 0);
    house.verify();
}
