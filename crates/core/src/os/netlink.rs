//! Questions to the kernel by netlink(7): one dump, answered in whole messages.

use crate::bounds;
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink,
};
use std::mem::MaybeUninit;
use std::time::Duration;

/// struct nlmsghdr: length, type, flags, sequence, port.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
/// NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN (linux/netfilter/nf_tables.h).
const GETCHAIN: u16 = 10 << 8 | 4;
const NEWCHAIN: u16 = 10 << 8 | 3;
/// NFT_MSG_GETTABLE, NFT_MSG_NEWTABLE.
const GETTABLE: u16 = 10 << 8 | 1;
const NEWTABLE: u16 = 10 << 8;
/// NFT_MSG_GETRULE, NFT_MSG_NEWRULE.
const GETRULE: u16 = 10 << 8 | 7;
const NEWRULE: u16 = 10 << 8 | 6;
/// linux/audit.h
const AUDIT_LIST_RULES: u16 = 1013;

/// Every chain of nftables: its family (`NFPROTO_*`), and its attributes as `struct nlattr` has them.
///
/// Needs CAP_NET_ADMIN (`PERM`); `PROTONOSUPPORT` and its like where the kernel has no netfilter.
pub fn nftables_chains() -> Result<Vec<(u8, Vec<u8>)>, Errno> {
    nftables(GETCHAIN, NEWCHAIN)
}

/// Every table of nftables, in the same shape.
pub fn nftables_tables() -> Result<Vec<(u8, Vec<u8>)>, Errno> {
    nftables(GETTABLE, NEWTABLE)
}

/// Every rule of nftables, in the same shape.
pub fn nftables_rules() -> Result<Vec<(u8, Vec<u8>)>, Errno> {
    nftables(GETRULE, NEWRULE)
}

fn nftables(asked: u16, answer: u16) -> Result<Vec<(u8, Vec<u8>)>, Errno> {
    // struct nfgenmsg: family AF_UNSPEC, version 0, resource 0.
    let answers = dump(netlink::NETFILTER, asked, &[0, 0, 0, 0])?;
    Ok(answers
        .into_iter()
        .filter(|(kind, _)| *kind == answer)
        .filter_map(|(_, body)| Some((*body.first()?, body.get(4..)?.to_vec())))
        .collect())
}

/// What `struct audit_rule_data` (linux/audit.h) says: the list that the rule is on (`AUDIT_FILTER_*`, without the bit that
/// puts it first), what it does (`AUDIT_NEVER`, `AUDIT_ALWAYS`), and whether it is about all that comes to its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRule {
    /// `AUDIT_FILTER_*`
    pub list: u32,
    /// `AUDIT_NEVER` or `AUDIT_ALWAYS`
    pub action: u32,
    /// No call and no field of one value must match: what is left out is left out of everything, or nearly.
    pub is_broad: bool,
}

impl AuditRule {
    fn of(body: &[u8]) -> Option<AuditRule> {
        const PREPEND: u32 = 0x10;
        const CALLS: usize = 12;
        const FIELDS: usize = 268;
        const OPERATORS: usize = 780;
        /// `AUDIT_FILTER_EXIT`
        const EXIT: u32 = 4;
        /// `AUDIT_ARCH`
        const ARCH: u32 = 11;
        /// Of `AUDIT_OPERATORS`, `AUDIT_EQUAL`.
        const MASK: u32 = 0x7800_0000;
        const EQUAL: u32 = 0x4000_0000;
        /// Words of the mask that have calls of today.
        const WORDS: usize = 14;
        let word = |at: usize| Some(u32::from_ne_bytes(*body.get(at..)?.first_chunk()?));
        let nth = |base: usize, n: usize| word(base.checked_add(n.checked_mul(4)?)?);
        let list = word(0)? & !PREPEND;
        let fields = usize::try_from(word(8)?).ok()?;
        let any_call = (0..WORDS).all(|n| nth(CALLS, n) == Some(u32::MAX));
        let narrows = |n: usize| {
            let equal = nth(OPERATORS, n).is_some_and(|operator| operator & MASK == EQUAL);
            equal && nth(FIELDS, n) != Some(ARCH)
        };
        Some(AuditRule {
            list,
            action: word(4)?,
            is_broad: (any_call || list != EXIT) && !(0..fields.min(64)).any(narrows),
        })
    }
}

/// The rules that the kernel's audit has.
///
/// Needs CAP_AUDIT_CONTROL (`PERM`); `PROTONOSUPPORT` and its like where the kernel has no audit.
pub fn audit_rules() -> Result<Vec<AuditRule>, Errno> {
    let answers = dump(netlink::AUDIT, AUDIT_LIST_RULES, &[])?;
    Ok(answers
        .iter()
        .filter(|(kind, _)| *kind == AUDIT_LIST_RULES)
        .filter_map(|(_, body)| AuditRule::of(body))
        .collect())
}

/// The messages that answer a dump of that type: type and what follows the header.
fn dump(protocol: Protocol, kind: u16, body: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, Errno> {
    let socket = net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(protocol),
    )?;
    // The kernel answers at once; nothing may hang all the same.
    net::sockopt::set_socket_timeout(
        &socket,
        net::sockopt::Timeout::Recv,
        Some(Duration::from_secs(2)),
    )?;
    let length = u32::try_from(HEADER.saturating_add(body.len())).map_err(|_| Errno::TOOBIG)?;
    let mut request = Vec::new();
    request.extend(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.extend(body);
    let kernel = netlink::SocketAddrNetlink::new(0, 0);
    net::sendto(&socket, &request, SendFlags::empty(), &kernel)?;
    collect(|| {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 32 * 1024];
        let ((received, _), _) = net::recv(&socket, &mut buffer, RecvFlags::empty())?;
        Ok(received.to_vec())
    })
}

/// The messages of an answer, received part by part. Errors: `MSGSIZE` where it does not end.
fn collect(
    mut receive: impl FnMut() -> Result<Vec<u8>, Errno>,
) -> Result<Vec<(u16, Vec<u8>)>, Errno> {
    let mut answers = Vec::new();
    let mut total: usize = 0;
    loop {
        let received = receive()?;
        total = total.saturating_add(received.len());
        if received.is_empty() || total > bounds::NETLINK {
            return Err(Errno::MSGSIZE);
        }
        let mut rest: &[u8] = &received;
        while let Some((kind, body, after)) = message(rest) {
            match kind {
                NLMSG_DONE => return Ok(answers),
                NLMSG_ERROR => {
                    let code = body.first_chunk().map_or(0, |raw| i32::from_ne_bytes(*raw));
                    return match code {
                        0 => Ok(answers),
                        code => Err(Errno::from_raw_os_error(code.saturating_neg())),
                    };
                }
                kind => answers.push((kind, body.to_vec())),
            }
            rest = after;
        }
    }
}

/// Type and body of the first message, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(HEADER..length)?;
    Some((
        kind,
        body,
        bytes.get(length.next_multiple_of(4)..).unwrap_or_default(),
    ))
}

/// The attributes in a row of `struct nlattr`: type without its flags, and value.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_end_is_an_error() {
        let of = |kind: u16| {
            let mut message = vec![0; 16 * 1024];
            message[..4].copy_from_slice(&(16u32 * 1024).to_ne_bytes());
            message[4..6].copy_from_slice(&kind.to_ne_bytes());
            message
        };
        let parts = bounds::NETLINK / (16 * 1024);
        let mut left = parts;
        let ends = collect(|| {
            left -= 1;
            Ok(of(if left == 0 { NLMSG_DONE } else { 17 }))
        });
        assert_eq!(ends.map(|answers| answers.len()), Ok(parts - 1));
        assert_eq!(collect(|| Ok(of(17))), Err(Errno::MSGSIZE));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn rubbish_ends() {
        let bytes = [8, 0, 1, 0, 9, 9, 9, 9, 5, 0, 2, 128, 7, 0, 0, 0, 0, 0, 3, 0];
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(1, &[9, 9, 9, 9][..]), (2, &[7][..])]);
        assert!(message(&[3, 0, 0, 0, 1, 0]).is_none());
        assert!(message(&[255; 64]).is_none());
    }
}
