#!/usr/bin/env bash
# One would guess: `time=1700000000.5` in an mtree(5) specification is half a second past, as a decimal fraction is.
# True: what stands behind the dot is a count of nanoseconds, and writers pad it or do not. libarchive's bsdtar writes
#   1700000000.5000000 for five milliseconds, NetBSD's mtree accepts that file by it, and takes .5 for five nanoseconds. Who
#   parses the word as a number is wrong by a factor of up to 10^8, and for most files nobody notices: nine digits are both.
# Seen with libarchive-tools 3.6.2-1+deb12u5 and mtree-netbsd 20180822-7. Needs root, for apt, where they are missing.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# Unpacked, not installed.
apt-get -qq -o APT::Sandbox::User=root download libarchive-tools=3.6.2-1+deb12u5 libarchive13=3.6.2-1+deb12u5 mtree-netbsd=20180822-7
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libarchive.so.13')")
export LD_LIBRARY_PATH
mtree=root/usr/bin/mtree
[ -x "$mtree" ] || mtree=$(find root -name 'mtree*' -path '*bin*' | head -1)
dpkg-deb -f mtree-netbsd_*.deb Version
dpkg-deb -f libarchive-tools_*.deb Version
expect() { grep -qF "$1" seen || { echo "no longer so: $1" >&2; exit 1; }; }
mkdir tree
touch -d '@1700000000.005' tree/file
root/usr/bin/bsdtar -cf - --format=mtree --options='!all,type,time' -C tree file >seen
cat seen
expect 'time=1700000000.5000000 '
specification() { printf '#mtree\n. type=dir\n    file type=file time=%s\n..\n' "$1"; }
specification 1700000000.5000000 | "$mtree" -p tree && echo 'five milliseconds: as .5000000'
touch -d '@1700000000.000000005' tree/file
specification 1700000000.5 | "$mtree" -p tree && echo 'five nanoseconds: as .5'
touch -d '@1700000000.5' tree/file
if specification 1700000000.5 | "$mtree" -p tree; then
  echo 'no longer so: half a second is not .5' >&2
  exit 1
fi
