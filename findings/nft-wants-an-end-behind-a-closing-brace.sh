#!/usr/bin/env bash
# One would guess: in a ruleset of nft, as in the C that it looks like, blanks and line ends mean the same, so that a table
#   may be written on one line: `table inet f { chain c { …; } }`.
# True: the brace that ends a chain or set within a table needs a line end or a semicolon behind it. The one line is a
#   syntax error, nothing of the file is loaded, and the host boots without a firewall. A reader of rulesets that takes the
#   two braces takes a file for a firewall that nft refuses.
# Seen with nftables 1.0.6-2+deb12u2, unpacked and not installed; needs root, for a network namespace of its own.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
for package in ./*.deb; do dpkg -x "$package" root; done
dpkg-deb -f nftables_*.deb Version
# What nft says of a ruleset; nothing where it takes it.
check() {
  printf '%b' "$1" >ruleset
  echo "--- $1"
  LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) unshare --net root/usr/sbin/nft -c -f ruleset >seen 2>&1 || true
  cat seen
}
chain='chain c { type filter hook input priority 0; policy drop; }'
check "table inet f { $chain }\n"
grep -q "syntax error, unexpected '}', expecting newline or semicolon" seen || { echo "no longer so: refused" >&2; exit 1; }
for good in "table inet f { $chain; }\n" "table inet f { $chain\n}\n"; do
  check "$good"
  [ ! -s seen ] || { echo "no longer so: taken" >&2; exit 1; }
done
