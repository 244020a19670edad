# Before the files are there: systemd before 235, as on Amazon Linux 2, has no systemd-sysusers.
getent group host-integrity-agent >/dev/null || groupadd -r host-integrity-agent
getent passwd host-integrity-agent >/dev/null ||
  useradd -r -g host-integrity-agent -d /var/lib/host-integrity-agent -M -s /usr/sbin/nologin \
    -c 'Host integrity agent' host-integrity-agent
exit 0
