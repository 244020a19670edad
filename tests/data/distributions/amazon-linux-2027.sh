# On top of Amazon Linux 2023, as the public preview is told.
merge_sbin
put etc/os-release <<'F'
NAME="Amazon Linux"
VERSION="2027"
ID="amzn"
ID_LIKE="fedora"
VERSION_ID="2027"
PLATFORM_ID="platform:al2027"
PRETTY_NAME="Amazon Linux 2027 (Preview)"
F
upgrade openssh-server 10.0p1-6.amzn2027.0.1 amazon-ssm-agent 3.3.3000.0-1.amzn2027 ec2-instance-connect 1.1-25.amzn2027 amazon-chrony-config 4.3-1.amzn2027 strace 6.16-1.amzn2027.0.1
unpackage dnf
package dnf5 5.2.17.0-1.amzn2027
sed -i 's/^ChallengeResponseAuthentication/KbdInteractiveAuthentication/' etc/ssh/sshd_config.d/50-redhat.conf
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' | put etc/selinux/config
echo policy | put etc/selinux/targeted/policy/policy.33
gettys "-o '-- \\\\u' --noreset "
sed -i 's/2023/2027/g; s/al2023/al2027/g' etc/yum.repos.d/amazonlinux.repo
modules 6.18.20-20.amzn2027.x86_64
rpm_below_usr
