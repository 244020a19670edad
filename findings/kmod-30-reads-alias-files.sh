#!/usr/bin/env bash
# One would guess: of /etc/modprobe.d kmod reads what ends with `.conf`, as modprobe.d(5) has it (`/etc/modprobe.d/*.conf`), and
#   nothing else.
# True: kmod 30 reads `*.alias` there as well, a form of module-init-tools. A reader of the configuration that goes by the
#   manual page alone sees neither what such a file blocks nor what it lets load.
# Seen with kmod 30+20221128-1, unpacked and not installed.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download kmod=30+20221128-1 libkmod2=30+20221128-1
for package in ./*.deb; do dpkg -x "$package" root; done
dpkg-deb -f kmod_*.deb Version
mkdir modprobe.d
echo 'install from_conf /bin/true' >modprobe.d/a.conf
echo 'install from_alias /bin/true' >modprobe.d/b.alias
echo 'install from_text /bin/true' >modprobe.d/c.txt
ln -s "$work/root/bin/kmod" modprobe
# Asked for by the name modprobe, with no other directory.
LD_LIBRARY_PATH=$(echo root/lib/*-linux-gnu root/usr/lib/*-linux-gnu | tr ' ' :) ./modprobe -C modprobe.d --showconfig |
  grep '^install from_' | tee seen
printf 'install from_%s /bin/true\n' conf alias | sort >expected
sort seen | cmp - expected || { echo "no longer so" >&2; exit 1; }
man=$(find root/usr/share/man -name 'modprobe.d.5*' | head -n 1)
zcat "$man" | sed 's/\\&//g' | grep -xF '/etc/modprobe.d/*.conf' || { echo "modprobe.d(5) says something else by now" >&2; exit 1; }
