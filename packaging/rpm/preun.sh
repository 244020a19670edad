# Taken away, not replaced by a newer one.
if [ "$1" -eq 0 ] && command -v systemctl >/dev/null; then
  systemctl --no-reload disable --now host-integrity-agent.service >/dev/null 2>&1 || :
fi
if [ "$1" -eq 0 ]; then
  /usr/share/host-integrity-agent/selinux remove || :
fi
exit 0
