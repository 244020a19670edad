//! Capabilities as rpm writes them (cap_text_formats(7)), as the kernel keeps them in `security.capability`, and back.

use sha2::{Digest, Sha256};

/// By number (linux/capability.h).
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// VFS_CAP_REVISION_1, whose sets have 32 bits.
const REVISION_1: u32 = 0x0100_0000;
/// VFS_CAP_REVISION_3, which names the user namespace's root besides.
const REVISION_3: u32 = 0x0300_0000;
/// VFS_CAP_REVISION_2, and the bit that makes permitted capabilities effective at once.
const REVISION: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// The value of `security.capability` (struct vfs_cap_data); `None` for a text that is not understood, and for
/// "all", whose meaning depends on the kernel.
pub(super) fn parse(text: &str) -> Option<[u8; 20]> {
    let (mut effective, mut inheritable, mut permitted) = (0u64, 0u64, 0u64);
    for clause in text.split_whitespace() {
        let at = clause.find(['=', '+', '-'])?;
        let (list, actions) = clause.split_at(at);
        let mut which = 0u64;
        for name in list.split(',').filter(|name| !name.is_empty()) {
            let name = name.to_ascii_lowercase();
            which |= 1 << NAMES.iter().position(|known| *known == name)?;
        }
        if list.is_empty() {
            // `=` alone clears everything; what it would raise is "all".
            if actions != "=" {
                return None;
            }
            which = u64::MAX;
        }
        let mut operator = '=';
        for action in actions.chars() {
            match action {
                '=' => {
                    operator = '=';
                    effective &= !which;
                    inheritable &= !which;
                    permitted &= !which;
                }
                '+' | '-' => operator = action,
                'e' | 'i' | 'p' => {
                    let set = match action {
                        'e' => &mut effective,
                        'i' => &mut inheritable,
                        _ => &mut permitted,
                    };
                    match operator {
                        '-' => *set &= !which,
                        _ => *set |= which,
                    }
                }
                _ => return None,
            }
        }
    }
    // The kernel has one bit for all that is effective.
    if effective != 0 && effective != permitted | inheritable {
        return None;
    }
    let magic = REVISION | if effective != 0 { EFFECTIVE } else { 0 };
    let mut value = [0; 20];
    let halves = [
        magic,
        u32::try_from(permitted & 0xffff_ffff).ok()?,
        u32::try_from(inheritable & 0xffff_ffff).ok()?,
        u32::try_from(permitted >> 32).ok()?,
        u32::try_from(inheritable >> 32).ok()?,
    ];
    for (place, half) in value.chunks_exact_mut(4).zip(halves) {
        place.copy_from_slice(&half.to_le_bytes());
    }
    Some(value)
}

/// The value of `security.capability` in words, as getcap(8) prints it; `None` for what is none.
pub fn text(value: &[u8]) -> Option<String> {
    let word = |n: usize| -> Option<u32> {
        let bytes = value.as_chunks().0.get(n)?;
        Some(u32::from_le_bytes(*bytes))
    };
    let magic = word(0)?;
    let high = |n: usize| match (magic & !EFFECTIVE, value.len()) {
        (REVISION_1, 12) => Some(0),
        (REVISION, 20) | (REVISION_3, 24) => word(n),
        _ => None,
    };
    let permitted = u64::from(word(1)?) | u64::from(high(3)?) << 32;
    let inheritable = u64::from(word(2)?) | u64::from(high(4)?) << 32;
    let effective = if magic & EFFECTIVE != 0 { "e" } else { "" };
    let sets = [
        (permitted & inheritable, "ip"),
        (permitted & !inheritable, "p"),
        (inheritable & !permitted, "i"),
    ];
    let sets = sets.into_iter().filter(|(set, _)| *set != 0);
    let clauses: Vec<String> = sets
        .map(|(set, flags)| format!("{}={effective}{flags}", names(set)))
        .collect();
    match clauses.is_empty() {
        true => Some("none".into()),
        false => Some(clauses.join(" ")),
    }
}

fn names(set: u64) -> String {
    const ALL: u64 = (1 << NAMES.len()) - 1;
    if set & ALL == ALL {
        return "all".into();
    }
    let bits = (0..64).filter(|bit| set >> bit & 1 != 0);
    let names: Vec<String> = bits
        .map(|bit| {
            NAMES
                .get(bit)
                .map_or_else(|| bit.to_string(), |name| (*name).to_owned())
        })
        .collect();
    names.join(",")
}

/// The capabilities whose value has that SHA-256, in words: one or two that are permitted, effective or not, as nearly
/// every program with capabilities has them. `None` for others.
pub fn text_of_digest(sha256: &[u8; 32]) -> Option<String> {
    let bits = 0..NAMES.len();
    let pairs = bits
        .clone()
        .flat_map(|a| bits.clone().map(move |b| 1u64 << a | 1 << b));
    pairs
        .flat_map(|set| [EFFECTIVE, 0].map(|effective| value(set, effective)))
        .find(|value| Sha256::digest(value)[..] == sha256[..])
        .and_then(|value| text(&value))
}

fn value(permitted: u64, effective: u32) -> [u8; 20] {
    let mut value = [0; 20];
    value[..4].copy_from_slice(&(REVISION | effective).to_le_bytes());
    let halves = permitted.to_le_bytes();
    value[4..8].copy_from_slice(&halves[..4]);
    value[12..16].copy_from_slice(&halves[4..]);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// As setcap(8) and the kernel make of the same text.
    #[test]
    fn as_the_kernel_keeps_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("program");
        std::fs::write(&file, "").expect("a file");
        for text in [
            "cap_net_raw=ep",
            "cap_net_raw+p",
            "cap_net_admin,cap_net_raw=ep",
            "= cap_setuid,cap_setgid+ep",
            "cap_sys_nice=eip",
            "cap_checkpoint_restore=p cap_net_raw=i",
            "cap_net_raw=ep cap_net_raw-e",
        ] {
            let set = Command::new("setcap").arg(text).arg(&file).status();
            assert!(set.expect("setcap").success(), "{text}");
            let mut value = [0; 64];
            let length =
                rustix::fs::getxattr(&file, "security.capability", &mut value).expect("set");
            assert_eq!(parse(text).expect("understood"), value[..length], "{text}");
        }
        for (written, told) in [
            ("cap_net_raw=ep", "cap_net_raw=ep"),
            ("cap_net_admin,cap_bpf=p", "cap_net_admin,cap_bpf=p"),
            (
                "cap_checkpoint_restore=ep cap_checkpoint_restore-e",
                "cap_checkpoint_restore=p",
            ),
        ] {
            let value = parse(written).expect("understood");
            assert_eq!(text(&value).as_deref(), Some(told));
            let digest: [u8; 32] = Sha256::digest(value).into();
            assert_eq!(text_of_digest(&digest).as_deref(), Some(told));
        }
        let value = parse("cap_checkpoint_restore=p cap_net_raw=i").expect("understood");
        assert_eq!(
            text(&value).as_deref(),
            Some("cap_checkpoint_restore=p cap_net_raw=i")
        );
        assert_eq!(text(b"short"), None);
        for text in [
            "all=ep",
            "cap_nothing=p",
            "cap_net_raw",
            "=ep",
            "cap_net_raw=x",
            "cap_a=e",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
