//! A tree with packages from a signed repository, all made by the real programs.

use harness::{Lab, Ran, shell};
use serde_json::Value;
use std::path::Path;

/// A tree and the repository that its packages come from.
pub(super) struct Repository {
    pub(super) lab: Lab,
}

const PROFILE: &str = "name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"high\"\n\
    [[paths]]\npath = \"/etc\"\nseverity = \"high\"\n";

/// What the scripts below share: `make NAME VERSION [COMMANDS]` builds a package in the repository, the commands run
/// in its tree; `publish KEY` signs the lists; `apt` is apt-get for the tree alone.
pub(crate) const FUNCTIONS: &str = r##"
set -e
make() {
    d=$(mktemp -d "$PLACE/build.XXXX"); mkdir -p $d/DEBIAN $d/usr/bin $d/usr/lib/$1 $d/etc
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: a test\n' $1 $2 > $d/DEBIAN/control
    printf '#!/bin/sh\necho %s %s\n' $1 $2 > $d/usr/bin/$1; chmod 755 $d/usr/bin/$1
    echo data $2 > $d/usr/lib/$1/data; ln -s data $d/usr/lib/$1/link-$2; echo "# $2" > $d/etc/$1.conf
    echo /etc/$1.conf > $d/DEBIAN/conffiles
    (cd $d; eval "${3:-}"; find usr -type f -print0 | xargs -0 md5sum > DEBIAN/md5sums)
    chmod -R go-w $d; dpkg-deb --root-owner-group -Zxz --build $d "${TO:-$PLACE/repo}" > /dev/null; rm -rf $d
}
key() {
    gpg --homedir $PLACE/gpg --batch --quiet --passphrase '' --quick-generate-key "$1" ed25519 sign never
    gpg --homedir $PLACE/gpg --export "$1" > "$2"
}
publish() {
    cd $PLACE/repo
    dpkg-scanpackages -m . > Packages 2> /dev/null
    { printf 'Origin: test\nSuite: test\nDate: %s\nSHA256:\n' "$(date -uR)"
      printf ' %s %s Packages\n' $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages); } > Release
    gpg --homedir $PLACE/gpg --batch --yes --quiet --local-user "$1" --clearsign --output InRelease Release
}
apt() {
    # Nothing of this host's own: hooks among its settings work on its cache.
    printf 'Dir::Etc::main "none";\nDir::Etc::parts "none";\n' > $PLACE/apt.conf
    APT_CONFIG=$PLACE/apt.conf apt-get --yes --quiet -o Dir=$ROOT/ -o Dir::State::status=$ROOT/var/lib/dpkg/status -o Dir::Log=$ROOT/var/log/apt \
        -o Dir::Bin::dpkg=/usr/bin/dpkg -o Dir::Bin::Methods=/usr/lib/apt/methods -o Dir::Bin::gpg=/usr/bin/gpgv \
        -o DPkg::Options::=--root=$ROOT -o DPkg::Options::=--log=$ROOT/var/log/dpkg.log \
        -o DPkg::Options::=--force-confnew -o APT::Sandbox::User=root "$@" < /dev/null
}
"##;

impl Repository {
    /// A tree with `tool` 1.0 from the repository, recorded: its packages, its keys, its sources.
    pub(super) fn new() -> Repository {
        Repository::covering("")
    }

    /// The same, with these lines more in the profile.
    pub(super) fn covering(more: &str) -> Repository {
        let lab = Lab::new();
        lab.profile(&format!("{PROFILE}{more}"));
        let repository = Repository { lab };
        repository.run(
            "mkdir -p $PLACE/repo; mkdir -m 700 $PLACE/gpg; cd $ROOT
             mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/lib/apt/lists/partial var/cache/apt/archives/partial
             mkdir -p etc/apt/apt.conf.d etc/apt/preferences.d etc/apt/sources.list.d etc/apt/trusted.gpg.d
             mkdir -p var/log/apt usr/bin usr/lib usr/share/keyrings; : > var/lib/dpkg/status
             key distribution etc/apt/trusted.gpg.d/distribution.gpg
             echo \"deb copy:$PLACE/repo ./\" > etc/apt/sources.list
             make tool 1.0; make other 1.0; publish distribution; apt update; apt install tool other",
        );
        repository.lab.create().expect(0);
        repository
    }

    /// Runs commands with the functions above.
    pub(super) fn run(&self, commands: &str) {
        let variables = format!(
            "PLACE={}; ROOT={}\n{FUNCTIONS}\n{commands}",
            self.lab.path().display(),
            self.lab.root().display()
        );
        shell(Path::new("/"), &variables);
    }

    /// A package's next version, signed by the distribution and installed by apt.
    pub(super) fn upgrade(&self, version: &str, commands: &str) {
        self.run(&format!(
            "make tool {version} '{commands}'; publish distribution; apt update; apt install tool={version}"
        ));
    }

    pub(super) fn check(&self) -> Ran {
        self.lab.check(&[])
    }
}

/// The finding on a path.
pub(super) fn on(ran: &Ran, path: &str) -> Value {
    let found = ran
        .findings()
        .into_iter()
        .find(|finding| finding["subject"] == path);
    found.unwrap_or_else(|| panic!("no finding on {path}: {:?}", ran.told()))
}

/// Severity, the one without evidence, evidence, and what the reason begins with.
pub(super) fn verdict(finding: &Value) -> (String, Option<String>, Option<String>) {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    (
        word(&finding["severity"]).expect("a severity"),
        word(&finding["unexplained_severity"]),
        word(&finding["explained_by"]["evidence"]),
    )
}

/// Holds the finding to its full severity, with that evidence, for a reason that has these words.
pub(super) fn keeps(finding: &Value, evidence: Option<&str>, words: &str) {
    let expected = ("high".to_owned(), None, evidence.map(str::to_owned));
    assert_eq!(verdict(finding), expected, "{finding}");
    let reason = finding["explained_by"]["reason"]
        .as_str()
        .unwrap_or_default();
    assert!(reason.contains(words), "{words}: {finding}");
}
