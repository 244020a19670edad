skeleton
debian_family
put etc/os-release <<'F'
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
F
package openssh-server 1:9.2p1-2+deb12u10 sudo 1.9.13p3-1+deb12u4 chrony 4.3-2+deb12u3 cloud-init 22.4.2-1+deb12u4 apparmor 3.0.8-3 systemd 252.39-1~deb12u2 grub-cloud-amd64 0.0.5 unattended-upgrades 2.9.1+nmu3 gcc-12-base 12.2.0-14
put etc/passwd <<'F'
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
games:x:5:60:games:/usr/games:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
lp:x:7:7:lp:/var/spool/lpd:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
news:x:9:9:news:/var/spool/news:/usr/sbin/nologin
uucp:x:10:10:uucp:/var/spool/uucp:/usr/sbin/nologin
proxy:x:13:13:proxy:/bin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
list:x:38:38:Mailing List Manager:/var/list:/usr/sbin/nologin
irc:x:39:39:ircd:/run/ircd:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin
messagebus:x:100:107::/nonexistent:/usr/sbin/nologin
_chrony:x:101:108:Chrony daemon,,,:/var/lib/chrony:/usr/sbin/nologin
sshd:x:102:65534::/run/sshd:/usr/sbin/nologin
admin:x:1000:1000:Debian:/home/admin:/bin/bash
F
{ echo 'root:*:19600:0:99999:7:::'
  for name in daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody; do echo "$name:*:19600:0:99999:7:::"; done
  echo 'systemd-network:!*:19600::::::'
  for name in messagebus _chrony sshd; do echo "$name:!:19600::::::"; done
  echo 'admin:!:19700:0:99999:7:::'; } | put etc/shadow 640
printf 'root:x:0:\nsudo:x:27:admin\nshadow:x:42:\nadmin:x:1000:\n' | put etc/group
# As the image's build leaves it.
add etc/ssh/sshd_config <<'F'
PasswordAuthentication no
ClientAliveInterval 120
F
put etc/sudoers 440 <<'F'
Defaults	env_reset
Defaults	mail_badpass
Defaults	secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults	use_pty
root	ALL=(ALL:ALL) ALL
%sudo	ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
F
put etc/default/grub <<'F'
GRUB_DEFAULT=0
GRUB_TIMEOUT=5
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 consoleblank=0"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --speed=115200"
F
put boot/grub/grub.cfg <<'F'
serial --speed=115200
terminal_input console serial
terminal_output console serial
menuentry 'Debian GNU/Linux' {
	linux	/boot/vmlinuz-6.1.0-cloud-amd64 root=PARTUUID=0 ro console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 consoleblank=0
}
F
modules 6.1.0-37-cloud-amd64
echo 'kernel.pid_max = 4194304' | put usr/lib/sysctl.d/50-pid-max.conf
put etc/apt/sources.list.d/debian.sources <<'F'
Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian.list
Suites: bookworm bookworm-updates bookworm-backports
Components: main

Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian-security.list
Suites: bookworm-security
Components: main
F
echo 'server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4' | put etc/chrony/sources.d/ec2.sources
printf 'blacklist pcspkr\nblacklist floppy\n' | put etc/modprobe.d/blacklist.conf
link /lib/systemd/system/ssh.service etc/systemd/system/multi-user.target.wants/ssh.service
enable unattended-upgrades.service
launched admin rsa ecdsa ed25519
