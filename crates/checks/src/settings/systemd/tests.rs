use super::*;

#[test]
fn lines_of_a_unit() {
    let mut found = Vec::new();
    let text = b"[Unit]\nExecStart=no\n[Service]\n# ExecStart=no\nExecStart=-/sbin/agetty \\\n; no\n --autologin root %I\n";
    collect("u", text, "Service", "ExecStart", &mut found);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].location, "/u:5");
    assert_eq!(found[0].value, "-/sbin/agetty --autologin root %I");
    let text = b"[Service]\nExecStart=\nExecStart = b\n";
    collect("u", text, "Service", "ExecStart", &mut found);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].value, "b");
}

#[test]
fn a_value_of_very_many_lines_takes_no_longer_than_its_length() {
    let lines = 500_000;
    let text = format!(
        "[Service]\nExecStart=/bin/a \\\n{}c\n",
        "b \\\n".repeat(lines)
    );
    let begun = std::time::Instant::now();
    let found = ini(&text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].2.len(), "/bin/a c".len() + 2 * lines);
    // Copying what there is for each line would take a hundred gigabytes of it.
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
}

#[test]
fn templates() {
    assert_eq!(
        template("getty@tty1.service").as_deref(),
        Some("getty@.service")
    );
    assert_eq!(template("ssh.service"), None);
}
