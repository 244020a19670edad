# On top of Red Hat Enterprise Linux 9.
put etc/os-release <<'F'
NAME="Red Hat Enterprise Linux"
VERSION="10.1 (Coughlan)"
ID="rhel"
ID_LIKE="centos fedora"
VERSION_ID="10.1"
PLATFORM_ID="platform:el10"
PRETTY_NAME="Red Hat Enterprise Linux 10.1 (Coughlan)"
F
upgrade openssh-server 9.9p1-11.el10 dnf 4.20.0-14.el10 rsyslog 8.2412.0-1.el10 rsync 3.4.1-2.el10 insights-client 3.9.2-1.el10
# authselect's links.
for stack in system-auth password-auth; do
  dir etc/authselect; mv etc/pam.d/$stack etc/authselect/; link /etc/authselect/$stack etc/pam.d/$stack
done
mv etc/nsswitch.conf etc/authselect/; link /etc/authselect/nsswitch.conf etc/nsswitch.conf
sed -i 's/rhel-9-/rhel-10-/; s/rhel9/rhel10/; s/Linux 9/Linux 10/' etc/yum.repos.d/redhat-rhui.repo
modules 6.12.0-124.el10.x86_64
rpm_below_usr
