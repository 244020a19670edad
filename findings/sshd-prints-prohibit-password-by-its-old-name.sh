#!/usr/bin/env bash
# One would guess: `sshd -T`, the effective configuration that audits are told to read, prints PermitRootLogin
#   prohibit-password as it was written and as sshd_config(5) has it.
# True: it prints `permitrootlogin without-password`, the name that was deprecated in 7.0. An audit that looks for the
#   documented word in the effective configuration fails every host that complies. Both names are read, one is printed.
# Seen with openssh-server 1:9.2p1-2+deb12u10, unpacked and not installed; needs root, as sshd -T does for host keys.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download openssh-server=1:9.2p1-2+deb12u10
dpkg -x openssh-server_*.deb root
dpkg-deb -f openssh-server_*.deb Version
ssh-keygen -q -t ed25519 -N '' -f key
# Where privilege separation has its empty directory.
mkdir -p /run/sshd
expect() { grep -qxF "$1" seen || { echo "no longer so: $1" >&2; exit 1; }; }
for word in prohibit-password without-password; do
  printf 'HostKey %s/key\nPermitRootLogin %s\n' "$work" "$word" >config
  root/usr/sbin/sshd -T -f "$work/config" | grep -i '^permitrootlogin' | tee seen
  expect 'permitrootlogin without-password'
done
