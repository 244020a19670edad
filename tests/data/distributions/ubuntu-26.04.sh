# On top of Ubuntu 24.04: sudo-rs by alternatives, dracut.
put etc/os-release <<'F'
PRETTY_NAME="Ubuntu 26.04 LTS"
NAME="Ubuntu"
VERSION_ID="26.04"
VERSION="26.04 LTS (Resolute Raccoon)"
VERSION_CODENAME=resolute
ID=ubuntu
ID_LIKE=debian
F
upgrade openssh-server 1:10.2p1-2ubuntu3 sudo 1.9.17p2-1ubuntu1 chrony 4.7-1ubuntu1 cloud-init 26.1-0ubuntu1 strace 6.16-1 bpftrace 0.24.1-1
package sudo-rs 0.2.13-0ubuntu1 dracut 108-3ubuntu1
echo 'sudo-rs reads /etc/sudoers-rs' | put usr/lib/cargo/bin/sudo 4755
echo 'the other sudo' | put usr/bin/sudo.ws 4755
link /etc/alternatives/sudo usr/bin/sudo
link /usr/lib/cargo/bin/sudo etc/alternatives/sudo
sed -i 's/noble/resolute/g' etc/apt/sources.list.d/ubuntu.sources
gettys "-o '-- \\\\u' --noreset "
modules 7.0.0-1001-aws
