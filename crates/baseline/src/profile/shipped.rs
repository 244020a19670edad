//! The profiles in `baselines/`, embedded so that the agent needs no file to know what is critical.

/// Name and text of each shipped profile; `default` first, then by distribution.
pub const SHIPPED: [(&str, &str); 7] = [
    (
        "default",
        include_str!("../../../../baselines/default.toml"),
    ),
    (
        "amazon-linux-2",
        include_str!("../../../../baselines/amazon-linux-2.toml"),
    ),
    (
        "amazon-linux-2023",
        include_str!("../../../../baselines/amazon-linux-2023.toml"),
    ),
    (
        "debian-12",
        include_str!("../../../../baselines/debian-12.toml"),
    ),
    ("rhel-9", include_str!("../../../../baselines/rhel-9.toml")),
    (
        "ubuntu-22.04",
        include_str!("../../../../baselines/ubuntu-22.04.toml"),
    ),
    (
        "ubuntu-24.04",
        include_str!("../../../../baselines/ubuntu-24.04.toml"),
    ),
];

/// The text of the shipped profile of that name.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(shipped, _)| *shipped == name)
        .map(|(_, text)| *text)
}
