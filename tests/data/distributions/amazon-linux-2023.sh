skeleton
red_hat
put etc/os-release <<'F'
NAME="Amazon Linux"
VERSION="2023"
ID="amzn"
ID_LIKE="fedora"
VERSION_ID="2023"
PLATFORM_ID="platform:al2023"
PRETTY_NAME="Amazon Linux 2023"
SUPPORT_END="2029-06-30"
F
package openssh-server 8.7p1-8.amzn2023.0.11 dnf 4.14.0-1.amzn2023.0.5 amazon-ssm-agent 3.3.0-1.amzn2023 ec2-instance-connect 1.1-22.amzn2023 amazon-chrony-config 4.3-1.amzn2023 strace 6.8-1.amzn2023.0.1
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
dbus:x:81:81:System Message Bus:/:/usr/sbin/nologin
systemd-network:x:192:192:systemd Network Management:/:/usr/sbin/nologin
systemd-oom:x:999:999:systemd Userspace OOM Killer:/:/usr/sbin/nologin
systemd-resolve:x:193:193:systemd Resolver:/:/usr/sbin/nologin
sshd:x:74:74:Privilege-separated SSH:/usr/share/empty.sshd:/sbin/nologin
rpc:x:32:32:Rpcbind Daemon:/var/lib/rpcbind:/sbin/nologin
libstoragemgmt:x:997:997:daemon account for libstoragemgmt:/:/usr/sbin/nologin
systemd-coredump:x:996:996:systemd Core Dumper:/:/usr/sbin/nologin
systemd-timesync:x:995:995:systemd Time Synchronization:/:/usr/sbin/nologin
chrony:x:994:994:chrony system user:/var/lib/chrony:/sbin/nologin
ec2-instance-connect:x:993:993::/home/ec2-instance-connect:/sbin/nologin
rpcuser:x:29:29:RPC Service User:/var/lib/nfs:/sbin/nologin
tcpdump:x:72:72::/:/sbin/nologin
ec2-user:x:1000:1000:EC2 Default User:/home/ec2-user:/bin/bash
F
{ echo 'root:*LOCK*:14600::::::'
  for name in bin daemon adm lp sync shutdown halt mail operator games ftp nobody; do echo "$name:*:19000:0:99999:7:::"; done
  for name in dbus systemd-network systemd-oom systemd-resolve systemd-coredump systemd-timesync; do echo "$name:!*:19400::::::"; done
  for name in sshd rpc libstoragemgmt chrony ec2-instance-connect rpcuser tcpdump; do echo "$name:!!:19400::::::"; done
  echo 'ec2-user:!!:19500:0:99999:7:::'; } | put etc/shadow 000
printf 'root:x:0:\nwheel:x:10:ec2-user\nssh_keys:x:101:\nec2-user:x:1000:\n' | put etc/group
openssh_of_el9
add etc/ssh/sshd_config <<'F'
AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys %u %f
AuthorizedKeysCommandUser ec2-instance-connect
F
# cloud-init's ssh_pwauth: false
echo 'PasswordAuthentication no' | put etc/ssh/sshd_config.d/50-cloud-init.conf 600
echo 'SELINUX=permissive' | put etc/selinux/config
options='root=UUID=0 ro console=tty0 console=ttyS0,115200n8 nvme_core.io_timeout=4294967295 rd.emergency=poweroff rd.shell=0 selinux=1 security=selinux quiet'
printf 'GRUB_CMDLINE_LINUX_DEFAULT="%s"\nGRUB_TIMEOUT=0\nGRUB_ENABLE_BLSCFG="true"\n' "${options#*ro }" | put etc/default/grub
bls "$options"
modules 6.1.134-150.224.amzn2023.x86_64
printf '[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\n' | put etc/dnf/dnf.conf
put etc/yum.repos.d/amazonlinux.repo <<'F'
[amazonlinux]
name=Amazon Linux 2023 repository
mirrorlist=https://cdn.amazonlinux.com/al2023/core/mirrors/$releasever/$basearch/mirror.list
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-amazon-linux-2023

[amazonlinux-source]
name=Amazon Linux 2023 repository - Source packages
enabled=0
gpgcheck=1
F
printf -- '-D\n-b 8192\n--backlog_wait_time 60000\n-f 1\n-a task,never\n' | put etc/audit/rules.d/audit.rules 600
printf 'sourcedir /run/chrony.d\nsourcedir /etc/chrony.d\n' | add etc/chrony.conf
echo 'pool 2.amazon.pool.ntp.org iburst' | put etc/chrony.d/ntp-pool.sources
enable amazon-ssm-agent.service
mkdir -p "var/log/journal/$machine"
launched ec2-user ecdsa ed25519
ssh_keys_group 101
