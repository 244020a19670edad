//! A file system of somebody's own, which shows whoever checks what was recorded and everybody else something different.

use harness::{Lab, private, project};

#[test]
fn a_file_system_that_lies_to_everybody_but_the_agent_is_named_by_its_mount() {
    let lab = Lab::new();
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/data\"\nseverity = \"high\"\ncross_mounts = true\n",
    );
    // As the file system will show them, attribute by attribute.
    lab.shell(
        "mkdir -p data/m; cd data/m
         for name in before hung later; do printf 12345 > $name; done
         chmod 644 *; chmod 755 .; touch -d @1 * .",
    );
    lab.create().expect(0);
    let server = project().join("tests/data/silent.py");
    let script = format!(
        "mkfifo in; python3 {} $PWD/root/data/m lies < in & server=$!
         exec 9> in; rm in
         until grep -q fuse.silent /proc/mounts; do sleep 0.02; done
         status=0
         $AGENT check --root root --profile ./profile.toml --manifest manifest.mtree --only 'files.*' \
           --format json > told 9>&- || status=$?
         cat root/data/m/later > second 9>&-
         exec 9>&-; wait $server
         exit $status",
        server.display()
    );
    let mut ran = private(lab.path(), &script, &[]).expect(1);
    let read = |name: &str| std::fs::read_to_string(lab.path().join(name)).expect("written");
    assert_eq!(read("second"), "evil!", "what others read");
    ran.stdout = read("told");
    let told = ran.told();
    assert_eq!(told, ["fail files.mount /data/m"], "the bytes were good");
    assert_eq!(ran.one("files.mount", "/data/m")["severity"], "high");
}
