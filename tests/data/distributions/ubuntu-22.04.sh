skeleton
ubuntu <<'F'
usbmux:x:112:46:usbmux daemon,,,:/var/lib/usbmux:/usr/sbin/nologin
F
put etc/os-release <<'F'
PRETTY_NAME="Ubuntu 22.04.5 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
VERSION="22.04.5 LTS (Jammy Jellyfish)"
VERSION_CODENAME=jammy
ID=ubuntu
ID_LIKE=debian
F
package openssh-server 1:8.9p1-3ubuntu0.13 sudo 1.9.9-1ubuntu2.5 chrony 4.2-2ubuntu2 rsyslog 8.2112.0-2ubuntu2.2 cloud-init 25.1.4-0ubuntu0~22.04.1 ec2-instance-connect 1.1.14-0ubuntu1.1 strace 5.16-0ubuntu3 unattended-upgrades 2.8ubuntu1
printf 'deb http://eu-central-1.ec2.archive.ubuntu.com/ubuntu/ jammy main restricted\ndeb http://security.ubuntu.com/ubuntu jammy-security main restricted\n' | put etc/apt/sources.list
modules 6.8.0-1029-aws
link /lib/systemd/system/ssh.service etc/systemd/system/multi-user.target.wants/ssh.service
launched ubuntu rsa ecdsa ed25519
