#!/usr/bin/env bash
# One would guess: while an upgrade runs the old package's postrm, /var/lib/dpkg/status says that the package is being
#   changed, and its files are still those that the database has sums of.
# True: every new file is in its place already, so that each fails against the sums of the database, and the old ones
#   stand beside them as NAME.dpkg-tmp; but /var/lib/dpkg/status still says "install ok installed" with the old version.
#   Only the journal in /var/lib/dpkg/updates says half-installed (reinstreq). Who reads the status file alone takes an upgrade for
#   tampering.
# Seen with dpkg 1.21.23 (Debian 12, amd64).
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq -o APT::Sandbox::User=root dpkg=1.21.23
dpkg-deb -x dpkg_1.21.23_*.deb tools
export PATH=$work/tools/usr/bin:$work/tools/usr/sbin:$PATH
dpkg --version | sed -n 1p

make() { # VERSION CONTENTS
  mkdir -p "p$1/DEBIAN" "p$1/usr/lib/shown"
  printf 'Package: shown\nVersion: %s\nArchitecture: all\nMaintainer: N <n@example.org>\nDescription: shown\n' "$1" >"p$1/DEBIAN/control"
  for file in a b; do echo "$2 $file" >"p$1/usr/lib/shown/$file"; done
  (cd "p$1" && md5sum usr/lib/shown/* >DEBIAN/md5sums)
  cat >"p$1/DEBIAN/postrm" <<'P'
#!/bin/sh
cd "$DPKG_ROOT"
{
  echo "postrm $1 of the old package:"
  grep -E '^(Status|Version)' var/lib/dpkg/status | sed 's/^/status file: /'
  grep -hE '^(Status|Version)' var/lib/dpkg/updates/* | sed 's/^/journal: /' | sort -u
  md5sum -c var/lib/dpkg/info/shown.md5sums 2>/dev/null
  ls -A usr/lib/shown
} >>seen
P
  chmod 755 "p$1/DEBIAN/postrm"
  dpkg-deb -b --root-owner-group "p$1" "$1.deb" >/dev/null
}
make 1 old
make 2 new
mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates
: >root/var/lib/dpkg/status
for version in 1 2; do
  dpkg --root="$work/root" --force-script-chrootless --force-not-root --log=/dev/null -i "$version.deb" >/dev/null 2>&1
done
cat root/seen
expect() { grep -qxF "$1" root/seen || { echo "no longer so: $1" >&2; exit 1; }; }
expect 'status file: Status: install ok installed'
expect 'status file: Version: 1'
expect 'journal: Status: install reinstreq half-installed'
expect 'usr/lib/shown/a: FAILED'
expect 'a.dpkg-tmp'
