skeleton
red_hat
put etc/os-release <<'F'
NAME="Amazon Linux"
VERSION="2"
ID="amzn"
ID_LIKE="centos rhel fedora"
VERSION_ID="2"
PRETTY_NAME="Amazon Linux 2"
SUPPORT_END="2026-06-30"
F
package openssh-server 7.4p1-22.amzn2.0.8 rsyslog 8.24.0-57.amzn2.2.0.2 rpcbind 0.2.0-44.amzn2.0.2 strace 4.26-1.amzn2.0.1 amazon-ssm-agent 3.3.0-1.amzn2 ec2-instance-connect 1.1-19.amzn2 postfix 2:2.10.1-6.amzn2.0.1 yum 3.4.3-158.amzn2.0.7
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
nobody:x:99:99:Nobody:/:/sbin/nologin
systemd-network:x:192:192:systemd Network Management:/:/sbin/nologin
dbus:x:81:81:System message bus:/:/sbin/nologin
rpc:x:32:32:Rpcbind Daemon:/var/lib/rpcbind:/sbin/nologin
libstoragemgmt:x:999:997:daemon account for libstoragemgmt:/var/run/lsm:/sbin/nologin
sshd:x:74:74:Privilege-separated SSH:/var/empty/sshd:/sbin/nologin
rngd:x:998:996:Random Number Generator Daemon:/var/lib/rngd:/sbin/nologin
rpcuser:x:29:29:RPC Service User:/var/lib/nfs:/sbin/nologin
nfsnobody:x:65534:65534:Anonymous NFS User:/var/lib/nfs:/sbin/nologin
ec2-instance-connect:x:997:995::/home/ec2-instance-connect:/sbin/nologin
postfix:x:89:89::/var/spool/postfix:/sbin/nologin
chrony:x:996:994::/var/lib/chrony:/sbin/nologin
tcpdump:x:72:72::/:/sbin/nologin
ec2-user:x:1000:1000:EC2 Default User:/home/ec2-user:/bin/bash
F
put etc/shadow 000 <<'F'
root:*LOCK*:14600::::::
bin:*:18313:0:99999:7:::
daemon:*:18313:0:99999:7:::
adm:*:18313:0:99999:7:::
lp:*:18313:0:99999:7:::
sync:*:18313:0:99999:7:::
shutdown:*:18313:0:99999:7:::
halt:*:18313:0:99999:7:::
mail:*:18313:0:99999:7:::
operator:*:18313:0:99999:7:::
games:*:18313:0:99999:7:::
ftp:*:18313:0:99999:7:::
nobody:*:18313:0:99999:7:::
systemd-network:!!:18313::::::
dbus:!!:18313::::::
rpc:!!:18313:0:99999:7:::
libstoragemgmt:!!:18313::::::
sshd:!!:18313::::::
rngd:!!:18313::::::
rpcuser:!!:18313::::::
nfsnobody:!!:18313::::::
ec2-instance-connect:!!:18313::::::
postfix:!!:18313::::::
chrony:!!:18313::::::
tcpdump:!!:18313::::::
ec2-user:!!:18400:0:99999:7:::
F
printf 'root:x:0:\nwheel:x:10:ec2-user\nssh_keys:x:994:\nec2-user:x:1000:\n' | put etc/group
put etc/ssh/sshd_config 600 <<'F'
HostKey /etc/ssh/ssh_host_rsa_key
HostKey /etc/ssh/ssh_host_ecdsa_key
HostKey /etc/ssh/ssh_host_ed25519_key
SyslogFacility AUTHPRIV
AuthorizedKeysFile .ssh/authorized_keys
PasswordAuthentication no
ChallengeResponseAuthentication no
GSSAPIAuthentication yes
GSSAPICleanupCredentials no
UsePAM yes
X11Forwarding yes
AcceptEnv LANG LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES
AcceptEnv LC_PAPER LC_NAME LC_ADDRESS LC_TELEPHONE LC_MEASUREMENT
AcceptEnv LC_IDENTIFICATION LC_ALL LANGUAGE
AcceptEnv XMODIFIERS
Subsystem sftp /usr/libexec/openssh/sftp-server
AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys %u %f
AuthorizedKeysCommandUser ec2-instance-connect
F
echo 'SELINUX=disabled' | put etc/selinux/config
options='root=UUID=0 ro console=tty0 console=ttyS0,115200n8 net.ifnames=0 biosdevname=0 nvme_core.io_timeout=4294967295 rd.emergency=poweroff rd.shell=0'
printf 'GRUB_CMDLINE_LINUX_DEFAULT="%s"\nGRUB_TIMEOUT=0\nGRUB_DISABLE_RECOVERY="true"\n' "${options#*ro }" | put etc/default/grub
printf "menuentry 'Amazon Linux 2' {\n\tlinux\t/boot/vmlinuz-4.14 %s\n}\n" "$options" | add boot/grub2/grub.cfg
modules 4.14.355-276.amzn2.x86_64
printf '[main]\ngpgcheck=1\nplugins=1\n' | put etc/yum.conf
put etc/yum.repos.d/amzn2-core.repo <<'F'
[amzn2-core]
name=Amazon Linux 2 core repository
mirrorlist=$awsproto://$amazonlinux.$awsregion.$awsdomain/$releasever/$product/$target/$basearch/mirror.list
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-amazon-linux-2
enabled=1

[amzn2-core-debuginfo]
name=Amazon Linux 2 core repository - debuginfo packages
gpgcheck=1
enabled=0
F
printf '$WorkDirectory /var/lib/rsyslog\n$IncludeConfig /etc/rsyslog.d/*.conf\n*.info;mail.none;authpriv.none;cron.none /var/log/messages\nauthpriv.* /var/log/secure\n' | put etc/rsyslog.conf
printf -- '-D\n-b 8192\n-a never,task\n' | put etc/audit/rules.d/audit.rules 600
printf 'server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\npool 2.amazon.pool.ntp.org iburst\n' | add etc/chrony.conf
enable rsyslog.service rpcbind.service postfix.service amazon-ssm-agent.service
mkdir -p "var/log/journal/$machine"
launched ec2-user rsa ecdsa ed25519
ssh_keys_group 994
