# What the site demands, done as the remedies of the checks say.
. ./etc/os-release
family=$(cat ../family)
user=$(ls home)

# --- sshd: what comes first holds. OpenSSH 7.4 has no Include.
site='PermitRootLogin no
PasswordAuthentication no
ChallengeResponseAuthentication no
MaxAuthTries 4
LoginGraceTime 60
MaxStartups 10:30:60
IgnoreUserKnownHosts yes
X11Forwarding no
AllowTcpForwarding no
DisableForwarding yes
AllowAgentForwarding no
ClientAliveInterval 300
ClientAliveCountMax 2
AllowGroups ssh-users
LogLevel VERBOSE
Banner /etc/issue.net
GSSAPIAuthentication no'
case $ID$VERSION_ID in
  amzn2)
    rest=$(cat etc/ssh/sshd_config)
    put etc/ssh/sshd_config 600 <<F
$site
Ciphers aes256-gcm@openssh.com,aes256-ctr
KexAlgorithms curve25519-sha256,ecdh-sha2-nistp256,diffie-hellman-group16-sha512
$rest
F
    ;;
  *) echo "$site" | put etc/ssh/sshd_config.d/00-site.conf 600 ;;
esac
find etc/ssh -name '*.conf' -o -name sshd_config | xargs chmod 600
echo 'For members of the corporation.' | put etc/issue.net

# --- accounts: one with a password, for the serial console; the domain.
echo 'breakglass:x:1001:1001:Break glass:/home/breakglass:/bin/bash' | add etc/passwd
echo "breakglass:$hash:19900:0:99999:7:::" | add etc/shadow
echo "ssh-users:x:2000:$user" | add etc/group
mkdir -p home/breakglass
printf '[sssd]\ndomains = corp.example.com\n[domain/corp.example.com]\nid_provider = ad\n' | put etc/sssd/sssd.conf 600
printf '\005\002host/it@CORP.EXAMPLE.COM' | put etc/krb5.keytab 600
for file in etc/nsswitch.conf usr/etc/nsswitch.conf etc/authselect/nsswitch.conf; do
  if [ -f $file ] && [ ! -L $file ]; then sed -i 's/^passwd:.*/& sss/' $file; fi
done

# --- console
case $ID$family in
  slesrpm)
    rest=$(cat boot/grub2/grub.cfg)
    printf 'set superusers="root"\npassword_pbkdf2 root grub.pbkdf2.sha512.10000.0A.0B\n%s\n' "$rest" | put boot/grub2/grub.cfg 600
    ;;
  *rpm) echo 'GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.0A.0B' | put boot/grub2/user.cfg 600 ;;
  *dpkg)
    rest=$(cat boot/grub/grub.cfg)
    printf 'set superusers="root"\npassword_pbkdf2 root grub.pbkdf2.sha512.10000.0A.0B\n%s\n' "$rest" | put boot/grub/grub.cfg 600
    ;;
esac

# --- network
disable rpcbind.service
unpackage rpcbind
case $family in rpm) rules=etc/sysconfig/nftables.conf ;; dpkg) rules=etc/nftables.conf ;; esac
put $rules <<'F'
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		tcp dport 22 accept
	}
}
F
enable nftables.service

# --- logging
echo '{"logs":{"logs_collected":{"files":{"collect_list":[{"file_path":"/var/log/*"}]}}}}' | put opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json
enable amazon-cloudwatch-agent.service auditd.service
printf -- '-D\n-w /etc/passwd -p wa -k identity\n-a always,exit -F arch=b64 -S mount\n' | put etc/audit/rules.d/audit.rules 600
case $ID$VERSION_ID in
  amzn202[37]) echo 'server 169.254.169.123 prefer iburst' | put etc/chrony.d/ec2.sources ;;
esac

# --- kernel
echo 'kernel.sysrq = 0' | put etc/sysctl.d/99-site.conf
printf 'install usb-storage /bin/false\nblacklist usb-storage\n' | put etc/modprobe.d/site.conf
case $ID$VERSION_ID in
  sles15*) ;;
  *) case $family in rpm) echo 'SELINUX=enforcing' | put etc/selinux/config; echo policy | put etc/selinux/targeted/policy/policy.33 ;; esac ;;
esac

# --- packages
unpackage strace bpftrace
sed -i '/^SUPPORT_END/d' etc/os-release
echo 'SUPPORT_END=2999-12-31' | add etc/os-release
security_list "$(installed_version openssh-server)"
