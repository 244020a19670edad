# On top of Debian 12.
put etc/os-release <<'F'
PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION="13 (trixie)"
VERSION_CODENAME=trixie
DEBIAN_VERSION_FULL=13.8
ID=debian
F
upgrade openssh-server 1:10.0p1-7+deb13u4 sudo 1.9.16p2-3 chrony 4.6.1-3 cloud-init 25.1.4-1+deb13u1 apparmor 4.1.0-1 systemd 257.13-1~deb13u1 grub-cloud-amd64 0.1.1 unattended-upgrades 2.12
unpackage gcc-12-base
package gcc-14-base 14.2.0-19 login 1:4.16.0-2+really2.41.5-0+deb13u1
sed -i 's/^AcceptEnv.*/& COLORTERM NO_COLOR/' etc/ssh/sshd_config
gettys "-o '-- \\\\u' --noreset "
put usr/lib/systemd/system/ssh.service <<'F'
[Unit]
ConditionPathExists=!/etc/ssh/sshd_not_to_be_run
[Service]
EnvironmentFile=-/etc/default/ssh
ExecStartPre=/usr/sbin/sshd -t
ExecStart=/usr/sbin/sshd -D $SSHD_OPTS
[Install]
WantedBy=multi-user.target
Alias=sshd.service
F
# sshd writes here whether wtmpdb is installed or not; before the first login there is nothing.
link ../../log/wtmp.db var/lib/wtmpdb/wtmp.db
sed -i 's/bookworm/trixie/g' etc/apt/sources.list.d/debian.sources
modules 6.12.48+deb13-cloud-amd64
