# The words that the scripts beside this one are written in. All of it runs in an empty directory, the tree, as root.
# $machine, $instance and $keys come from the test; packages are noted in ../packages, and the test enters them into
# the database of the family.
umask 022

# Few programs are started: there are many trees.
dir() { [ -d "$1" ] || mkdir -p "$1"; }
# put PATH [MODE]: the file, from standard input.
put() {
  local text old=
  dir "${1%/*}"
  [ ! -e "$1" ] || old=there
  IFS= read -r -d '' text || :
  printf %s "$text" > "$1"
  [ "${2:-644}$old" = 644 ] || chmod "${2:-644}" "$1"
}
# add PATH: more of it.
add() { local text; dir "${1%/*}"; IFS= read -r -d '' text || :; printf %s "$text" >> "$1"; }
# link TARGET PATH
link() { dir "${2%/*}"; ln -sfn "$1" "$2"; }
# unit NAME...: units that are there, and started by nobody.
unit() { for u; do printf '[Service]\nExecStart=/usr/bin/true\n' > "usr/lib/systemd/system/$u"; done; }
# enable NAME...: units that are started at boot.
enable() { for u; do unit "$u"; link "/usr/lib/systemd/system/$u" "etc/systemd/system/multi-user.target.wants/$u"; done; }
# disable NAME...
disable() { for u; do rm -f "etc/systemd/system/multi-user.target.wants/$u"; done; }
# package NAME VERSION ...
package() { while [ $# -gt 0 ]; do echo "$1 $2" >> ../packages; shift 2; done; }
# upgrade NAME VERSION ...: in place of what the tree that this one builds on has.
upgrade() { while [ $# -gt 0 ]; do unpackage "$1"; package "$1" "$2"; shift 2; done; }
# unpackage NAME...
unpackage() { for p; do sed -i "/^$p /d" ../packages; done; }

# gettys OPTIONS: units whose login prompts have these options.
gettys() {
  printf '[Service]\nExecStart=-/usr/sbin/agetty %s--noclear - $TERM\n[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n' "$1" | put usr/lib/systemd/system/getty@.service
  printf '[Service]\nExecStart=-/usr/sbin/agetty %s--keep-baud 115200,57600,38400,9600 - $TERM\nImportCredential=agetty.*\nImportCredential=login.*\n[Install]\nWantedBy=getty.target\n' "$1" | put usr/lib/systemd/system/serial-getty@.service
}
# merge_sbin: /usr/sbin becomes a link to bin.
merge_sbin() { mv usr/sbin/* usr/bin/; rmdir usr/sbin; ln -s bin usr/sbin; }

# What every system with systemd and a merged /usr has.
skeleton() {
  : > ../packages
  mkdir -p usr/bin usr/sbin usr/lib/systemd/system usr/lib64 etc/systemd/system boot home root run tmp var/log var/tmp opt srv
  for d in bin sbin lib lib64; do ln -s "usr/$d" "$d"; done
  chmod 1777 tmp var/tmp; chmod 700 root
  echo 'the program' | put usr/sbin/sshd 755
  put usr/lib/systemd/system/getty@.service <<'F'
[Service]
ExecStart=-/sbin/agetty -o '-p -- \\u' --noclear - $TERM
[Install]
WantedBy=getty.target
DefaultInstance=tty1
F
  put usr/lib/systemd/system/serial-getty@.service <<'F'
[Service]
ExecStart=-/sbin/agetty -o '-p -- \\u' --keep-baud 115200,57600,38400,9600 - $TERM
[Install]
WantedBy=getty.target
F
  link /usr/lib/systemd/system/getty@.service etc/systemd/system/getty.target.wants/getty@tty1.service
  unit debug-shell.service
  printf '[Journal]\n#Storage=auto\n' | put etc/systemd/journald.conf
  printf 'MAIL_DIR /var/mail\nUID_MIN 1000\nUID_MAX 60000\n' | put etc/login.defs
  echo 'LABEL=root / ext4 defaults 0 1' | put etc/fstab
}

# modules VERSION: what is built into the kernel, and what lies beside it.
modules() {
  put "usr/lib/modules/$1/modules.dep" <<'F'
kernel/drivers/usb/storage/usb-storage.ko.xz:
kernel/net/sctp/sctp.ko.xz:
F
  echo kernel/fs/ext4/ext4.ko | put "usr/lib/modules/$1/modules.builtin"
}

# launched USER KEY...: what the first boot of an instance leaves: cloud-init's default user with its key and its
# rule of sudo, root's key with a command that sends people there, host keys of these kinds.
launched() {
  local user=$1; shift
  mkdir -p "home/$user/.ssh" root/.ssh; chmod 700 "home/$user" "home/$user/.ssh" root/.ssh
  put "home/$user/.ssh/authorized_keys" 600 < "$keys/known.pub"
  { printf 'no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo '"'Please login as the user \\\"%s\\\" rather than the user \\\"root\\\".'"';echo;sleep 10;exit 142" ' "$user"
    cat "$keys/known.pub"; } | put root/.ssh/authorized_keys 600
  printf '# Created by cloud-init\n\n# User rules for %s\n%s ALL=(ALL) NOPASSWD:ALL\n' "$user" "$user" | put etc/sudoers.d/90-cloud-init-users 440
  for kind; do put "etc/ssh/ssh_host_${kind}_key" 600 < "$keys/known"; put "etc/ssh/ssh_host_${kind}_key.pub" < "$keys/known.pub"; done
  echo "$machine" | put etc/machine-id 444
  echo once | put "var/lib/cloud/instances/$instance/sem/config_ssh"
  link "/var/lib/cloud/instances/$instance" var/lib/cloud/instance
}
