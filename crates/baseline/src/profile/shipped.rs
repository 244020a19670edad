//! The profiles in `baselines/`, embedded so that the agent needs no file to know what is critical.

/// A shipped profile.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its name, also that of its file.
    pub name: &'static str,
    /// `ID` of os-release(5) that it is for; empty for `default`, and for one that is chosen by name alone.
    pub id: &'static str,
    /// `VERSION_ID`, or its leading parts; empty where it is for every version.
    pub version: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal $id:literal $version:literal,)*) => {
        [$(Shipped {
            name: $name,
            id: $id,
            version: $version,
            text: include_str!(concat!("../../../../baselines/", $name, ".toml")),
        }),*]
    };
}

/// The shipped profiles; `default` first, then by distribution, older versions first.
pub static SHIPPED: [Shipped; 15] = shipped![
    "default" "" "",
    "amazon-linux-2" "amzn" "2",
    "amazon-linux-2023" "amzn" "2023",
    "amazon-linux-2023-containers" "" "",
    "amazon-linux-2027" "amzn" "2027",
    "debian-12" "debian" "12",
    "debian-13" "debian" "13",
    "fedora" "fedora" "",
    "rhel-9" "rhel" "9",
    "rhel-10" "rhel" "10",
    "sles-15" "sles" "15",
    "sles-16" "sles" "16",
    "ubuntu-22.04" "ubuntu" "22.04",
    "ubuntu-24.04" "ubuntu" "24.04",
    "ubuntu-26.04" "ubuntu" "26.04",
];

/// The text of the shipped profile of that name.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|shipped| shipped.name == name)
        .map(|shipped| shipped.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::source::Source;
    use std::path::Path;

    #[test]
    fn the_table_says_what_the_profiles_say() {
        for shipped in &SHIPPED {
            let source = Source::parse(shipped.text, Path::new(shipped.name)).expect("good");
            assert_eq!(source.name, shipped.name);
            let (id, version) = match &source.applies_to {
                None => ("", ""),
                Some(wanted) => (
                    wanted.id.as_str(),
                    wanted.version_id.as_deref().unwrap_or_default(),
                ),
            };
            assert_eq!((id, version), (shipped.id, shipped.version));
        }
    }

    #[test]
    fn none_is_a_renamed_copy() {
        for shipped in &SHIPPED {
            let source = Source::parse(shipped.text, Path::new(shipped.name)).expect("good");
            let says = source.paths.len() + source.excludes.len() + source.settings.checks.len();
            assert!(says > 0, "{} says nothing of its own", shipped.name);
        }
    }
}
