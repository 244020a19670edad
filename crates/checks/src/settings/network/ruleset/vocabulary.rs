//! Words that rules of nft(8) are made of: what is none of them may be a slip that nft refuses.

/// Words behind which a name of the ruleset's own stands, or one of the system.
const NAMED: [&str; 23] = [
    "iif",
    "oif",
    "iifname",
    "oifname",
    "ibrname",
    "obrname",
    "jump",
    "goto",
    "comment",
    "prefix",
    "name",
    "helper",
    "object",
    "skuid",
    "skgid",
    "cgroup",
    "cgroupv2",
    "iifgroup",
    "oifgroup",
    "realm",
    "timeout",
    "expectation",
    "meter",
];

/// Words of expressions and statements (nft(8)), and the usual names of services, protocols and types.
const WORDS: &str = " accept drop continue return queue reject with jump goto log prefix level group snaplen queue-threshold \
 flags emerg alert crit err warn notice info debug audit limit rate over burst second minute hour day week packets bytes \
 kbytes mbytes quota until used counter name ct state new established related invalid untracked direction original reply \
 status expected seen-reply assured confirmed snat dnat dying mark zone label l3proto proto proto-src proto-dst count avgpkt \
 helper timeout expectation notrack set add update delete map vmap eq ne lt gt le ge and or xor not meta length protocol \
 nfproto l4proto priority iif oif iifname oifname iiftype oiftype skuid skgid nftrace rtclassid ibrname obrname pkttype cpu \
 iifgroup oifgroup cgroup random ipsec iifkind oifkind time hour day sdif sdifname broadcast unicast multicast other host \
 loopback ether ip ip6 ipv4 ipv6 arp vlan tcp udp udplite sctp dccp icmp icmpv6 igmp esp ah comp gre all th ll nh ih saddr \
 daddr sport dport dscp ecn length id frag-off ttl hoplimit flowlabel nexthdr protocol checksum hdrlength version type code \
 mtu gateway sequence parameter-problem max-delay ackseq doff fin syn rst psh ack urg ecn cwr urgptr window option exists \
 missing maxseg sack sack-permitted timestamp echo nop eol size hbh rt rt0 rt2 rt4 dst mh frag more-fragments seg-left spi \
 reqid operation htype hlen plen ptype request cfi pcp fib oif check unspec local anycast blackhole unreachable prohibit \
 throw nat symhash jhash mod seed offset numgen inc osf socket transparent wildcard cgroupv2 level masquerade redirect to \
 random fully-random persistent dup fwd tproxy synproxy mss wscale flow device on ieee1 comment classid key src ipcomp \
 echo-request echo-reply destination-unreachable source-quench redirect time-exceeded timestamp-request timestamp-reply \
 info-request info-reply address-mask-request address-mask-reply router-advertisement router-solicitation packet-too-big \
 mld-listener-query mld-listener-report mld-listener-done mld-listener-reduction mld2-listener-report nd-router-solicit \
 nd-router-advert nd-neighbor-solicit nd-neighbor-advert nd-redirect router-renumbering ind-neighbor-solicit \
 ind-neighbor-advert net-unreachable host-unreachable prot-unreachable port-unreachable net-prohibited host-prohibited \
 admin-prohibited no-route addr-unreachable policy-fail reject-route frag-needed tcp reset icmpx tcp-reset \
 membership-query membership-report leave-group \
 ssh http https domain ntp smtp smtps submission imap imaps imap2 pop3 pop3s ftp ftp-data telnet snmp syslog ldap ldaps \
 kerberos nfs sunrpc mysql postgresql bootps bootpc tftp mdns ipp rsync git dhcpv6-client dhcpv6-server netbios-ns \
 netbios-dgm netbios-ssn microsoft-ds isakmp ipsec-nat-t openvpn rtsp sip sip-tls http-alt redis xmpp-client xmpp-server \
 bgp domain-s snmp-trap submissions radius radius-acct nntp amqp amqps epmap munin webcache \
 zabbix-agent zabbix-trapper x11 printer cfengine ident auth nrpe gopher finger socks postgres puppet \
 cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7 af11 af12 af13 af21 af22 af23 af31 af32 af33 af41 af42 af43 ef be bypass fanout \
 Monday Tuesday Wednesday Thursday Friday Saturday Sunday raw mangle filter security srcnat dstnat routing 8021q 8021ad \
 ipv6-icmp udp-lite ospf ospfigp vrrp pim ipencap ipip rsvp hopopt ip6in4 encap l2tp inet bridge netdev memory \
 continue return skb secmark last never tunnel iseq in out meter options secpath event destroy protoinfo seqadj expiration \
 exthdr lsrr ssrr rr ra sack-perm binding-refresh-request home-test-init careof-test-init home-test careof-test \
 binding-update binding-acknowledgement binding-error fast-binding-update fast-binding-acknowledgement \
 fast-binding-advertisement experimental-mobility-header home-agent-switch-message ";

/// Where names stand in a rule.
#[derive(Default)]
struct Names {
    /// The next word is one.
    next: bool,
    /// So is a part of what the next list holds, as of `iifname . ip saddr`.
    joined: bool,
    /// How deep in braces that hold them.
    depth: usize,
    /// Behind the colon of a map, where what is done with them stands.
    value: bool,
}

impl Names {
    /// Passes over what is no word.
    fn mark(&mut self, mark: &str, next: bool) {
        match mark {
            "{" if next || self.joined || self.depth > 0 => {
                self.depth = self.depth.saturating_add(1);
                self.value = false;
            }
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                self.joined = false;
            }
            "!=" | "==" => self.next = next,
            "." => self.joined |= next,
            "," => self.value = false,
            mark if mark.starts_with(':') => self.value = true,
            mark if mark.starts_with('@') => self.joined = false,
            _ => {}
        }
    }

    /// Whether this word is one.
    fn word(&mut self, word: &str, next: bool) -> bool {
        let listed = self.depth > 0 && !self.value;
        if listed {
            self.value = word.ends_with(':') && !word.ends_with("::");
        } else {
            // What looks a name up, or compares with it, stands before it.
            let before = next && matches!(word, "map" | "vmap" | "eq" | "ne");
            self.next = before || NAMED.contains(&word);
        }
        listed || next
    }
}

/// The first word of a rule that is not known; names where names stand, numbers and addresses are.
pub(super) fn unknown<'t>(words: &[&'t str]) -> Option<&'t str> {
    let mut names = Names::default();
    for word in words {
        let next = std::mem::take(&mut names.next);
        let is_mark = |c: char| !c.is_alphanumeric();
        if word.chars().next().is_none_or(is_mark) {
            names.mark(word, next);
            continue;
        }
        let named = names.word(word, next);
        // A name, a number, an address, a time, or two of them; a map has a colon.
        let plain = word.starts_with(|c: char| c.is_ascii_digit()) || word.contains(':');
        let known = || {
            let mut parts = word.split(['|', '.', '(', ')', '=', '!', '&', '<', '>', '/']);
            parts.all(is_known)
        };
        if !named && !plain && !known() {
            return Some(word);
        }
    }
    None
}

fn is_known(part: &str) -> bool {
    let digit = part.starts_with(|c: char| c.is_ascii_digit());
    part.is_empty() || digit || WORDS.split_ascii_whitespace().any(|word| word == part)
}

/// A port beyond the last one, which nft refuses.
pub(super) fn beyond(words: &[&str]) -> bool {
    let mut depth = None;
    words.iter().any(|word| {
        match *word {
            "dport" | "sport" => depth = Some(0_usize),
            "==" | "!=" | "eq" | "ne" | "," => {}
            "{" => depth = depth.map(|depth| depth.saturating_add(1)),
            "}" => depth = None,
            word => {
                let mut ends = word.split(['-', ':']);
                let number = |end: &str| end.parse::<u64>().is_ok_and(|port| port > 65_535);
                let is_beyond = depth.is_some() && ends.any(number);
                depth = depth.filter(|depth| *depth > 0);
                return is_beyond;
            }
        }
        false
    })
}
