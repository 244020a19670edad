# State, record and account stay: rpm knows no purge.
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload >/dev/null 2>&1 || :
  if [ "$1" -ge 1 ]; then
    systemctl try-restart host-integrity-agent.service >/dev/null 2>&1 || :
  fi
fi
exit 0
