skeleton
echo rpm > ../family
put etc/os-release <<'F'
NAME="SLES"
VERSION="15-SP7"
VERSION_ID="15.7"
PRETTY_NAME="SUSE Linux Enterprise Server 15 SP7"
ID="sles"
ID_LIKE="suse"
F
package bash 5.2-150700.1 openssh-server 9.6p1-150700.8.1 sudo 1.9.15p5-150700.1 chrony 4.6.1-150400.1 audit 3.0.6-150400.1 kernel-default 6.4.0-150700.53.1 cloud-init 23.3-150100.8 zypper 1.14.94-150700.1 rsyslog 8.2406.0-150700.1 apparmor-parser 3.1.7-150600.1 cloud-regionsrv-client 10.5.2-150300.1
put etc/passwd <<'F'
root:x:0:0:root:/root:/bin/bash
bin:x:1:1:bin:/bin:/usr/sbin/nologin
daemon:x:2:2:Daemon:/sbin:/usr/sbin/nologin
mail:x:482:482:Mailer daemon:/var/spool/clientmqueue:/usr/sbin/nologin
messagebus:x:499:499:User for D-Bus:/run/dbus:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/var/lib/nobody:/usr/sbin/nologin
polkitd:x:498:498:User for polkitd:/var/lib/polkit:/usr/sbin/nologin
chrony:x:497:497:Chrony Daemon:/var/lib/chrony:/usr/sbin/nologin
sshd:x:496:496:SSH daemon:/var/lib/sshd:/usr/sbin/nologin
ec2-user:x:1000:100:EC2 Default User:/home/ec2-user:/bin/bash
F
{ echo 'root:*:19900::::::'
  for name in bin daemon mail messagebus nobody polkitd chrony sshd; do echo "$name:!:19900::::::"; done
  echo 'ec2-user:!:20000:0:99999:7:::'; } | put etc/shadow 640
printf 'root:x:0:\nusers:x:100:\nwheel:x:474:\n' | put etc/group
put etc/ssh/sshd_config 640 <<'F'
Include /etc/ssh/sshd_config.d/*.conf
AuthorizedKeysFile	.ssh/authorized_keys
PasswordAuthentication no
UsePAM yes
X11Forwarding yes
Subsystem	sftp	/usr/lib/ssh/sftp-server
AcceptEnv LANG LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES
F
mkdir -p etc/ssh/sshd_config.d
enable sshd.service auditd.service chronyd.service cron.service apparmor.service rsyslog.service wicked.service guestregister.service
put usr/lib/systemd/system/sshd.service <<'F'
[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/ssh
ExecStartPre=/usr/sbin/sshd-gen-keys-start
ExecStartPre=/usr/sbin/sshd -t $SSHD_OPTS
ExecStart=/usr/sbin/sshd -D $SSHD_OPTS
[Install]
WantedBy=multi-user.target
F
echo 'SSHD_OPTS=""' | put etc/sysconfig/ssh
for stack in common-auth login; do
  printf 'auth\trequired\tpam_env.so\nauth\trequired\tpam_unix.so\ttry_first_pass\n' | put etc/pam.d/$stack
done
printf 'passwd:\tcompat\ngroup:\tcompat\nshadow:\tcompat\n' | put etc/nsswitch.conf
put etc/sudoers 440 <<'F'
Defaults always_set_home
Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"
Defaults env_reset
root ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
F
echo 'profile chronyd /usr/sbin/chronyd {}' | put etc/apparmor.d/usr.sbin.chronyd
printf 'GRUB_CMDLINE_LINUX_DEFAULT="console=ttyS0,115200n8 net.ifnames=0 nvme_core.io_timeout=4294967295 security=apparmor"\nGRUB_TIMEOUT=1\n' | put etc/default/grub
put boot/grub2/grub.cfg <<'F'
menuentry 'SLES' {
	linux /boot/vmlinuz-1 root=UUID=0 console=ttyS0,115200n8 net.ifnames=0 nvme_core.io_timeout=4294967295 security=apparmor
}
F
modules 6.4.0-150700.53-default
printf 'kernel.sysrq = 184\n' | put usr/lib/sysctl.d/50-default.conf
printf 'sourcedir /run/chrony-dhcp\ninclude /etc/chrony.d/*.conf\ndriftfile /var/lib/chrony/drift\nmakestep 1.0 3\n' | put etc/chrony.conf
echo 'server 169.254.169.123 iburst prefer minpoll 4 maxpoll 4' | put etc/chrony.d/ec2.conf
printf -- '-D\n-b 8192\n-f 1\n-a task,never\n' | put etc/audit/rules.d/audit.rules 640
printf 'module(load="imuxsock")\nmodule(load="imklog")\n*.*;mail.none;news.none\t-/var/log/messages\n' | put etc/rsyslog.conf
printf '[main]\n' | put etc/zypp/zypp.conf
put etc/zypp/repos.d/SLE-Product-SLES15-SP7-Updates.repo <<'F'
[SLE-Product-SLES15-SP7-Updates]
name=SLE-Product-SLES15-SP7-Updates for sle-15-x86_64
enabled=1
autorefresh=1
baseurl=plugin:/susecloud?credentials=Basesystem&path=/repo/SUSE/Updates
F
dir usr/lib/sysimage/rpm; link ../../usr/lib/sysimage/rpm var/lib/rpm
launched ec2-user rsa ecdsa ed25519
