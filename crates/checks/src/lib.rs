//! Checks of local settings and of the instance: what is configured, and whether it is as demanded.
//!
//! [`settings`] reads below a root what decides who gets in and what is logged, [`instance`] asks the metadata service
//! and the hypervisor's traces. Both return [`Finding`](agent_core::finding::Finding)s; [`registry`] lists every
//! [`Check`](agent_core::finding::Check) there is.
//!
//! May touch: files below the root, netlink, and the metadata service at its fixed address. It changes nothing.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used
    )
)]

pub mod instance;
pub mod registry;
pub mod settings;
