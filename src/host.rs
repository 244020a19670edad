//! Which host: the names by which reports and events tell one from another. Values only.

/// A host as it knows itself. A text is empty, and an option `None`, where the host has no such thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// uname(2)'s node name; of a mounted image `/etc/hostname`.
    pub hostname: String,
    /// machine-id(5)
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id`; another one after every boot.
    pub boot_id: String,
    /// Distribution and version, as `debian 12`.
    pub os: String,
    /// EC2 instance id: from the verified identity document, else DMI's board_asset_tag.
    pub instance_id: String,
    /// What else the metadata service says; `None` off EC2 or while it does not answer.
    pub cloud: Option<Box<Cloud>>,
}

/// What the instance identity document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cloud {
    /// Image id.
    pub image_id: String,
    /// Account id, twelve digits.
    pub account_id: String,
    /// As `eu-central-1`.
    pub region: String,
    /// As `eu-central-1a`.
    pub zone: String,
    /// As `t3.micro`.
    pub instance_type: String,
    /// Whether AWS's signature over the document was verified.
    pub verified: bool,
}
