# What the distributions of the Red Hat family share.
red_hat() {
  package bash 5.0-1 sudo 1.9-1 chrony 4.0-1 audit 3.0-1 kernel 5.0-1 cloud-init 22.0-1
  echo rpm > ../family
  put etc/sudoers 440 <<'F'
Defaults   !visiblepw
Defaults    always_set_home
Defaults    env_reset
Defaults    secure_path = /sbin:/bin:/usr/sbin:/usr/bin
root	ALL=(ALL) 	ALL
%wheel	ALL=(ALL)	ALL
#includedir /etc/sudoers.d
F
  for stack in system-auth password-auth; do put etc/pam.d/$stack <<'F'
auth        required      pam_env.so
auth        sufficient    pam_unix.so nullok try_first_pass
auth        required      pam_deny.so
account     required      pam_unix.so
F
  done
  printf 'passwd:     files\nshadow:     files\ngroup:      files\n' | put etc/nsswitch.conf
  enable sshd.service
  put usr/lib/systemd/system/sshd.service <<'F'
[Unit]
After=network.target sshd-keygen.target
[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/sshd
ExecStart=/usr/sbin/sshd -D $OPTIONS
[Install]
WantedBy=multi-user.target
F
  printf '# Options of sshd:\n# OPTIONS=""\n' | put etc/sysconfig/sshd 640
  enable auditd.service chronyd.service crond.service
  printf 'driftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync\n' | put etc/chrony.conf
  # systemd's own, as the family builds it.
  printf 'kernel.sysrq = 16\nkernel.core_uses_pid = 1\nfs.protected_hardlinks = 1\n' | put usr/lib/sysctl.d/50-default.conf
  put boot/grub2/grub.cfg <<'F'
if [ -f ${config_directory}/user.cfg ]; then
  source ${config_directory}/user.cfg
  if [ -n "${GRUB2_PASSWORD}" ]; then
    set superusers="root"
    export superusers
    password_pbkdf2 root ${GRUB2_PASSWORD}
  fi
fi
terminal_output console
set timeout=0
F
}

# bls OPTIONS: one entry of the Boot Loader Specification.
bls() {
  printf 'title linux\nversion 1\nlinux /boot/vmlinuz-1\ninitrd /boot/initramfs-1.img\noptions %s\ngrub_class kernel\n' "$1" | put "boot/loader/entries/$machine-1.conf"
  echo 'blscfg' | add boot/grub2/grub.cfg
}

# The configuration of OpenSSH 8.7 in Fedora 34 and what came of it, crypto policy included.
openssh_of_el9() {
  put etc/ssh/sshd_config 600 <<'F'
Include /etc/ssh/sshd_config.d/*.conf

AuthorizedKeysFile	.ssh/authorized_keys
Subsystem	sftp	/usr/libexec/openssh/sftp-server
F
  mkdir -p etc/ssh/sshd_config.d; chmod 700 etc/ssh/sshd_config.d
  put etc/ssh/sshd_config.d/50-redhat.conf 600 <<'F'
Include /etc/crypto-policies/back-ends/opensshserver.config

SyslogFacility AUTHPRIV

ChallengeResponseAuthentication no

GSSAPIAuthentication yes
GSSAPICleanupCredentials no

UsePAM yes

X11Forwarding yes

PrintMotd no
F
  put usr/share/crypto-policies/DEFAULT/opensshserver.txt <<'F'
Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-gcm@openssh.com,aes128-ctr
MACs hmac-sha2-256-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha1,umac-128@openssh.com,hmac-sha2-512
GSSAPIKexAlgorithms gss-curve25519-sha256-,gss-nistp256-sha256-,gss-group14-sha256-,gss-group16-sha512-
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512
HostKeyAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp256-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521,ecdsa-sha2-nistp521-cert-v01@openssh.com,ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,rsa-sha2-256,rsa-sha2-256-cert-v01@openssh.com,rsa-sha2-512,rsa-sha2-512-cert-v01@openssh.com
PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp256-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521,ecdsa-sha2-nistp521-cert-v01@openssh.com,ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,rsa-sha2-256,rsa-sha2-256-cert-v01@openssh.com,rsa-sha2-512,rsa-sha2-512-cert-v01@openssh.com
CASignatureAlgorithms ecdsa-sha2-nistp256,sk-ecdsa-sha2-nistp256@openssh.com,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-256,rsa-sha2-512
RequiredRSASize 2048
F
  link /usr/share/crypto-policies/DEFAULT/opensshserver.txt etc/crypto-policies/back-ends/opensshserver.config
}

# Host keys belong to a group of their own there, which ssh-keysign runs as.
ssh_keys_group() { chgrp "$1" etc/ssh/ssh_host_*_key; chmod 640 etc/ssh/ssh_host_*_key; }

# rpm_below_usr: its database where Fedora has it since 36, with a link in the old place.
rpm_below_usr() { dir usr/lib/sysimage/rpm; link ../../usr/lib/sysimage/rpm var/lib/rpm; }
