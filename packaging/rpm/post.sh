unit=host-integrity-agent.service
if [ -d /proc/self ] && command -v systemd-tmpfiles >/dev/null; then
  systemd-tmpfiles --create host-integrity-agent.conf || :
fi
# Before it starts: its domain, where SELinux is configured. What is missing it says itself.
/usr/share/host-integrity-agent/selinux install || :
if command -v systemctl >/dev/null; then
  if [ "$1" -eq 1 ]; then
    systemctl --no-reload preset "$unit" >/dev/null 2>&1 || :
  fi
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload >/dev/null 2>&1 || :
    if [ "$1" -eq 1 ] && systemctl --quiet is-enabled "$unit"; then
      systemctl --no-block start "$unit" >/dev/null 2>&1 || :
    fi
  fi
fi
exit 0
