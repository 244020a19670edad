skeleton
red_hat
put etc/os-release <<'F'
NAME="Red Hat Enterprise Linux"
VERSION="9.6 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.6"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Red Hat Enterprise Linux 9.6 (Plow)"
F
package openssh-server 8.7p1-45.el9 dnf 4.14.0-25.el9 rsyslog 8.2310.0-4.el9 rsync 3.2.5-3.el9 insights-client 3.2.8-1.el9
put etc/passwd <<'F'
root:x:0:0:root:/root:/bin/bash
bin:x:1:1:bin:/bin:/sbin/nologin
daemon:x:2:2:daemon:/sbin:/sbin/nologin
adm:x:3:4:adm:/var/adm:/sbin/nologin
lp:x:4:7:lp:/var/spool/lpd:/sbin/nologin
sync:x:5:0:sync:/sbin:/bin/sync
shutdown:x:6:0:shutdown:/sbin:/sbin/shutdown
halt:x:7:0:halt:/sbin:/sbin/halt
mail:x:8:12:mail:/var/spool/mail:/sbin/nologin
operator:x:11:0:operator:/root:/sbin/nologin
games:x:12:100:games:/usr/games:/sbin/nologin
ftp:x:14:50:FTP User:/var/ftp:/sbin/nologin
nobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin
tss:x:59:59:Account used for TPM access:/:/usr/sbin/nologin
systemd-coredump:x:999:997:systemd Core Dumper:/:/sbin/nologin
dbus:x:81:81:System message bus:/:/sbin/nologin
polkitd:x:998:996:User for polkitd:/:/sbin/nologin
sssd:x:997:995:User for sssd:/run/sssd/:/sbin/nologin
chrony:x:996:994:chrony system user:/var/lib/chrony:/sbin/nologin
sshd:x:74:74:Privilege-separated SSH:/usr/share/empty.sshd:/usr/sbin/nologin
setroubleshoot:x:995:992:SELinux troubleshoot server:/var/lib/setroubleshoot:/usr/sbin/nologin
ec2-user:x:1000:1000:Cloud User:/home/ec2-user:/bin/bash
F
{ echo 'root:!locked::0:99999:7:::'
  for name in bin daemon adm lp sync shutdown halt mail operator games ftp nobody; do echo "$name:*:19760:0:99999:7:::"; done
  for name in tss systemd-coredump dbus polkitd sssd chrony sshd setroubleshoot; do echo "$name:!!:20200::::::"; done
  echo 'ec2-user:!!:20210:0:99999:7:::'; } | put etc/shadow 000
printf 'root:x:0:\nwheel:x:10:\nssh_keys:x:101:\nec2-user:x:1000:\n' | put etc/group
openssh_of_el9
# The image's own, and cloud-init's ssh_pwauth: false.
echo 'PasswordAuthentication no' | add etc/ssh/sshd_config
echo 'PasswordAuthentication no' | put etc/ssh/sshd_config.d/50-cloud-init.conf 600
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' | put etc/selinux/config
echo policy | put etc/selinux/targeted/policy/policy.33
options='root=UUID=0 console=tty0 console=ttyS0,115200n8 net.ifnames=0 nvme_core.io_timeout=4294967295 crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M'
printf 'GRUB_CMDLINE_LINUX="%s"\nGRUB_TIMEOUT=0\nGRUB_ENABLE_BLSCFG=true\nGRUB_DEFAULT=saved\n' "${options#root=UUID=0 }" | put etc/default/grub
bls "$options"
printf 'blacklist nouveau\n' | put etc/modprobe.d/blacklist-nouveau.conf
modules 5.14.0-570.el9.x86_64
printf '[main]\ngpgcheck=1\ninstallonly_limit=3\nbest=True\n' | put etc/dnf/dnf.conf
put etc/yum.repos.d/redhat-rhui.repo <<'F'
[rhel-9-baseos-rhui-rpms]
name=Red Hat Enterprise Linux 9 for $basearch - BaseOS from RHUI (RPMs)
mirrorlist=https://rhui.REGION.aws.ce.redhat.com/pulp/mirror/content/dist/rhel9/rhui/$releasever/$basearch/baseos/os
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release
F
put etc/rsyslog.conf <<'F'
global(workDirectory="/var/lib/rsyslog")
module(load="builtin:omfile" Template="RSYSLOG_TraditionalFileFormat")
include(file="/etc/rsyslog.d/*.conf" mode="optional")
module(load="imuxsock" SysSock.Use="off")
module(load="imjournal" UsePid="system" StateFile="imjournal.state")
*.info;mail.none;authpriv.none;cron.none                /var/log/messages
authpriv.*                                              /var/log/secure
F
printf -- '-D\n-b 8192\n--backlog_wait_time 60000\n-f 1\n' | put etc/audit/rules.d/audit.rules 600
echo 'server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4' | add etc/chrony.conf
enable rsyslog.service tuned.service NetworkManager.service
unit rsyncd.service rsyncd.socket
launched ec2-user rsa ecdsa ed25519
ssh_keys_group 101
