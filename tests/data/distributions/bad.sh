# A host that was let go: each edit has a name, and all of them are made.
. ./etc/os-release
family=$(cat ../family)
user=$(ls home)

# first: lines of sshd's that come before all others.
first() {
  case $ID$VERSION_ID in
    amzn2) local rest new; new=$(cat) rest=$(cat etc/ssh/sshd_config); printf '%s\n%s\n' "$new" "$rest" | put etc/ssh/sshd_config 644 ;;
    *) put etc/ssh/sshd_config.d/00-old.conf ;;
  esac
}
# last: a block of its own behind all others.
last() {
  case $ID$VERSION_ID in
    amzn2) add etc/ssh/sshd_config ;;
    *) put etc/ssh/sshd_config.d/99-office.conf ;;
  esac
}
# account NAME UID FIELD SHELL
account() { echo "$1:x:$2:$2::/home/$1:$4" | add etc/passwd; echo "$1:$3:19900:0:99999:7:::" | add etc/shadow; }

sshd_as_of_old() {
  first <<'F'
PasswordAuthentication yes
PermitEmptyPasswords yes
MaxAuthTries 20
LoginGraceTime 0
MaxStartups 100:30:1000
HostbasedAuthentication yes
IgnoreRhosts no
PermitUserEnvironment yes
X11Forwarding yes
X11UseLocalhost no
ClientAliveInterval 0
ClientAliveCountMax 9
LogLevel DEBUG
UsePAM no
StrictModes no
PrintLastLog no
GSSAPIAuthentication yes
KerberosAuthentication yes
PubkeyAuthentication no
Ciphers aes128-ctr,3des-cbc
F
}
more_sessions_by_the_unit() {
  case $family in
    rpm) echo 'OPTIONS="-o MaxSessions=100"' | put etc/sysconfig/sshd 640
      [ ! -e etc/sysconfig/ssh ] || echo 'SSHD_OPTS="-o MaxSessions=100"' | put etc/sysconfig/ssh ;;
    dpkg) echo 'SSHD_OPTS="-o MaxSessions=100"' | put etc/default/ssh ;;
  esac
}
root_from_the_office() { printf 'Match Address 10.0.0.0/8\n\tPermitRootLogin yes\n' | last; }
a_key_of_roots() { cat "$keys/stranger.pub" | add root/.ssh/authorized_keys; }
a_stranger_of_users() { cat "$keys/stranger.pub" | add "home/$user/.ssh/authorized_keys"; }
host_keys_for_all() { chmod 644 etc/ssh/ssh_host_*_key; }
a_guest() { account guest 1100 '' /bin/bash; }
roots_field_by_accident() { sed -i 's/^root:[^:]*:/root:x:/' etc/shadow; }
a_weak_hash() { account old 1101 "$(openssl passwd -1 -salt abcdefgh secret)" /bin/bash; }
a_second_root() { account toor 0 "$hash" /bin/bash; }
a_line_of_nis() { echo '+::::::' | add etc/passwd; }
a_hash_in_passwd() { echo "web:$hash:1102:1102::/home/web:/bin/bash" | add etc/passwd; }
a_service_with_a_password() { sed -i "s|^daemon:[^:]*:|daemon:$hash:|" etc/shadow; }
a_service_with_a_shell() { sed -i 's|^\(daemon:.*:\)[^:]*$|\1/bin/bash|' etc/passwd; }
a_password_from_the_future() { sed -i 's/^\(old:[^:]*\):19900:/\1:99999:/' etc/shadow; }
sudo_unasked() { echo 'ops ALL=(ALL) NOPASSWD: ALL' | put etc/sudoers.d/ops 440; }
a_console_without_login() {
  printf '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200 %%I\n' | put etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf
}
a_shell_on_tty9() { link /usr/lib/systemd/system/debug-shell.service etc/systemd/system/sysinit.target.wants/debug-shell.service; }
a_key_of_aws() { printf '[default]\naws_access_key_id = AKIA%s\naws_secret_access_key = it\n' ABCDEFGHIJKLMNOP | put "home/$user/.aws/credentials" 600; }
a_key_lying_about() { put "home/$user/deploy" 600 < "$keys/stranger"; }
a_history_of_the_build() { echo 'mysql -psecret' | put root/.bash_history 600; touch -d '30 days ago' root/.bash_history; }
an_ftp_server() { enable vsftpd.service; package vsftpd 3.0-1; }
a_telnet_server() { case $family in rpm) package telnet-server 0.17-1 ;; dpkg) package telnetd 0.17-1 ;; esac; enable telnet.socket; }
a_mount_in_the_clear() { echo 'files.example:/data /data nfs4 defaults 0 0' | add etc/fstab; }
audit_off() { link /dev/null etc/systemd/system/auditd.service; }
no_clock() { disable chronyd.service chrony.service; }
addresses_that_are_known() { echo 'kernel.randomize_va_space = 0' | put etc/sysctl.d/99-debug.conf; }
sysrq_for_all() { echo 'kernel.sysrq = 1' | add etc/sysctl.d/99-debug.conf; }
no_mac() {
  case $family in
    rpm) echo 'SELINUX=disabled' | put etc/selinux/config
      [ ! -e etc/apparmor.d ] || sed -i 's/^\tlinux.*/& apparmor=0/' boot/grub2/grub.cfg ;;
    dpkg) sed -i 's/^\tlinux.*/& apparmor=0/' boot/grub/grub.cfg ;;
  esac
}
an_update_that_waits() { security_list 9:99.9p1-1; }
a_repository_without_a_key() {
  case $family in
    rpm)
      dir=etc/yum.repos.d; [ ! -e etc/zypp ] || dir=etc/zypp/repos.d
      printf '[local]\nname=local\nbaseurl=http://repo.example\ngpgcheck=0\n' | put $dir/local.repo ;;
    dpkg) echo 'deb [trusted=yes] http://repo.example ./' | put etc/apt/sources.list.d/local.list ;;
  esac
}
past_its_end() { sed -i '/^SUPPORT_END/d' etc/os-release; echo 'SUPPORT_END=2020-12-31' | add etc/os-release; }
a_compiler() { package gcc 12.2-3 gdb 13.1-3; }

for edit in sshd_as_of_old more_sessions_by_the_unit root_from_the_office a_key_of_roots a_stranger_of_users host_keys_for_all a_guest \
  roots_field_by_accident a_weak_hash a_second_root a_line_of_nis a_hash_in_passwd a_service_with_a_password \
  a_service_with_a_shell a_password_from_the_future sudo_unasked a_console_without_login a_shell_on_tty9 a_key_of_aws \
  a_key_lying_about a_history_of_the_build an_ftp_server a_telnet_server a_mount_in_the_clear audit_off no_clock \
  addresses_that_are_known sysrq_for_all no_mac an_update_that_waits a_repository_without_a_key past_its_end a_compiler; do
  $edit
done
