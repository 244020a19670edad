//! How long each look may take and how much it may hold in memory: one table, which docs/reference.md shows.
//!
//! What does not end in time is `unknown` with its name, and the rest goes on; docs/reference.md has what becomes of
//! what is larger. Nobody who may write a file that the agent reads can keep it busy for good or make it run out of
//! memory.

use std::time::Duration;

/// How much, in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Time.
    Time(Duration),
    /// Bytes of one thing.
    Bytes(u64),
    /// A number of things.
    Number(u64),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// What is bounded.
    pub what: &'static str,
    /// How much it may take.
    pub most: Amount,
    /// Why so much.
    pub why: &'static str,
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Amount::Time(time) => write!(f, "{} s", time.as_secs_f64()),
            Amount::Bytes(bytes) if bytes >= 1 << 30 => write!(f, "{} GiB", bytes >> 30),
            Amount::Bytes(bytes) if bytes >= 1 << 20 => write!(f, "{} MiB", bytes >> 20),
            Amount::Bytes(bytes) => write!(f, "{} KiB", bytes >> 10),
            Amount::Number(number) => write!(f, "{number}"),
        }
    }
}

/// `NAME: TYPE = Unit(AMOUNT), "what", "why";`
macro_rules! bounds {
    ($($name:ident: $type:ty = $unit:ident($most:expr), $what:literal, $why:literal;)*) => {
        $(
            #[doc = concat!("The most of: ", $what, "; ", $why, ".")]
            pub const $name: $type = $most;
        )*
        /// All of them.
        pub static TABLE: &[Bound] = &[
            $(Bound { what: $what, most: Amount::$unit($most), why: $why },)*
        ];
    };
}

bounds! {
    SETTINGS_AREA: Duration = Time(Duration::from_secs(60)), "a look at one area of settings",
        "the slowest, credentials in all homes, takes some seconds from a cold disk";
    PACKAGE_DATABASE: Duration = Time(Duration::from_secs(300)), "reading the package database",
        "2 GiB of lists from a slow disk";
    ANSWER: Duration = Time(Duration::from_secs(60)),
        "an answer of a file system that a server or a program stands behind, on one file or directory",
        "an NFS client asks again after 60 s (nfs(5), timeo); with each answer that is missing the next one is given half the time, 3 s at the least";
    WATCH_ANSWER: Duration = Time(Duration::from_secs(3)),
        "the same for the watch of such a file system",
        "all other changes wait meanwhile; what is not watched is looked at once a minute";
    HANGING: usize = Number(256), "requests that such file systems leave without an answer at one time",
        "each keeps a thread with some 20 KB; what is missing of one file system is asked for no more until it answers";
    LEVELS: usize = Number(2_048), "directories within one another that are walked",
        "nobody installs a hundredth of it; with the next row, what whoever may make directories can have told of them is bounded";
    PATH: usize = Bytes(32 << 10), "the path of a directory that is walked",
        "eight times what a system call takes (PATH_MAX)";
    LOCKS: Duration = Time(Duration::from_secs(2)), "the answer who holds the locks of package managers",
        "a few system calls; later nobody is known to, so that nothing that is found waits for an update or is excused by it";
    STILL_URGENT: Duration = Time(Duration::from_secs(60)),
        "a look of the daemon at what is critical and was touched, without a step",
        "a step is a file, a directory or a piece of one; 20 s are counted at the most of what a host sleeps or is too busy, so that three looks at it must have seen none";
    STILL_SPOT: Duration = Time(Duration::from_secs(120)),
        "the same for whatever was touched",
        "its packages are asked for as well, from lists of 2 GiB at the most";
    STILL: Duration = Time(Duration::from_secs(600)), "the same for every other look",
        "between two steps lies opening a manifest, or the package database";
    GIVEN_UP: usize = Number(4), "looks of the daemon that are given up at one time",
        "each keeps its threads and what it held; one more is told, and waited for";
    HELD: usize = Number(16), "requests that file systems of the host's own leave without an answer, after a look was given up",
        "somebody may hold up the opening of single files (fanotify(7)): the others of that file system are looked at";
    METADATA: Duration = Time(Duration::from_millis(4500)), "all questions to the metadata service",
        "the check as a whole promises five seconds";
    INSTANCE: Duration = Time(Duration::from_secs(30)), "judging the instance",
        "it reads some units and a few files of sysfs";
    OWN_CONFIG: u64 = Bytes(1 << 20), "agent.toml", "a configuration has a few kilobytes";
    SETTINGS_FILE: u64 = Bytes(1 << 20), "a file that a check of settings reads, unless said below",
        "no configuration file that is meant has reason to be larger";
    SYSCTL_FILE: u64 = Bytes(1 << 20), "a file of sysctl.d", "all keys of a kernel take 100 KB";
    UNIT_FILE: u64 = Bytes(1 << 20), "a unit or a configuration of systemd",
        "systemd itself takes lines of 1 MiB at most";
    UNIT_ALL: u64 = Bytes(16 << 20), "all files of a unit together, its drop-ins among them",
        "a unit has some kilobytes; they are held in memory at once";
    ENVIRONMENT_FILE: u64 = Bytes(1 << 20), "an environment file of a service",
        "the kernel takes no more for a program's environment in most set-ups";
    UNIT_ENVIRONMENT: usize = Bytes(2 << 20), "the variables of a unit that may start an sshd",
        "as long as two such files; a service has some hundred bytes";
    UNIT_COMMANDS: usize = Bytes(8 << 20), "what variables put into the command lines of units that may start an sshd",
        "the kernel starts no program with more than 6 MiB (execve(2)); a host's have some kilobytes";
    ENVIRONMENT: u64 = Bytes(8 << 20), "the environment of a process",
        "the kernel starts no program with more than 6 MiB of arguments and environment (execve(2))";
    ACCOUNTS_FILE: u64 = Bytes(10 << 20), "each of passwd, shadow and group",
        "100,000 users take some seven megabytes";
    ACCOUNTS_ROWS: usize = Number(120_000), "rows of each of them", "a directory service serves more users than that";
    USERDB_RECORDS: usize = Number(20_000), "records of accounts and groups beside passwd and group",
        "a directory of people is asked over a socket, not kept as files";
    USERDB_FILE: u64 = Bytes(1 << 20), "a record of an account", "one with a picture in it has some hundred kilobytes";
    USERDB_BYTES: u64 = Bytes(8 << 20), "all records of accounts together", "20,000 accounts of people take some six megabytes";
    PAM_FILES: usize = Number(500), "files of PAM, each as often as it is included", "a host has some fifty";
    PAM_LINES: usize = Number(1000), "lines of a stack of PAM, those that it includes among them", "a stack has some thirty";
    MODULES_INDEX: u64 = Bytes(16 << 20), "a list or an index of the modules of a kernel",
        "those of a distribution's kernel have one megabyte";
    SSHD_FILE: u64 = Bytes(4 << 20), "a file of sshd's configuration",
        "a longer file is no configuration";
    SSHD_WORDS: usize = Number(200_000), "words of sshd's configuration, each as often as it is included",
        "20,000 Match blocks take half of them";
    SSHD_ALL: usize = Bytes(4 << 20), "sshd's configuration, each file as often as it is included",
        "a file may be included again and again";
    SSHD_STARTERS: usize = Number(32), "command lines that start an sshd", "each reads a configuration of its own";
    SSHD_PROGRAM: u64 = Bytes(16 << 20), "the program sshd, searched for its version",
        "it has about one megabyte";
    INCLUDED: usize = Number(4096), "files that one pattern of a configuration names",
        "more than any configuration has";
    SUDOERS_FILE: u64 = Bytes(4 << 20), "a file of sudoers", "60,000 rules take two million";
    SUDOERS_ALL: usize = Bytes(4 << 20), "sudoers, each file as often as it is included",
        "a file may be included again and again";
    SUDOERS_FILES: usize = Number(4096), "files of sudoers", "more than any policy has";
    SUDOERS_RULES: usize = Number(60_000), "rules of sudoers, each command of a line counted",
        "more than any policy has; some 50 MB of memory";
    SUDOERS_STEPS: usize = Number(4_000_000), "steps to tell what a policy of sudo gives without a password",
        "100,000 rules for a user each take two million";
    SUDO_PROGRAM: u64 = Bytes(16 << 20), "the program sudo, searched for its kind", "sudo-rs has one megabyte";
    POLKIT_NESTING: usize = Number(32), "parentheses and negations within each other in a rule of polkit",
        "no rule that is meant goes deeper";
    GETTY_PROGRAMS: usize = Number(8), "programs that a getty starts through one another", "two are usual";
    AUTHORIZED_KEYS_FILES: usize = Number(40_000), "files of authorized keys", "20,000 accounts with two each";
    RSYSLOG_BLOCKS: usize = Number(32), "blocks within blocks of rsyslog's configuration", "no configuration goes deeper";
    RSYSLOG_STEPS: usize = Number(1_000_000), "statements of rsyslog gone through",
        "each ruleset may call others twice";
    SHIPPER_FILES: usize = Number(500), "files of one configuration of a log shipper, of auditd or of a clock",
        "more than any configuration has";
    SHIPPER_ALL: usize = Bytes(4 << 20), "such a configuration, or one of apt or nft, each file as often as it is included",
        "a file may be included again and again; it is held in memory";
    SHIPPER_WORDS: usize = Number(1_000_000), "words of a configuration of syslog-ng or nft, with what variables stand for",
        "a variable may name others twice over; some 24 MB of memory";
    APT_BLOCKS: usize = Number(32), "blocks within blocks of apt's settings", "no setting lies deeper than eight";
    APT_WORD: usize = Number(1_024), "bytes of a word of apt's settings", "apt itself takes no longer ones";
    CREDENTIALS_FILE: u64 = Bytes(16 << 20), "a file searched for access keys",
        "no file that holds keys has reason to be longer";
    CREDENTIALS_FILES: usize = Number(100_000), "files searched for access keys",
        "five for each of 20,000 homes";
    CREDENTIALS_ALL: u64 = Bytes(512 << 20), "what is read for access keys in all",
        "some seconds of reading from a disk in the cloud";
    CREDENTIALS_NAMES: usize = Number(30_000), "names below one place that is searched for private keys",
        "a home of somebody who builds software has some thousand outside of its caches";
    CREDENTIALS_ALL_NAMES: usize = Number(100_000), "names below all of them", "some seconds from a cold disk";
    CREDENTIALS_OPENED: usize = Number(5_000), "files opened below one of them", "most are no keys by name or size";
    CREDENTIALS_ALL_OPENED: usize = Number(20_000), "files opened below all of them", "some seconds from a cold disk";
    CREDENTIALS_DEPTH: usize = Number(32), "directories within directories there", "each takes a descriptor";
    CREDENTIALS_UNSEEN: usize = Number(1_000), "places named as not looked into", "a finding shows the first of them";
    HOMES: usize = Number(20_000), "homes that are searched", "more than any host has";
    ENVIRONMENT_FILES: usize = Number(10_000), "files of environments that units name", "a host has some ten";
    PRIVATE_KEY: u64 = Bytes(64 << 10), "a file that may be a private key, whatever its name",
        "a key has some kilobytes; longer files are opened only where they are called as keys are";
    PRIVATE_KEY_NAMED: u64 = Bytes(1 << 20), "a file that is called as private keys are",
        "a bundle of all authorities has 300 KB";
    HISTORY: u64 = Bytes(16 << 20), "a history of commands, searched for times before the launch",
        "100,000 commands take some megabytes";
    SHORT_FILE: u64 = Bytes(64 << 10), "a file of some lines: machine-id, os-release, one of /proc or /sys",
        "the longest has a few kilobytes";
    MOUNTS: u64 = Bytes(64 << 20), "the table of mounts", "that of a host with 100,000 mounts has 20 MB";
    PROCESS_MAPS: u64 = Bytes(64 << 20), "the mappings of a process",
        "vm.max_map_count lets a program have 65,530, each some hundred bytes";
    SOCKETS: u64 = Bytes(64 << 20), "each of the kernel's tables of sockets",
        "a table of 100,000 sockets has 15 MB";
    NETLINK: usize = Bytes(64 << 20), "an answer of the kernel on firewall or audit rules",
        "far above any ruleset; a dump must end";
    PACKAGE_LIST: u64 = Bytes(1 << 30), "a list of available packages or advisories, unpacked",
        "a list of all of Ubuntu has 80 MB; it is read as a stream";
    PACKAGE_LIST_RATIO: u64 = Number(32), "bytes of such a list for each compressed byte, beyond the first 8 MiB",
        "lists shrink to a fifth, advisories to a fifteenth; what shrinks more was made to keep somebody busy";
    PACKAGE_LIST_LINE: u64 = Bytes(1 << 20), "a line of such a list", "the longest, of dependencies, has some ten kilobytes";
    PACKAGE_LIST_DIRECTORIES: usize = Number(2_000), "directories of a cache of repositories", "a host has some twenty";
    ADVISORY_TAG: u64 = Bytes(64 << 10), "a tag of a list of advisories", "the longest has some hundred bytes";
    DPKG_STATUS: u64 = Bytes(20 << 20), "dpkg's status file", "that of a full desktop has 10 MB";
    DPKG_LIST: u64 = Bytes(64 << 20), "a list of dpkg's, and its diversions",
        "the longest list that Debian ships has 5 MB";
    DPKG_LISTS: u64 = Bytes(2 << 30), "all lists of dpkg's together, read one by one",
        "some hundred times what a desktop has";
    DEB_CONTROL: u64 = Bytes(64 << 20), "a package's control archive, unpacked",
        "as a list of dpkg's, which is made of it";
    DEB_DATA: u64 = Bytes(16 << 30), "a package's files, unpacked, read piece by piece",
        "the largest of Debian 13 unpacks to 4 GB";
    DEB_FILES: u64 = Number(1_000_000), "files of one package", "the largest of Debian 13 has 130,000";
    DEB_NAME: u64 = Bytes(1 << 20), "a name in a package's archive", "PATH_MAX is 4 KiB";
    DEBS: usize = Number(20_000), "packages in apt's cache", "a dist-upgrade of a full desktop brings 4,000";
    DEBS_HELD: usize = Number(512), "packages held open until what they say of a path is asked",
        "a descriptor each; of further ones only contents are explained once apt has removed them";
    EVIDENCE_KEPT: usize = Number(4_096), "packages of which signed facts are kept in the state directory",
        "all of a server, twice over; the least useful are given up first, which is told";
    EVIDENCE_BYTES: u64 = Bytes(32 << 20), "those facts together, which are held in memory as well",
        "100,000 files with their attributes take some 25 MB";
    SEEN: u64 = Bytes(4 << 20), "the newest versions of packages that were ever seen, in the state directory",
        "those of 4,000 packages take 150 KB";
    LISTS_KEPT: u64 = Bytes(64 << 20), "dpkg's lists as they are recorded, packed, kept in the state directory",
        "those of 805 packages take 0.9 MB; of a package beyond, what an update removed is explained by its old .deb alone";
    LIBRARY_CACHE: u64 = Bytes(16 << 20), "ld.so.cache", "a desktop's has 300 KB";
    LIBRARIES: usize = Number(50_000), "libraries that ld.so.cache names, or a directory of it holds",
        "a desktop with everything on it has some ten thousand";
    APT_RELEASE: u64 = Bytes(16 << 20), "a release file (InRelease)", "that of Debian unstable has 200 KB";
    KEYRING: u64 = Bytes(16 << 20), "a keyring of the package manager", "Debian's has 60 KB";
    KEYRING_KEYS: usize = Number(512), "keys of a keyring, and signatures of one text",
        "distributions have some ten of each";
    TRUST_FILES: usize = Number(4_096), "settings and keyrings of the package manager", "a host has some fifty";
    TRUST_DEPTH: usize = Number(6), "directories within directories of those settings", "apt and dnf look into one or two";
    DPKG_LOG: u64 = Bytes(256 << 20), "a log of the package manager, unpacked", "rotated each month; a large one has 5 MB";
    DPKG_LOG_LINE: u64 = Bytes(1 << 20), "a line of such a log", "an upgrade of everything takes 100 KB";
    DPKG_EXCLUDES: usize = Number(4_096), "rules of dpkg on what it does not unpack", "a purger of locales writes some hundred";
    DPKG_CONFIG: u64 = Bytes(1 << 20), "a file of dpkg's configuration",
        "a purger of locales writes some hundred lines";
    UNPACKING: Duration = Time(Duration::from_secs(2)), "reading what dpkg is unpacking while its lock is held",
        "somebody waits; what is not yet read then counts as not being unpacked";
    UNPACKING_STATUS: u64 = Bytes(20 << 20), "dpkg's status file in that look",
        "twice that of a desktop with everything on it: it is read whole while somebody waits";
    UNPACKING_UPDATES: usize = Number(1_000), "entries of dpkg's journal in that look",
        "dpkg takes them over into the status file at 250";
    UNPACKING_UPDATE: u64 = Bytes(1 << 20), "an entry of that journal",
        "it is one package's stanza";
    UNPACKING_PACKAGES: usize = Number(4_096), "packages that are being unpacked at a time",
        "dpkg unpacks a whole upgrade before it configures it";
    UNPACKING_LIST: u64 = Bytes(16 << 20), "a list of such a package",
        "the longest of Debian's have a tenth of it";
    UNPACKING_PATHS: usize = Number(1 << 20), "paths of all such lists",
        "eight bytes each in memory";
    UNPACKING_DIVERSIONS: u64 = Bytes(1 << 20), "dpkg's diversions in that look",
        "a host has some hundred";
    PACKAGES: usize = Number(100_000), "installed packages",
        "Debian has 70,000 in all; a tree under suspicion must not eat the memory";
    CONFFILES: usize = Number(200_000), "conffiles of packages",
        "Debian has some 30,000 in all; a tree under suspicion must not eat the memory";
    CLAIMS: usize = Number(2_000_000), "files that packages own",
        "far above any system; a tree under suspicion must not eat the memory";
    CLAIMS_BYTES: usize = Bytes(128 << 20), "the names of those files in memory",
        "far above any system; a tree under suspicion must not eat the memory";
    RPM_HEADER: usize = Bytes(16 << 20), "the header of a package in rpm's database",
        "rpm itself takes 256 MiB; none that a distribution ships comes near this";
    RPM_LOG: u64 = Bytes(1 << 30), "the write-ahead log of rpm's database",
        "rpm's has a few megabytes";
    RPM_ACCOUNTS: u64 = Bytes(64 << 20), "passwd and group, to name owners in rpm's database",
        "100,000 accounts take some ten megabytes";
    DEVICE_DEPTH: u32 = Number(8), "devices that a file system lies on through one another",
        "deeper than anybody stacks them";
    SIGNATURE_DEPTH: usize = Number(16), "elements within elements of an identity signature",
        "deeper than any signature goes";
    METADATA_BODY: usize = Bytes(64 << 10), "an answer of the metadata service",
        "the longest, an identity signature, takes two kilobytes";
    MANIFEST: u64 = Bytes(1 << 30), "a manifest, read as a stream", "some five million files";
    MANIFEST_LINE: usize = Bytes(256 << 10), "a line of a manifest, read or written",
        "libarchive reads lines of 60,000 bytes and refuses 1,000,000; the longest entry is far below both";
    HEADER: u64 = Bytes(16 << 20), "what stands before the first entry of a manifest or an amendment",
        "100,000 packages take six million; it is held in memory";
    PROFILE: u64 = Bytes(4 << 20), "a profile",
        "the shipped ones have some kilobytes";
    RULES: usize = Number(4096), "entries of a profile or of a manifest's header, and excludes, each",
        "the shipped profiles have some hundred; each path is compared with all that may reach it";
    RULE_STEPS: usize = Number(4_000_000), "steps to tell whether a manifest's rules demand as much as the profile",
        "the shipped profiles take a hundredth; beyond it `files.profile` is `unknown`";
    SIGN_KEY: u64 = Bytes(64 << 10), "a file with a private key to seal by",
        "an RSA key of 16384 bits takes 13 KiB";
    SIGNERS: u64 = Bytes(1 << 20), "a file of trusted signers",
        "a key takes a hundred bytes";
    SEAL: u64 = Bytes(64 << 10), "a seal of a manifest",
        "a signature takes some kilobytes at most";
    LAUNCH_RECORD: u64 = Bytes(64 << 20), "a launch record", "what one boot changes is little";
    LAUNCH_ENTRIES: u64 = Number(100_000), "entries of a launch record",
        "a record holds what one boot changed; one with more is none";
    FILES_REMEMBERED: usize = Number(262_144), "files remembered as read, where scan.rehash is set",
        "some 15 MiB; those beyond are read by every scan";
    TOUCHED_SINCE_READ: usize = Number(16_384), "paths remembered as touched since a scan began, likewise",
        "some 2 MiB; after more of them everything is read";
    LOG_LINE: u64 = Bytes(2 << 20), "a line of a log that `log verify` reads",
        "CloudWatch Logs takes events of 1 MiB";
    LOG_ITEM: usize = Bytes(8 << 20), "an event in the JSON that the AWS command line prints",
        "as many bytes, each escaped";
    LOG_FILE_CHAINS: usize = Number(400_000), "chains in a file that `log verify` reads",
        "some 20 MB for each file being read; a file of a whole fleet has one or two for each host";
    LOG_PROBLEMS: u64 = Number(10_000), "lines that `log verify` prints on problems",
        "more are counted; whoever can write into a log must not fill a disk";
    LOG_CHAINS: u64 = Number(10_000), "lines that `log verify` prints on chains, half of them on whole ones",
        "more are counted; a fleet has a chain for each host";
    AMENDMENTS: usize = Number(128), "amendments of a host",
        "every event of a start names them all; a host with more is due for a new image";
    AMENDMENT: u64 = Bytes(64 << 20), "an amendment", "an upgrade of a whole distribution has some ten megabytes";
    AMENDMENT_ENTRIES: usize = Number(100_000), "entries of all amendments of a host",
        "they are held in memory; an upgrade of a whole distribution has some ten thousand";
    KEPT_TEXT: usize = Bytes(64 << 10), "a text that is kept to tell its changed lines",
        "a configuration has some kilobytes; of a longer one the digests tell that it changed";
    KEPT_TEXTS: usize = Bytes(16 << 20), "all texts that are kept",
        "they are held in memory; those of a host have some hundred kilobytes";
    RESTORED_TOLD: usize = Number(1_024), "paths told as changed and restored within ten minutes",
        "some 200 KB; the least severe give way, and who is left out is said";
    RESTORED_CHECKED: usize = Number(8_192), "paths remembered as checked since everything was",
        "some 400 KB; after more of them something may be told twice";
    SEEN_REPORT: u64 = Bytes(256 << 20), "the report that `accept --seen` names",
        "100,000 findings take a hundred megabytes";
}

/// A deadline; a test build takes another one from `HIA_TEST_DEADLINE`, in milliseconds.
pub fn deadline(usual: Duration) -> Duration {
    if !cfg!(debug_assertions) {
        return usual;
    }
    let text = std::env::var("HIA_TEST_DEADLINE").ok();
    let other = text.and_then(|text| text.parse().ok());
    other.map_or(usual, Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn the_reference_shows_the_table() {
        let rows = TABLE
            .iter()
            .map(|bound| format!("| {} | {} | {} |\n", bound.what, bound.most, bound.why));
        let table: String = ["| what | at most | why so much |\n|---|---|---|\n".to_owned()]
            .into_iter()
            .chain(rows)
            .collect();
        let reference = include_str!("../../../docs/reference.md");
        assert!(
            reference.contains(&table),
            "docs/reference.md lacks:\n{table}"
        );
    }
}
