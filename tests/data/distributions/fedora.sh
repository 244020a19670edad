skeleton
red_hat
merge_sbin
put etc/os-release <<'F'
NAME="Fedora Linux"
VERSION="44 (Cloud Edition)"
ID=fedora
VERSION_ID=44
PLATFORM_ID="platform:f44"
PRETTY_NAME="Fedora Linux 44 (Cloud Edition)"
VARIANT_ID=cloud
SUPPORT_END=2027-06-02
F
package openssh-server 10.2p1-2.fc44 dnf5 5.4.0-1.fc44 rsyslog 8.2510.0-1.fc44
put etc/passwd <<'F'
root:x:0:0:Super User:/root:/bin/bash
bin:x:1:1:bin:/bin:/usr/sbin/nologin
daemon:x:2:2:daemon:/sbin:/usr/sbin/nologin
adm:x:3:4:adm:/var/adm:/usr/sbin/nologin
lp:x:4:7:lp:/var/spool/lpd:/usr/sbin/nologin
sync:x:5:0:sync:/sbin:/bin/sync
shutdown:x:6:0:shutdown:/sbin:/sbin/shutdown
halt:x:7:0:halt:/sbin:/sbin/halt
mail:x:8:12:mail:/var/spool/mail:/usr/sbin/nologin
operator:x:11:0:operator:/root:/usr/sbin/nologin
games:x:12:100:games:/usr/games:/usr/sbin/nologin
ftp:x:14:50:FTP User:/var/ftp:/usr/sbin/nologin
nobody:x:65534:65534:Kernel Overflow User:/:/usr/sbin/nologin
dbus:x:81:81:System Message Bus:/:/usr/sbin/nologin
polkitd:x:114:114:User for polkitd:/:/sbin/nologin
chrony:x:996:994:chrony system user:/var/lib/chrony:/sbin/nologin
sshd:x:74:74:Privilege-separated SSH:/usr/share/empty.sshd:/usr/sbin/nologin
fedora:x:1000:1000:Fedora Cloud User:/home/fedora:/bin/bash
F
{ echo 'root:!unprovisioned::0:99999:7:::'
  for name in bin daemon adm lp sync shutdown halt mail operator games ftp nobody; do echo "$name:*:20400:0:99999:7:::"; done
  for name in dbus polkitd chrony sshd; do echo "$name:!*:20500::::::"; done
  echo 'fedora:!:20510:0:99999:7:::'; } | put etc/shadow 000
printf 'root:x:0:\nwheel:x:10:fedora\nfedora:x:1000:\n' | put etc/group
printf 'passwd:     files systemd\nshadow:     files systemd\ngroup:      files [SUCCESS=merge] systemd\n' | put etc/nsswitch.conf
openssh_of_el9
sed -i 's/^ChallengeResponseAuthentication/KbdInteractiveAuthentication/' etc/ssh/sshd_config.d/50-redhat.conf
echo 'PasswordAuthentication no' | put etc/ssh/sshd_config.d/50-cloud-init.conf 600
gettys "-o '-- \\\\u' --noreset "
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' | put etc/selinux/config
echo policy | put etc/selinux/targeted/policy/policy.33
options='root=UUID=0 console=tty0 console=ttyS0,115200n8 no_timer_check'
printf 'GRUB_CMDLINE_LINUX="%s"\nGRUB_TIMEOUT=1\nGRUB_ENABLE_BLSCFG=true\nGRUB_DEFAULT=saved\n' "${options#root=UUID=0 }" | put etc/default/grub
bls "$options"
modules 7.0.4-200.fc44.x86_64
printf '[main]\n' | put etc/dnf/dnf.conf
printf '[main]\nbest=False\ninstallonly_limit=3\nskip_if_unavailable=True\n' | put usr/share/dnf5/libdnf.conf.d/20-fedora-defaults.conf
put etc/yum.repos.d/fedora.repo <<'F'
[fedora]
name=Fedora $releasever - $basearch
metalink=https://mirrors.fedoraproject.org/metalink?repo=fedora-$releasever&arch=$basearch
enabled=1
repo_gpgcheck=0
type=rpm
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-fedora-$releasever-$basearch
F
printf -- '-D\n-b 8192\n--backlog_wait_time 60000\n-f 1\n' | put etc/audit/rules.d/audit.rules 600
echo 'server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4' | add etc/chrony.conf
enable NetworkManager.service
mkdir -p "var/log/journal/$machine"
rpm_below_usr
launched fedora rsa ecdsa ed25519
