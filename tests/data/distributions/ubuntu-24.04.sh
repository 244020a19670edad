skeleton
ubuntu <<'F'
dhcpcd:x:100:65534:DHCP Client Daemon,,,:/usr/lib/dhcpcd:/bin/false
polkitd:x:990:990:User for polkitd:/:/usr/sbin/nologin
F
put etc/os-release <<'F'
PRETTY_NAME="Ubuntu 24.04.2 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.2 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
F
package openssh-server 1:9.6p1-3ubuntu13.12 sudo 1.9.15p5-3ubuntu5 chrony 4.5-1ubuntu4.2 rsyslog 8.2312.0-3ubuntu9 cloud-init 25.1.4-0ubuntu0~24.04.1 ec2-instance-connect 1.1.18-0ubuntu0.24.04.1 strace 6.8-0ubuntu2 bpftrace 0.20.2-1ubuntu4 unattended-upgrades 2.9.1+nmu4ubuntu1
put etc/apt/sources.list.d/ubuntu.sources <<'F'
Types: deb
URIs: http://eu-central-1.ec2.archive.ubuntu.com/ubuntu/
Suites: noble noble-updates noble-backports
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: http://security.ubuntu.com/ubuntu
Suites: noble-security
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
F
modules 6.14.0-1010-aws
# Started by its socket.
enable ssh.socket
launched ubuntu rsa ecdsa ed25519
