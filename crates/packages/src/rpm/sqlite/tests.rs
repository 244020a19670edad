use super::*;
use std::path::Path;
use std::process::Command;

fn sqlite(directory: &Path, script: &str) {
    let status = Command::new("sqlite3")
        .arg(directory.join("db"))
        .arg(script)
        .current_dir(directory)
        .status();
    assert!(status.expect("sqlite3").success(), "{script}");
}

fn open(directory: &Path) -> io::Result<Database> {
    let log = File::open(directory.join("db-wal")).ok();
    Database::open(File::open(directory.join("db"))?, log)
}

/// Number and length of each blob, as our reader and as sqlite3 itself see them.
fn seen(directory: &Path) -> io::Result<Vec<(u64, usize, u8)>> {
    let mut found = Vec::new();
    open(directory)?.rows("Packages", &mut |row, record| {
        if let Column::Blob(blob) = column(record, 1)? {
            found.push((row, blob.len(), blob.last().copied().unwrap_or(0)));
        }
        Ok(())
    })?;
    Ok(found)
}

fn told(directory: &Path) -> Vec<(u64, usize, u8)> {
    let output = Command::new("sqlite3")
        .arg(directory.join("db"))
        .arg("SELECT hnum, length(blob), hex(substr(blob, -1)) FROM Packages ORDER BY hnum")
        .output()
        .expect("sqlite3");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            let mut fields = line.split('|');
            let mut next = || fields.next().expect("a field");
            let (row, length) = (next().parse(), next().parse());
            let last = u8::from_str_radix(next(), 16).unwrap_or(0);
            (row.expect("a number"), length.expect("a number"), last)
        })
        .collect()
}

const TABLE: &str = "CREATE TABLE Other(a); CREATE TABLE Packages(hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);";

#[test]
fn as_sqlite_itself_reads_it() {
    for page in [512, 1024, 4096, 65536] {
        let directory = tempfile::tempdir().expect("a directory");
        let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO Packages SELECT i * 3, randomblob(1 + (i * i * 37) % 20000) FROM n;";
        sqlite(
            directory.path(),
            &format!(
                "PRAGMA page_size={page}; {TABLE} {rows} DELETE FROM Packages WHERE hnum % 5 = 0;"
            ),
        );
        let ours = seen(directory.path()).expect("sound");
        assert_eq!(ours, told(directory.path()), "{page}");
        assert!(ours.len() > 300);
        // One row alone is the same as on the walk; one that was deleted is not there.
        let database = open(directory.path()).expect("sound");
        for number in 0..=1300 {
            let length = database
                .row("Packages", number)
                .expect("sound")
                .map(|row| match column(&row, 1).expect("sound") {
                    Column::Blob(blob) => blob.len(),
                    other => panic!("{other:?}"),
                });
            let walked = ours.iter().find(|(row, ..)| *row == number);
            assert_eq!(length, walked.map(|(_, length, _)| *length), "{number}");
        }
    }
}

/// A log that a killed writer left: what was committed counts, what was not does not.
#[test]
fn a_write_ahead_log_is_read_with_it() {
    let directory = tempfile::tempdir().expect("a directory");
    sqlite(
        directory.path(),
        &format!("PRAGMA journal_mode=WAL; {TABLE} INSERT INTO Packages VALUES(1, x'01');"),
    );
    // .shell runs while the connection is open: the log is copied before it is emptied.
    let mut child = Command::new("sqlite3")
        .arg(directory.path().join("db"))
        .current_dir(directory.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("sqlite3");
    let script = "PRAGMA wal_autocheckpoint=0;\nINSERT INTO Packages VALUES(2, randomblob(9000));\nUPDATE Packages SET blob = x'0203' WHERE hnum = 1;\nBEGIN; INSERT INTO Packages VALUES(3, randomblob(5000000));\n.shell cp db copy; cp db-wal copy-wal\nROLLBACK;\n";
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), script.as_bytes())
        .expect("it reads");
    assert!(child.wait().expect("it ends").success());
    let copy = tempfile::tempdir().expect("a directory");
    std::fs::rename(directory.path().join("copy"), copy.path().join("db")).expect("a copy");
    std::fs::rename(
        directory.path().join("copy-wal"),
        copy.path().join("db-wal"),
    )
    .expect("a copy");
    let ours = seen(copy.path()).expect("sound");
    assert_eq!(ours.len(), 2, "{ours:?}");
    assert_eq!(ours[0], (1, 2, 3));
    assert_eq!(ours, told(copy.path()));
}

/// Whatever a damaged file holds: no panic, no end that never comes.
#[test]
fn damage_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO Packages SELECT i, randomblob(i * 13) FROM n;";
    sqlite(
        directory.path(),
        &format!("PRAGMA page_size=512; {TABLE} {rows}"),
    );
    let good = std::fs::read(directory.path().join("db")).expect("the file");
    let mut random = fastrand::Rng::with_seed(3);
    let mut refused = 0;
    for _ in 0..2000 {
        let mut bytes = good.clone();
        for _ in 0..random.usize(1..20) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        bytes.truncate(random.usize(..=bytes.len()).max(bytes.len() * 3 / 4));
        std::fs::write(directory.path().join("db"), &bytes).expect("the file");
        refused += usize::from(seen(directory.path()).is_err());
        if let Ok(database) = open(directory.path()) {
            refused += usize::from(database.row("Packages", random.u64(..250)).is_err());
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_header_or_a_log_beyond_its_bound_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let most = bounds::RPM_HEADER;
    sqlite(
        path,
        &format!("{TABLE} INSERT INTO Packages VALUES(1, zeroblob({most} + 1));"),
    );
    let error = seen(path).expect_err("a header too large");
    let text = error.to_string();
    assert!(text.contains("larger than any package's header"), "{text}");
    let log = File::create(path.join("db-wal")).expect("a log");
    log.set_len(bounds::RPM_LOG + 1).expect("a sparse file");
    let error = open(path).expect_err("a log too large");
    assert!(error.to_string().contains("1 GiB"), "{error}");
}

/// Pages of a small database that can be written over: page size 512, one leaf of `Packages`.
fn small(directory: &Path) -> Vec<u8> {
    let rows = "INSERT INTO Packages VALUES(1, randomblob(60)), (2, randomblob(60)), (3, randomblob(2000)), (4, randomblob(2000));";
    sqlite(directory, &format!("PRAGMA page_size=512; {TABLE} {rows}"));
    std::fs::read(directory.join("db")).expect("the file")
}

/// Whether sqlite3 finds fault, and what we say.
fn refused(directory: &Path, bytes: &[u8]) -> (bool, String) {
    std::fs::write(directory.join("db"), bytes).expect("the file");
    let output = Command::new("sqlite3")
        .arg(directory.join("db"))
        .arg("PRAGMA integrity_check")
        .output()
        .expect("sqlite3");
    let theirs = !output.stdout.starts_with(b"ok\n");
    let ours = seen(directory).expect_err("it is damaged").to_string();
    (theirs, ours)
}

/// What sqlite3 itself finds fault with is an error here, with the page, whatever it would come to.
#[test]
fn what_is_made_to_be_read_again_and_again_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let good = small(directory.path());
    let at = |page: usize| (page - 1) * 512;
    // The leaves of the table, by their type; the rest are overflow pages.
    let pages = good.len() / 512;
    let leaf = (2..=pages)
        .find(|page| good[at(*page)] == 0x0d && good[at(*page) + 4] == 4)
        .expect("a leaf of four rows");
    let pointers = at(leaf) + 8;

    let mut twice = good.clone();
    twice.copy_within(pointers..pointers + 2, pointers + 2);
    let (theirs, ours) = refused(directory.path(), &twice);
    assert!(theirs && ours.contains(&format!("page {leaf}")), "{ours}");

    // All cells of the page name the one with the chain of overflow pages.
    let mut many = good.clone();
    many[at(leaf) + 4] = 200;
    for cell in 0..200 {
        many.copy_within(pointers + 4..pointers + 6, pointers + 2 * cell);
    }
    let (theirs, ours) = refused(directory.path(), &many);
    assert!(theirs && ours.contains("page"), "{ours}");

    // The chain of the third row ends in that of the fourth: two rows share their pages.
    let cell = |number: usize| {
        let place = pointers + 2 * number;
        at(leaf) + usize::from(u16::from_be_bytes([good[place], good[place + 1]]))
    };
    let chain = |number: usize| {
        // The number of the first overflow page ends the cell, which ends where the one before begins.
        let end = if number == 0 {
            at(leaf + 1)
        } else {
            cell(number - 1)
        };
        end - 4
    };
    let mut shared = good.clone();
    shared.copy_within(chain(2)..chain(2) + 4, chain(3));
    let (theirs, ours) = refused(directory.path(), &shared);
    assert!(
        theirs && ours.contains("it belongs to two things"),
        "{ours}"
    );

    // An overflow page that is its own successor.
    let first = u32::from_be_bytes(good[chain(2)..chain(2) + 4].try_into().expect("four"));
    let mut circle = good.clone();
    let place = at(first as usize);
    circle[place..place + 4].copy_from_slice(&first.to_be_bytes());
    let (theirs, ours) = refused(directory.path(), &circle);
    assert!(theirs && ours.contains(&format!("page {first}")), "{ours}");
}
