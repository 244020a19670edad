# On top of SLES 15: what a vendor ships lies in /usr/etc, SELinux, NetworkManager.
put etc/os-release <<'F'
NAME="SLES"
VERSION="16.0"
VERSION_ID="16.0"
PRETTY_NAME="SUSE Linux Enterprise Server 16.0"
ID="sles"
ID_LIKE="suse"
SUPPORT_END="2027-11-30"
F
upgrade bash 5.3-160000.1 openssh-server 10.0p2-160000.2 sudo 1.9.17p1-160000.1 chrony 4.6.1-160000.1 audit 4.0-160000.1 kernel-default 6.12.0-160000.5 cloud-init 25.1.3-160000.1 zypper 1.14.94-160000.1 rsyslog 8.2504.0-160000.1 cloud-regionsrv-client 10.5.2-160000.1
unpackage apparmor-parser
dir usr/etc/ssh; mv etc/ssh/sshd_config usr/etc/ssh/
sed -i 's|^Include .*|&\nInclude /usr/etc/ssh/sshd_config.d/*.conf|; s|/usr/lib/ssh/|/usr/libexec/ssh/|' usr/etc/ssh/sshd_config
chmod 644 usr/etc/ssh/sshd_config; mkdir -p usr/etc/ssh/sshd_config.d
mv etc/sudoers usr/etc/sudoers
sed -i 's|^@includedir .*|@includedir /usr/etc/sudoers.d\n&|' usr/etc/sudoers; mkdir -p usr/etc/sudoers.d
mv etc/nsswitch.conf usr/etc/; mv etc/login.defs usr/etc/
dir usr/lib/pam.d; mv etc/pam.d/login usr/lib/pam.d/
disable apparmor.service wicked.service
enable NetworkManager.service
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' | put etc/selinux/config
echo policy | put etc/selinux/targeted/policy/policy.33
sed -i 's/ security=apparmor/ security=selinux selinux=1/' etc/default/grub boot/grub2/grub.cfg
gettys "-o '-- \\\\u' --noreset "
rm etc/zypp/repos.d/*; put etc/zypp/repos.d/SLE-Product-SLES-16.0.repo <<'F'
[SLE-Product-SLES-16.0]
name=SLE-Product-SLES-16.0
enabled=1
autorefresh=1
baseurl=plugin:/susecloud?credentials=SLES&path=/repo/SUSE/Products
F
modules 6.12.0-160000.5-default
