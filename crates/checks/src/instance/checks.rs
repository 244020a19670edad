//! The checks, in the order of reports.

use agent_core::finding::{Check, Form, Severity};

/// IMDSv1 is off.
pub(super) static IMDS_V1_DISABLED: Check = Check {
    id: "instance.imds_v1_disabled",
    title: "The metadata service refuses requests without a token",
    demand: "a GET without a token is answered 401",
    why: "a forged request from a compromised program (SSRF) can send a GET, and IMDSv1 answers it with the role's credentials",
    severity: Some(Severity::High),
    form: Form::Nothing,
    remedy: Some(
        "aws ec2 modify-instance-metadata-options --instance-id ID --http-tokens required; or ImdsSupport v2.0 on the image",
    ),
    references: &[
        "EC2 user guide, Use the Instance Metadata Service",
        "Security Hub EC2.8",
    ],
};
/// IMDSv2 works.
pub(super) static IMDS_V2_TOKEN: Check = Check {
    id: "instance.imds_v2_token",
    title: "The metadata service gives tokens",
    demand: "a PUT for a token is answered with one, and with how long it is good",
    why: "programs that get no token fall back to IMDSv1, or go without credentials",
    severity: Some(Severity::High),
    form: Form::Nothing,
    remedy: Some(
        "look for what stands between the host and 169.254.169.254: a proxy, a firewall, an endpoint that was set",
    ),
    references: &["EC2 user guide, Use the Instance Metadata Service"],
};
/// The token does not leave the host.
pub(super) static IMDS_HOP_LIMIT: Check = Check {
    id: "instance.imds_hop_limit",
    title: "The token cannot travel far",
    demand: "the IP time to live of the answer with the token is at most 2",
    why: "a token that survives more hops reaches what forwards packets: containers, proxies, open routers",
    severity: Some(Severity::Medium),
    form: Form::Number(1, 64),
    remedy: Some(
        "aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 1 (2 where containers need the service)",
    ),
    references: &["EC2 user guide, Configure the instance metadata options"],
};
/// SDKs ask the real service.
pub(super) static IMDS_ENDPOINT: Check = Check {
    id: "instance.imds_endpoint",
    title: "Programs ask the metadata service of EC2 and no other",
    demand: "no service's environment and no AWS configuration moves the endpoint; IPv6 as the profile says",
    why: "whoever moves the endpoint hands programs credentials and an identity of his own choice",
    severity: Some(Severity::Low),
    form: Form::Word(&["off", "on"]),
    remedy: Some(
        "remove AWS_EC2_METADATA_SERVICE_ENDPOINT or ec2_metadata_service_endpoint where it is set",
    ),
    references: &["AWS SDKs and Tools Reference Guide, IMDS client"],
};
/// AWS vouches for the identity.
pub(super) static IDENTITY_VERIFIED: Check = Check {
    id: "instance.identity_verified",
    title: "AWS vouches for the instance's identity",
    demand: "the identity document carries AWS's RSA-2048 signature, and names the instance that DMI names",
    why: "what stands between the host and the metadata service can claim any identity, and cannot sign it",
    severity: Some(Severity::Medium),
    form: Form::Nothing,
    remedy: Some("find out what answers at the metadata service's address"),
    references: &["EC2 user guide, Use the RSA-2048 signature"],
};
/// The image is one of ours.
pub(super) static AMI_TRUSTED: Check = Check {
    id: "instance.ami_trusted",
    title: "The instance was launched from a trusted image",
    demand: "the image id of the verified document is in expect_ami of agent.toml",
    why: "a host from an image that nobody baked here holds what nobody here put there",
    severity: Some(Severity::Medium),
    form: Form::Nothing,
    remedy: Some(
        "replace the instance by one from a trusted image, or add the image to expect_ami",
    ),
    references: &["EC2 user guide, Instance identity documents"],
};
/// The image is not too old.
pub(super) static IMAGE_AGE: Check = Check {
    id: "instance.image_age",
    title: "The image is not too old",
    demand: "the image was made at most so many days ago; nothing unless the profile says how many",
    why: "an old image starts with every fault that was mended since",
    severity: Some(Severity::Low),
    form: Form::Number(1, 36_500),
    remedy: Some("bake the image anew, and replace the instance"),
    references: &["EC2 user guide, Patch management"],
};
/// The hypervisor is Nitro.
pub(super) static NITRO: Check = Check {
    id: "instance.nitro",
    title: "The instance runs on Nitro",
    demand: "DMI's board_asset_tag is an instance id, as on Nitro",
    why: "on Nitro nobody at AWS has access to a host's memory, and IPv6, UEFI secure boot and NitroTPM are to be had",
    severity: Some(Severity::Low),
    form: Form::Nothing,
    remedy: Some("change the instance type to one that is built on Nitro"),
    references: &["EC2 user guide, Instances built on the AWS Nitro System"],
};
/// There is a role.
pub(super) static ROLE_PRESENT: Check = Check {
    id: "instance.role_present",
    title: "The instance has a role",
    demand: "meta-data/iam/info names an instance profile",
    why: "without a role programs need long-term keys, which leak and are not rotated",
    severity: Some(Severity::Low),
    form: Form::Nothing,
    remedy: Some(
        "aws ec2 associate-iam-instance-profile --instance-id ID --iam-instance-profile Name=NAME",
    ),
    references: &["EC2 user guide, IAM roles for Amazon EC2"],
};
/// Systems Manager reaches the host.
pub(super) static SSM_AGENT: Check = Check {
    id: "instance.ssm_agent",
    title: "The SSM agent runs",
    demand: "amazon-ssm-agent runs, in version 3.0.854.0 or later",
    why: "with it a host needs no open port for its administrators, and can be mended when the network is lost",
    severity: Some(Severity::Low),
    form: Form::Text("the least version, as 3.0.854.0"),
    remedy: Some(
        "install or update amazon-ssm-agent, then: systemctl enable --now amazon-ssm-agent",
    ),
    references: &["EC2 user guide, EC2 Serial Console"],
};
/// Data at rest is encrypted by the guest.
pub(super) static ENCRYPTION: Check = Check {
    id: "instance.encryption",
    title: "File systems are encrypted in the guest",
    demand: "dm-crypt below each file system for data; nothing unless the profile says for which, since encryption by EBS is below the guest and not to be seen from it",
    why: "who gets hold of a volume or a snapshot reads what is on it",
    severity: Some(Severity::Medium),
    form: Form::Word(&["data", "all"]),
    remedy: Some("move the data to a volume with LUKS: cryptsetup luksFormat"),
    references: &[],
};
/// The instance is tagged for backup.
pub(super) static BACKUP_TAG: Check = Check {
    id: "instance.backup_tag",
    title: "The instance is tagged for backup",
    demand: "the tag that the profile names is there; nothing unless the profile names one",
    why: "backup plans choose instances by tag, and one without it is not backed up",
    severity: Some(Severity::Low),
    form: Form::Text("KEY or KEY=VALUE"),
    remedy: Some("aws ec2 create-tags --resources ID --tags Key=KEY,Value=VALUE"),
    references: &["AWS Backup developer guide, Assign resources to a backup plan"],
};

/// The checks that judge the instance.
pub static CHECKS: [&Check; 12] = [
    &IMDS_V1_DISABLED,
    &IMDS_V2_TOKEN,
    &IMDS_HOP_LIMIT,
    &IMDS_ENDPOINT,
    &IDENTITY_VERIFIED,
    &AMI_TRUSTED,
    &IMAGE_AGE,
    &NITRO,
    &ROLE_PRESENT,
    &SSM_AGENT,
    &ENCRYPTION,
    &BACKUP_TAG,
];
