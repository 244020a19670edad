//! The checks that judge files; how much each matters is said by the path.

use super::{Check, Form};

/// What asks for a look at files at all, on every distribution: PCI DSS 4.0.1 and NIST SP 800-53 revision 5.
const REFERENCES: [&str; 2] = ["PCI DSS 11.5.2", "NIST SP 800-53 SI-7"];

/// A path that is there and was not recorded.
pub static FILES_ADDED: Check = Check {
    id: "files.added",
    title: "Nothing was added",
    demand: "no path below a covered directory that the manifest does not hold",
    why: "what was not baked into the image came from elsewhere",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &REFERENCES,
};

/// A recorded path that is gone.
pub static FILES_REMOVED: Check = Check {
    id: "files.removed",
    title: "Nothing was removed",
    demand: "every recorded path is there",
    why: "removing a program or a rule can switch a protection off",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &REFERENCES,
};

/// A path that is not as recorded.
pub static FILES_CHANGED: Check = Check {
    id: "files.changed",
    title: "Nothing was changed",
    demand: "each recorded path has the recorded attributes",
    why: "a changed program does what its changer wants",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &REFERENCES,
};

/// A path that could not be looked at.
pub static FILES_UNREADABLE: Check = Check {
    id: "files.unreadable",
    title: "Everything could be looked at",
    demand: "each covered path can be read, and holds still while it is read",
    why: "what cannot be read cannot be vouched for",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &REFERENCES,
};

/// The agreement between the profile in force, the manifest and its seal.
pub static FILES_PROFILE: Check = Check {
    id: "files.profile",
    title: "The profile demands what the manifest was sealed with",
    demand: "no path excluded, and none demanded less of, than under the profile named in the manifest",
    why: "a weakened profile must not hide behind a good seal",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &REFERENCES,
};

/// The launch record, where it cannot be used.
pub static FILES_LAUNCH_RECORD: Check = Check {
    id: "files.launch_record",
    title: "The launch record belongs to this instance and this manifest",
    demand: "made for this instance under this manifest, holding only paths that the profile marks",
    why: "a forged launch record would excuse any change",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &REFERENCES,
};

/// Something that is mounted over what was recorded.
pub static FILES_MOUNT: Check = Check {
    id: "files.mount",
    title: "Nothing is mounted over what was recorded",
    demand: "at covered paths and above them, nothing mounted but what was when the tree was recorded (`# mount` of manifest and launch record)",
    why: "a clean copy mounted over a changed program hides it from every look, and a changed one mounted over a clean program runs in its place",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &REFERENCES,
};

/// An amendment, where it counts for nothing.
pub static FILES_AMENDMENT: Check = Check {
    id: "files.amendment",
    title: "Each amendment belongs to this manifest and is sealed like it",
    demand: "every amendment made under this manifest, for this host or for all of the image, whole, in one chain, and sealed where the manifest is",
    why: "a forged amendment would excuse any change",
    severity: None,
    form: Form::Nothing,
    remedy: None,
    references: &REFERENCES,
};

/// The checks that judge files.
pub static FILE_CHECKS: [&Check; 8] = [
    &FILES_ADDED,
    &FILES_REMOVED,
    &FILES_CHANGED,
    &FILES_UNREADABLE,
    &FILES_PROFILE,
    &FILES_LAUNCH_RECORD,
    &FILES_MOUNT,
    &FILES_AMENDMENT,
];
