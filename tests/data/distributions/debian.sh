# What Debian and Ubuntu share.
debian_family() {
  echo dpkg > ../family
  put etc/ssh/sshd_config <<'F'
Include /etc/ssh/sshd_config.d/*.conf
KbdInteractiveAuthentication no
UsePAM yes
X11Forwarding yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem	sftp	/usr/lib/openssh/sftp-server
F
  mkdir -p etc/ssh/sshd_config.d
  put etc/pam.d/common-auth <<'F'
auth	[success=1 default=ignore]	pam_unix.so nullok
auth	requisite			pam_deny.so
auth	required			pam_permit.so
F
  printf 'passwd:         files systemd\ngroup:          files systemd\nshadow:         files\n' | put etc/nsswitch.conf
  put usr/lib/systemd/system/ssh.service <<'F'
[Unit]
ConditionPathExists=!/etc/ssh/sshd_not_to_be_run
[Service]
EnvironmentFile=-/etc/default/ssh
ExecStart=/usr/sbin/sshd -D $SSHD_OPTS
[Install]
WantedBy=multi-user.target
Alias=sshd.service
F
  echo 'SSHD_OPTS=' | put etc/default/ssh
  enable apparmor.service chrony.service cron.service
  echo 'profile chronyd /usr/sbin/chronyd {}' | put etc/apparmor.d/usr.sbin.chronyd
  echo 'profile lsb_release {}' | put etc/apparmor.d/lsb_release
  mkdir -p "var/log/journal/$machine"
  put etc/chrony/chrony.conf <<'F'
confdir /etc/chrony/conf.d
sourcedir /run/chrony-dhcp
sourcedir /etc/chrony/sources.d
keyfile /etc/chrony/chrony.keys
makestep 1 3
F
}
