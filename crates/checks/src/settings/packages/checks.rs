//! The table of `packages.*` checks.

use crate::settings::table::checks;
use agent_core::finding::Form;

checks! { "packages":
    SECURITY_PENDING "security_pending" High Form::Number(1, 3650); "No security update waits"; "no installed package is older than what the security archive offers (dnf, zypper: than an advisory of important or critical severity), by lists no older than the demanded number of days (7)"; "what is fixed in an update is known to everybody, and how to use it too"; None; []
    GPGCHECK "gpgcheck" Medium Form::Texts("ids of dnf and zypper repositories, or URIs of apt sources, that may be unsigned"); "Packages are taken with signatures alone"; "gpgcheck=1 for every enabled repository (zypper: not 0); no trusted=yes, allow-insecure=yes, AllowUnauthenticated or AllowInsecureRepositories for apt"; "whoever is on the way, or on the mirror, installs what he likes as root"; None; []
    RELEASE_SUPPORTED "release_supported" Medium Form::Number(0, 3650); "The distribution is still maintained"; "the end of support is at least the demanded number of days (0) away"; "after that day faults are found and not mended"; Some("move to a release that is maintained: rebuild the image on it"); []
    MINIMAL "minimal" Low Form::Texts("names of packages that may be there, with * for any letters"); "Nothing is installed that only builders and people at a screen need"; "no compilers, X servers or debuggers beyond the profile's list"; "they make an intruder's work easier, and are one more thing to keep up to date"; None; []
    DATABASE "database" High Form::Nothing; "The package database changed by transactions alone"; "each package that was not there when the manifest was made, or is gone since, has its line in dpkg's log"; "whoever edits the database by hand makes any file a package's"; Some("compare the packages that are named with what was ordered: dpkg --verify PACKAGE; reinstall what nobody ordered"); []
}
