# What Canonical's images of 22.04 and 24.04 share.
ubuntu() {
  debian_family
  { cat <<'F'
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
games:x:5:60:games:/usr/games:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin
messagebus:x:101:101::/nonexistent:/usr/sbin/nologin
syslog:x:102:102::/nonexistent:/usr/sbin/nologin
sshd:x:105:65534::/run/sshd:/usr/sbin/nologin
pollinate:x:106:1::/var/cache/pollinate:/bin/false
tss:x:107:112:TPM software stack,,,:/var/lib/tpm:/bin/false
landscape:x:109:115::/var/lib/landscape:/usr/sbin/nologin
ec2-instance-connect:x:110:65534::/nonexistent:/usr/sbin/nologin
_chrony:x:111:116:Chrony daemon,,,:/var/lib/chrony:/usr/sbin/nologin
ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash
lxd:x:999:100::/var/snap/lxd/common/lxd:/bin/false
F
    cat; } | put etc/passwd
  cut -d: -f1 etc/passwd | while read -r name; do
    case $name in
      ubuntu | systemd-network | messagebus | syslog | sshd | pollinate | tss | landscape | ec2-instance-connect | _chrony | lxd | dhcpcd | polkitd)
        echo "$name:!:19800:0:99999:7:::" ;;
      *) echo "$name:*:19800:0:99999:7:::" ;;
    esac
  done | put etc/shadow 640
  printf 'root:x:0:\nsudo:x:27:ubuntu\nshadow:x:42:\nubuntu:x:1000:\n' | put etc/group
  put etc/sudoers 440 <<'F'
Defaults	env_reset
Defaults	mail_badpass
Defaults	secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
Defaults	use_pty
root	ALL=(ALL:ALL) ALL
%admin ALL=(ALL) ALL
%sudo	ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
F
  echo 'PasswordAuthentication no' | put etc/ssh/sshd_config.d/60-cloudimg-settings.conf
  put usr/lib/systemd/system/ssh.service.d/ec2-instance-connect.conf <<'F'
[Service]
ExecStart=
ExecStart=/usr/sbin/sshd -D -o "AuthorizedKeysCommand /usr/share/ec2-instance-connect/eic_run_authorized_keys %%u %%f" -o "AuthorizedKeysCommandUser ec2-instance-connect" $SSHD_OPTS
F
  printf 'GRUB_DEFAULT=0\nGRUB_TIMEOUT_STYLE=hidden\nGRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet splash"\nGRUB_CMDLINE_LINUX=""\n' | put etc/default/grub
  put etc/default/grub.d/50-cloudimg-settings.cfg <<'F'
GRUB_RECORDFAIL_TIMEOUT=0
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0 nvme_core.io_timeout=4294967295"
GRUB_TERMINAL=console
F
  put boot/grub/grub.cfg <<'F'
terminal_input console
terminal_output console
menuentry 'Ubuntu' {
	linux	/vmlinuz-aws root=PARTUUID=0 ro console=tty1 console=ttyS0 nvme_core.io_timeout=4294967295 panic=-1
}
F
  echo 'server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4' | add etc/chrony/chrony.conf
  echo 'kernel.sysrq = 176' | put etc/sysctl.d/10-magic-sysrq.conf
  put etc/rsyslog.conf <<'F'
module(load="imuxsock")
module(load="imklog" permitnonkernelfacility="on")
$IncludeConfig /etc/rsyslog.d/*.conf
F
  printf 'auth,authpriv.*\t\t/var/log/auth.log\n*.*;auth,authpriv.none\t\t-/var/log/syslog\n' | put etc/rsyslog.d/50-default.conf
  printf 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n' | put etc/apt/apt.conf.d/20auto-upgrades
  echo 'ENABLED=no' | put etc/ufw/ufw.conf
  enable rsyslog.service unattended-upgrades.service ufw.service snapd.service
}
