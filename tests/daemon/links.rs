//! Recorded files with several names: what is done through one of them is told of all.

use super::house::House;
use crate::harness::{UNTIL_SEEN, meanwhile};
use crate::watch::limits_stand_still;

#[test]
fn what_is_done_through_one_name_is_told_of_all() {
    let _limits = limits_stand_still();
    let house = House::new();
    house.host.shell(
        "printf '[[paths]]\\npath = \"/data/loose\"\\nseverity = \"high\"\\nattributes = \"content\"\\n' \
           >> etc/host-integrity-agent/profile.toml
         mkdir -p data/near data/far data/loose
         for n in written mode gone; do
           echo $n > data/near/$n; ln data/near/$n data/far/$n; ln data/near/$n data/loose/$n
         done
         find data -exec touch -d @1000 {} +",
    );
    house.record();
    let daemon = house.start();
    house.until_scanned();
    house.until_attributed();

    let line = format!(
        "perl -e 'open(my $f, \">>\", \"data/near/written\"); syswrite($f, \"more\"); close $f; {UNTIL_SEEN}'"
    );
    meanwhile(&house.host.lab().root(), &line, || {
        for path in ["near", "far"] {
            house.until_told(&format!(
                "raised files.changed /data/{path}/written size mtime sha256"
            ));
        }
        house.until_told("raised files.changed /data/loose/written");
    });
    house.until_as_checked("written to");
    // Whoever wrote through one name wrote to all.
    for path in ["near", "far", "loose"] {
        let event = house.event("raised", &format!("/data/{path}/written"));
        assert_eq!(event["actor"]["process"]["name"], "perl", "{event:#}");
    }

    house.host.shell("chmod 600 data/far/mode");
    house.until_told("raised files.changed /data/near/mode mode");
    house.until_as_checked("another mode");

    house.host.shell("rm data/loose/gone");
    house.until_told("raised files.removed /data/loose/gone");
    house.until_told("raised files.changed /data/near/gone nlink");
    house.until_told("raised files.changed /data/far/gone nlink");
    house.until_as_checked("a name less");

    house.host.shell("mv data/far tmp/far");
    house.until_told("raised files.removed /data/far/written");
    house.until_as_checked("a directory less");
    assert_eq!(house.gaps(), [0; 0]);
    assert_eq!(daemon.stop(), 0);
    house.verify();
}
