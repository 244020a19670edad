//! What an intruder who is root does to look like an update, all at once and with a window open, as the log side hears of
//! it: each at its full severity.

use super::evidence::{host, last, run, until_taken_in};
use super::harness::DaemonHarness;
use serde_json::Value;

/// What is attacked: the path, what vouches for it, and its severity.
const EXPECTED: [(&str, Option<&str>, &str); 11] = [
    // Edited, with sums that were forged to match.
    ("/usr/bin/edited", None, "High"),
    // In a package of one's own with a higher version, and a file that only such a package has.
    ("/usr/bin/grown", Some("md5"), "High"),
    ("/usr/bin/helper", Some("md5"), "High"),
    // An old version, properly signed.
    ("/usr/bin/old", Some("signed"), "High"),
    // The .deb was written over in place after it had been looked at.
    ("/usr/bin/swapped", None, "High"),
    ("/usr/lib/swapped/more", None, "High"),
    // A key, and what it signed.
    ("/etc/apt/trusted.gpg.d/intruder.gpg", None, "Critical"),
    ("/usr/bin/keyed", Some("md5"), "High"),
    ("/etc/alternatives/pager", None, "High"),
    ("/etc/ld.so.cache", None, "High"),
    ("/boot/initrd.img-1", None, "High"),
];

fn attacked(harness: &DaemonHarness) -> bool {
    EXPECTED.iter().all(|(path, evidence, severity)| {
        let evidence = evidence.map_or(Value::Null, Value::from);
        last(harness, path) == Some([(*severity).into(), evidence, Value::Null])
    })
}

#[test]
fn what_looks_like_an_update_keeps_its_severity_at_the_sink() {
    let harness = host(
        "for path in /etc/alternatives /etc/ld.so.cache /boot; do
           printf '[[paths]]\\npath = \"%s\"\\nseverity = \"high\"\\n' $path >> etc/host-integrity-agent/profile.toml
         done",
        "mkdir -p etc/alternatives var/lib/dpkg/alternatives var/cache/ldconfig opt/evil boot tmp
         here=$(dirname $(readlink -f $(ldd /bin/sh | sed -n 's/.*libc.so.6 => \\([^ ]*\\) .*/\\1/p')))
         cp -L $here/libm.so.6 opt/evil; echo init > init; bsdtar --format newc -cf boot/initrd.img-1 init
         touch tmp/evil etc/ld.so.conf; /sbin/ldconfig -r $ROOT
         for name in edited grown old swapped keyed; do make $name 1.0; done; make edited 1.1; make swapped 1.1; make old 0.9
         publish distribution; apt update; apt install edited=1.0 grown=1.0 old=1.0 swapped=1.0 keyed=1.0",
    );
    let daemon = harness.start_scanned();
    let window = ["baseline", "window", "--for", "1h", "--reason", "release 7"];
    harness.host.agent(&window).expect(0);
    run(&harness, "apt install --download-only swapped=1.1");
    until_taken_in(&harness, "swapped 1.1");
    run(
        &harness,
        "mkdir $PLACE/own; export TO=$PLACE/own
         make swapped 1.1 'echo evil >> usr/bin/swapped; echo evil > usr/lib/swapped/more'; make grown 9.0; make helper 1.0
         unset TO; own() { dpkg --root=$ROOT --log=$ROOT/var/log/dpkg.log --force-confnew -i $@; }
         deb=$ROOT/var/cache/apt/archives/swapped_1.1_all.deb; cat $PLACE/own/swapped_1.1_all.deb > $deb
         own $deb $PLACE/own/grown_9.0_all.deb $PLACE/own/helper_1.0_all.deb
         apt install edited=1.1; apt install --allow-downgrades old=0.9",
    );
    // By the lists in force when they come.
    until_taken_in(&harness, "edited 1.1");
    until_taken_in(&harness, "old 0.9");
    run(
        &harness,
        "key intruder $ROOT/etc/apt/trusted.gpg.d/intruder.gpg; make keyed 2.0; publish intruder; apt update; apt install keyed
         cd $ROOT; echo evil >> usr/bin/edited
         sed -i \"s|^[0-9a-f]*  usr/bin/edited|$(md5sum usr/bin/edited | cut -c1-32)  usr/bin/edited|\" var/lib/dpkg/info/edited.md5sums
         DPKG_ROOT=$ROOT update-alternatives --quiet --install /usr/bin/pager pager /tmp/evil 50
         echo /opt/evil > evil.conf; /sbin/ldconfig -r $ROOT -f /evil.conf
         echo evil > evil; bsdtar --format newc -cf boot/initrd.img-1 init evil",
    );
    harness.until("each attack", attacked);
    // What an update explains of it all is explained the same.
    let explained = Some(["Low".into(), "signed".into(), "high".into()]);
    for path in ["/usr/lib/edited/data", "/usr/lib/swapped/data"] {
        harness.until(path, |harness| last(harness, path) == explained);
    }
    // When everything has settled, and to the next run, it is no less.
    assert_eq!(daemon.stop(), 0);
    assert!(attacked(&harness), "{:#?}", harness.told());
    let daemon = harness.start_scanned();
    assert!(attacked(&harness), "{:#?}", harness.told());
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
