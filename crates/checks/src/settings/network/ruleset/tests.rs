//! What rulesets filter, and which of them nft takes.

use super::*;
use std::process::Command;

/// The text with line ends where nft wants them: around what stands in the blocks of tables and chains.
fn spread(text: &str) -> String {
    let mut found = String::new();
    let mut blocks = Vec::new();
    let mut begun = String::new();
    for c in text.chars() {
        match c {
            '{' => {
                let words: Vec<&str> = begun.split_whitespace().collect();
                let first = words.iter().find(|word| **word != "add").copied();
                let is_block = matches!(first, Some("table" | "chain" | "set" | "map"));
                blocks.push(is_block);
                found.push_str(if is_block { "{\n" } else { "{" });
                begun.clear();
            }
            '}' => {
                let is_block = blocks.pop().unwrap_or(false);
                found.push_str(if is_block { "\n}\n" } else { "}" });
                begun.clear();
            }
            c => {
                begun.push(c);
                found.push(c);
                if matches!(c, ';' | '\n') {
                    begun.clear();
                }
            }
        }
    }
    found
}

#[test]
fn tables_that_filter() {
    let input = "type filter hook input priority 0;";
    for (text, v4, v6) in [
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}"), true, true),
            (format!("table ip t {{ chain c {{ {input} policy drop; }} }}"), true, false),
            (format!("table t {{ chain c {{ {input} policy drop; }} }}"), true, false),
            (format!("table ip6 t {{ chain c {{ {input} policy drop; }} }}"), false, true),
            (format!("table bridge t {{ chain c {{ {input} policy drop; }} }}"), false, false),
            (format!("table arp t {{\n chain c {{\n {input} policy drop;\n }}\n}}"), false, false),
            (format!("table inet t {{ flags dormant; chain c {{ {input} policy drop; }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input} }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input}\n tcp dport {{ 22, 23 }} drop\n }} }}"), true, true),
            (format!("table inet t {{ chain c {{ {input} # drop\n }} }}"), false, false),
            ("table inet t { chain c { type filter hook output priority 0; policy drop; } }".into(), false, false),
            ("table netdev t { chain c { type filter hook ingress device eth0 priority 0; policy drop; } }".into(), false, false),
            (format!("table inet t {{ chain d {{ drop; }} chain c {{ {input} jump d; }} }}"), true, true),
            ("table inet t { chain d { drop; } }".into(), false, false),
            ("add rule inet t in tcp dport 23 drop".into(), false, false),
            ("tcp dport 23 drop".into(), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\ngarbage here"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\nadd rule inet other c accept"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\nadd rule inet t d accept"), false, false),
            (format!("delete table inet u\ntable inet t {{ chain c {{ {input} policy drop; }} }}"), false, false),
            (format!("table inet u\ndelete table inet u\ntable inet t {{ chain c {{ {input} policy drop; }} }}"), true, true),
            (format!("destroy table inet u\ntable inet t {{ chain c {{ {input} policy drop; }} }}"), true, true),
            (format!("add table ip6 t\nadd chain ip6 t in {{ {input} }}\nadd rule ip6 t in tcp dport 23 drop"), false, true),
            (format!("add table inet t\nadd chain inet t in {{ {input} policy drop; }}"), true, true),
            (format!("table inet t {{}}\ntable inet t {{ chain in {{ {input} }} }}\nadd rule inet t in tcp dport {{ 22, 23 }} counter drop"), true, true),
            (format!("table ip t {{ chain c {{ {input} }} }}\nadd rule ip t c tcp dport {{ 22, 23 }} drop"), true, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\nflush ruleset"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\ndelete table inet t"), false, false),
            (format!("table inet t {{ chain c {{ {input} tcp dport 1 drop; }} }}\nflush chain inet t c"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\nflush table inet t"), true, true),
            (format!("table inet t {{ chain c {{ {input} tcp dport 22 accept comment \"no drop here\" }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input} log prefix \"in drop \" accept; }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input} ct state vmap {{ invalid : drop, new : accept }} }} }}"), true, true),
            (format!("table inet t {{ set s {{ type ipv4_addr; }} chain c {{ {input} ip saddr @s drop }} }}"), true, true),
            (format!("table inet t {{ chain d {{ drop }} chain e {{ accept }} chain c {{ {input} jump e }} }}"), false, false),
            (format!("table inet t {{ chain d {{ drop }} chain e {{ goto d }} chain c {{ {input} ct state vmap {{ new : jump e }} }} }}"), true, true),
            (format!("table inet t {{ map m {{ type inet_service : verdict; elements = {{ 22 : drop }} }} chain c {{ {input} tcp dport vmap @m }} }}"), true, true),
            (format!("define p = drop\ntable inet t {{ chain c {{ {input} policy $p; }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy \\\n drop; }} }}"), true, true),
            (format!("define p = \"drop\"\ntable inet t {{ chain c {{ {input} policy $p; }} }}"), true, true),
            (format!("define p = \"accept\"\ntable inet t {{ chain c {{ {input} policy $p; }} }}"), false, false),
            (format!("define p = \"d\"\ntable inet t {{ chain d {{ drop }} chain c {{ {input} jump $p }} }}"), true, true),
            (format!("define p = \"drop\"\ntable inet t {{ chain c {{ {input} iifname $p accept }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input} define p = \"drop\"; accept }} }}"), false, false),
            (format!("define p = {{\n 22,\n 23\n}}\ntable inet t {{ chain c {{ {input} tcp dport $p drop }} }}"), true, true),
            (format!("table inet t {{ map m {{ type inet_service : verdict; policy memory; elements = {{ 22 : drop }} }} chain c {{ {input} tcp dport vmap @m }} }}"), true, true),
            ("table inet t { chain c { type nat hook prerouting priority 0; policy drop; } }".into(), false, false),
            ("table inet t { chain c { type filter hook prerouting priority raw; ip saddr 10.0.0.0/8 drop } }".into(), true, true),
        ] {
            let loaded = match load(&spread(&text), &Tables::new()) {
                Load::Loaded(loaded) => loaded,
                Load::Refused => Tables::new(),
                Load::Unknown(_, why) => panic!("{text}: {why}"),
            };
            assert_eq!(of_tables(&loaded), Filtered { v4, v6 }, "{text}");
        }
}

const INPUT: &str = "type filter hook input priority 0; policy drop;";

/// A ruleset with these rules.
fn with(rules: &str) -> String {
    format!(
        "table inet t {{\n set s {{\n type inet_service\n }}\n chain d {{\n drop\n }}\n chain c {{\n {INPUT}\n {rules}\n }}\n}}\n"
    )
}

/// The same behind the definition of a variable.
fn defined(variable: &str, rules: &str) -> String {
    format!("define {variable}\n{}", with(rules))
}

/// What nft itself says of each, where it is installed and has a network of its own to look at.
#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn rulesets_that_nft_takes() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("f");
    let one_line = format!("table inet t {{ chain c {{ {INPUT} }} }}\n");
    let text = |text: &str| text.to_owned();
    for (text, expected) in [
        (one_line.clone(), "refused"),
        (one_line.replace("} }", "}; }"), "loaded"),
        (text("table inet t {\n chain c {\n drop }\n}\n"), "refused"),
        (text("table inet t { chain c {}\n}\n"), "loaded"),
        (with("tcp dport 22 acept"), "unknown"),
        (with("tcp dport $SSH accept"), "refused"),
        (with("tcp dport @nope accept"), "refused"),
        (with("tcp dport @s accept"), "loaded"),
        (with("tcp dport 99999 accept"), "refused"),
        (with("tcp dport { 22, 1-70000 } accept"), "refused"),
        (with("jump nochain"), "refused"),
        (with("jump d"), "loaded"),
        (with("iif lo accept"), "loaded"),
        (
            with("iifname \"lo\" accept comment \"Accept any localhost traffic\""),
            "loaded",
        ),
        (with("iifname { lo, eth0, wg0 } accept"), "loaded"),
        (with("ct state { established, related } accept"), "loaded"),
        (with("ct state established,related accept"), "loaded"),
        (
            with("ct state vmap { invalid : drop, established : accept, related : accept }"),
            "loaded",
        ),
        (with("ct state invalid counter drop"), "loaded"),
        (with("ip protocol icmp accept"), "loaded"),
        (with("meta l4proto { icmp, ipv6-icmp } accept"), "loaded"),
        (
            with(
                "icmp type { echo-request, destination-unreachable, time-exceeded } limit rate 4/second accept",
            ),
            "loaded",
        ),
        (
            with(
                "icmpv6 type { nd-neighbor-solicit, nd-router-advert, nd-neighbor-advert, packet-too-big } accept",
            ),
            "loaded",
        ),
        (with("ip6 nexthdr icmpv6 accept"), "loaded"),
        (
            with("tcp dport { ssh, http, https } ct state new accept"),
            "loaded",
        ),
        (
            with("tcp dport ssh ct state new limit rate 10/minute burst 5 packets accept"),
            "loaded",
        ),
        (with("udp dport 60000-61000 accept"), "loaded"),
        (
            with("ip saddr { 10.0.0.0/8, 192.168.0.0/16 } tcp dport 22 accept"),
            "loaded",
        ),
        (
            with("ip6 saddr fe80::/10 udp dport dhcpv6-client accept"),
            "loaded",
        ),
        (
            with("tcp flags & (fin|syn|rst|ack) != syn ct state new drop"),
            "loaded",
        ),
        (
            with("tcp flags syn tcp option maxseg size set rt mtu"),
            "loaded",
        ),
        (
            with("log prefix \"[nft] \" level info limit rate 5/minute burst 5 packets"),
            "loaded",
        ),
        (with("limit rate over 10/second drop"), "loaded"),
        (
            with("counter reject with icmpx type admin-prohibited"),
            "loaded",
        ),
        (with("reject with icmpx port-unreachable"), "loaded"),
        (
            with("meta nfproto ipv4 tcp dport 80 reject with tcp reset"),
            "loaded",
        ),
        (
            with("fib daddr type { broadcast, anycast, multicast } drop"),
            "loaded",
        ),
        (with("fib saddr . iif oif missing drop"), "loaded"),
        (with("meta mark 0x1 accept"), "loaded"),
        (with("meta pkttype { broadcast, multicast } drop"), "loaded"),
        (with("meta skuid root accept"), "loaded"),
        (with("ether type arp accept"), "loaded"),
        (
            defined("lan-net = 10.0.0.0/8", "ip saddr $lan-net accept"),
            "loaded",
        ),
        (defined("a/b.c_d=22", "tcp dport $a/b.c_d accept"), "loaded"),
        (
            defined("a = 22; define b = 30", "tcp dport $a-$b accept"),
            "refused",
        ),
        (
            defined("a = 22; define b = 30", "tcp dport $a - $b accept"),
            "loaded",
        ),
        (defined("a = 22", "tcp dport 20-$a accept"), "loaded"),
        (defined("a = 22", "tcp dport 20-$b accept"), "refused"),
        (defined("a = 22", "tcp dport !=$a accept"), "loaded"),
        (defined("a = 22", "tcp dport $a-30 accept"), "refused"),
        (defined("a = 22", "tcp dport $a$a accept"), "refused"),
        (defined("a = 10.0.0.0", "ip saddr $a/8 accept"), "refused"),
        (
            defined("a = 22\nundefine a", "tcp dport $a accept"),
            "refused",
        ),
        (
            defined(
                "a = 22",
                &format!("tcp dport {} accept", "$a".repeat(20_000)),
            ),
            "refused",
        ),
        (
            defined("a = {\n 22, # }\n 443\n}", "tcp dport $a accept"),
            "loaded",
        ),
        (
            defined("a = {\n 22,\n 99999\n}", "tcp dport $a accept"),
            "refused",
        ),
        (defined("a = {\n 22,", "tcp dport 22 accept"), "refused"),
        (
            defined("a = { \"lo\", eth0 }", "iifname $a accept"),
            "loaded",
        ),
        (defined("a = \"d\"", "jump $a"), "loaded"),
        (defined("a = \"nochain\"", "jump $a"), "refused"),
        (
            defined("pol = \"drop\"", "").replace("policy drop", "policy $pol"),
            "loaded",
        ),
        (
            defined("pol = \"foo\"", "").replace("policy drop", "policy $pol"),
            "unknown",
        ),
        (
            with("").replace("policy drop", "policy \"drop\""),
            "unknown",
        ),
        (with("define X = 22\n tcp dport $X accept"), "loaded"),
        (
            with("define X = {\n 22,\n 23 }; tcp dport $X accept"),
            "loaded",
        ),
        (
            with("iifname vmap { lo : accept, eth0 : jump d }"),
            "loaded",
        ),
        (with("iifname vmap { lo : acept }"), "unknown"),
        (with("iifname vmap { lo : jump nochain }"), "refused"),
        (
            with("meta mark set iifname map { lo : 1, eth9 : 2 }"),
            "loaded",
        ),
        (
            with("iifname . ip saddr vmap { lo . 10.0.0.1 : accept }"),
            "loaded",
        ),
        (
            with("meter ssh { ip saddr limit rate 10/minute } accept"),
            "loaded",
        ),
        (with("log flags tcp sequence,options"), "loaded"),
        (with("log flags ip options"), "loaded"),
        (with("meta day { Monday, Tuesday } accept"), "loaded"),
        (with("meta day monday accept"), "unknown"),
        (with("tcp dport bgp accept"), "loaded"),
        (with("tcp dport != bgp accept"), "loaded"),
        (with("tcp sport . tcp dport { bgp . ssh } accept"), "loaded"),
        (with("tcp dport vmap { bgp : drop, 22 : accept }"), "loaded"),
        (with("tcp dport bgp acept"), "unknown"),
        (with("tcp dport shh accept"), "unknown"),
        (with("meta secpath exists accept"), "loaded"),
        (with("ct event set new,destroy,protoinfo"), "loaded"),
        (with("ct expiration > 30s accept"), "loaded"),
        (with("exthdr hbh exists accept"), "loaded"),
        (with("ip option lsrr exists accept"), "loaded"),
        (with("tcp option sack-perm exists accept"), "loaded"),
        (
            with("mh type { binding-update, home-test } accept"),
            "loaded",
        ),
    ] {
        let own = match load(&text, &Tables::new()) {
            Load::Loaded(_) => "loaded",
            Load::Refused => "refused",
            Load::Unknown(..) => "unknown",
        };
        assert_eq!(own, expected, "{text}");
        std::fs::write(&file, &text).expect("a file");
        let mut command = Command::new("unshare");
        let shown = command.args(["-n", "nft", "-c", "-f"]).arg(&file).output();
        let Ok(shown) = shown else { continue };
        let said = String::from_utf8_lossy(&shown.stderr).into_owned();
        if own == "unknown" || said.contains("not permitted") || said.contains("failed") {
            continue;
        }
        assert_eq!(shown.status.success(), own == "loaded", "{text}{said}");
    }
}
