//! Sockets that wait for somebody: /proc/net/{tcp,tcp6,udp,udp6} of proc(5), with the program behind each.

use crate::settings::processes::Process;
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_core::os::{node, others};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

/// TCP_LISTEN and TCP_CLOSE of include/net/tcp_states.h; UDP calls a socket without peer closed.
const LISTEN: &str = "0A";
const UNCONNECTED: &str = "07";

/// One socket, or several of one program on one port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listener {
    /// `tcp` or `udp`.
    pub(super) protocol: &'static str,
    pub(super) port: u16,
    /// Who listens; `None` where the caller may not see it, and where it is the kernel itself (NFS).
    pub(super) program: Option<String>,
    /// Where; sorted.
    pub(super) addresses: Vec<IpAddr>,
}

impl Listener {
    /// `tcp/22`
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.protocol, self.port)
    }

    /// Who listens, in words.
    pub(super) fn who(&self) -> &str {
        self.program
            .as_deref()
            .unwrap_or("the kernel, or a program that cannot be seen,")
    }

    /// The addresses as text.
    pub(super) fn shown(&self) -> Vec<String> {
        self.addresses.iter().map(IpAddr::to_string).collect()
    }
}

/// Everything that listens but on loopback, sorted; of the network namespace that the agent runs in.
pub(super) fn read(root: &Root, processes: &[Process]) -> io::Result<Vec<Listener>> {
    let mut sockets = Vec::new();
    for (protocol, file, state) in [
        ("tcp", "proc/net/tcp", LISTEN),
        ("tcp", "proc/net/tcp6", LISTEN),
        ("udp", "proc/net/udp", UNCONNECTED),
        ("udp", "proc/net/udp6", UNCONNECTED),
    ] {
        // Without IPv6 in the kernel there is no table of it.
        let Some(bytes) = root.read(file.as_bytes(), bounds::SOCKETS)? else {
            if file.ends_with('6') {
                continue;
            }
            return Err(io::Error::other(format!("/{file} is not there")));
        };
        let text = String::from_utf8_lossy(&bytes);
        let rows = text.lines().skip(1).filter_map(|line| row(line, state));
        sockets.extend(
            rows.filter(|(address, ..)| !is_loopback(address))
                .map(|(address, port, inode)| (protocol, port, inode, address)),
        );
    }
    let programs = match sockets.is_empty() {
        true => HashMap::new(),
        false => owners(root, processes),
    };
    let mut found: Vec<Listener> = Vec::new();
    for (protocol, port, inode, address) in sockets {
        let program = programs.get(&inode).map(|name| (*name).to_owned());
        let same = found.iter_mut().find(|other| {
            other.protocol == protocol && other.port == port && other.program == program
        });
        match same {
            Some(other) => other.addresses.push(address),
            None => found.push(Listener {
                protocol,
                port,
                program,
                addresses: vec![address],
            }),
        }
    }
    for listener in &mut found {
        listener.addresses.sort();
        listener.addresses.dedup();
    }
    found.sort();
    Ok(found)
}

/// Address, port and inode of a row whose socket is in that state and has no peer.
fn row(line: &str, state: &str) -> Option<(IpAddr, u16, u64)> {
    let mut fields = line.split_whitespace().skip(1);
    let local = fields.next()?;
    let remote = fields.next()?;
    let (_, remote_port) = remote.rsplit_once(':')?;
    if fields.next()? != state || remote_port != "0000" {
        return None;
    }
    // tx:rx, tr:when, retransmits, uid, timeout, inode
    let inode = fields.nth(5)?.parse().ok()?;
    let (address, port) = local.rsplit_once(':')?;
    Some((
        parse_address(address)?,
        u16::from_str_radix(port, 16).ok()?,
        inode,
    ))
}

/// 32-bit words as they lie in memory, printed as numbers.
fn parse_address(hex: &str) -> Option<IpAddr> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(8) {
        return None;
    }
    let mut bytes = Vec::with_capacity(16);
    for word in hex.as_bytes().chunks_exact(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => Some(Ipv4Addr::from(four).into()),
        Err(_) => {
            let sixteen = <[u8; 16]>::try_from(&bytes[..]).ok()?;
            Some(Ipv6Addr::from(sixteen).to_canonical())
        }
    }
}

fn is_loopback(address: &IpAddr) -> bool {
    address.is_loopback()
}

/// Inode of each socket to the program that has it open, of those processes that the caller may look into.
fn owners<'a>(root: &Root, processes: &'a [Process]) -> HashMap<u64, &'a str> {
    let mut found = HashMap::new();
    for process in processes {
        let path = format!("proc/{}", process.pid);
        let Some(handle) = root
            .resolve(path.as_bytes(), false)
            .ok()
            .and_then(|resolved| resolved.handle)
        else {
            continue;
        };
        let Ok(directory) = node::open_dir(handle.as_fd(), b"fd") else {
            continue;
        };
        let Ok(names) = node::read_names(directory.as_fd()) else {
            continue;
        };
        for (name, _) in names.iter() {
            let Ok(target) = others::read_link(&handle, &[b"fd/", name].concat()) else {
                continue;
            };
            let inode = target
                .strip_prefix(b"socket:[")
                .and_then(|rest| rest.strip_suffix(b"]"))
                .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            if let Some(inode) = inode {
                let known: &mut &str = found.entry(inode).or_insert(process.short());
                // systemd holds the sockets that it starts services on: whoever else has it is the one.
                if *known == "systemd" {
                    *known = process.short();
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_beyond_its_bound_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let tables = directory.path().join("proc/net");
        std::fs::create_dir_all(&tables).expect("made");
        for name in ["tcp", "udp"] {
            std::fs::write(tables.join(name), "head\n").expect("written");
        }
        let root = Root::open(directory.path()).expect("a tree");
        assert_eq!(read(&root, &[]).expect("nothing listens").len(), 0);
        let table = std::fs::File::options()
            .write(true)
            .open(tables.join("udp"));
        let grown = table.and_then(|table| table.set_len(bounds::SOCKETS + 1));
        grown.expect("a sparse file");
        let error = read(&root, &[]).expect_err("too large");
        assert!(error.to_string().contains("larger than"), "{error}");
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn rows_of_the_kernel() {
        let tcp = "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0";
        assert_eq!(
            row(tcp, LISTEN),
            Some((IpAddr::from([0, 0, 0, 0]), 22, 1234))
        );
        assert_eq!(row(tcp, UNCONNECTED), None);
        let connected = tcp.replace("00000000:0000 0A", "0100007F:0050 07");
        assert_eq!(row(&connected, UNCONNECTED), None);
        for (hex, expected, loopback) in [
            ("0100007F", "127.0.0.1", true),
            ("0101A8C0", "192.168.1.1", false),
            ("00000000000000000000000001000000", "::1", true),
            ("0000000000000000FFFF00000100007F", "127.0.0.1", true),
            (
                "000080FE00000000FF005450A5F9DB0A",
                "fe80::5054:ff:adb:f9a5",
                false,
            ),
        ] {
            let address = parse_address(hex).expect(hex);
            assert_eq!(address.to_string(), expected);
            assert_eq!(is_loopback(&address), loopback);
        }
        for bad in ["", "0", "zz", "é", "0100007F00"] {
            assert_eq!(parse_address(bad), None, "{bad}");
        }
    }
}
