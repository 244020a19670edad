//! The table of `kernel.*` checks.

use crate::settings::table::checks;
use agent_core::finding::Form;

checks! { "kernel":
    ASLR "aslr" Medium Form::Nothing; "Addresses are random"; "kernel.randomize_va_space 2, now and after the next boot"; "with known addresses a fault in a program is much easier to use"; Some("remove the line that sets it otherwise; sysctl -w kernel.randomize_va_space=2"); []
    SYSRQ "sysrq" Low Form::Number(0, 511); "SysRq does no more than it should"; "where the profile demands it: kernel.sysrq allows no function beyond the bits of that number, now and after the next boot"; "whoever reaches the serial console can restart the machine, kill its processes or read its memory without a login"; Some("echo 'kernel.sysrq = NUMBER' > /etc/sysctl.d/60-sysrq.conf && sysctl --system"); ["kernel documentation, admin-guide/sysrq"]
    MAC "mac" Medium Form::Word(&["any", "selinux", "apparmor"]); "Mandatory access control is enforced"; "SELinux enforcing, or AppArmor with enforced profiles, now and after the next boot"; "a service that was taken over can do everything that its user can"; None; []
    LOCKDOWN "lockdown" Low Form::Word(&["integrity", "confidentiality"]); "The running kernel is closed to root"; "where the profile demands it: lockdown of that kind or stricter"; "root could put code into the kernel, where no check can see it"; Some("add lockdown=integrity to the kernel's command line"); ["kernel_lockdown(7)"]
    MODULES "modules" Low Form::Texts("names of kernel modules that must not load; \"modules_disabled\": none may be loaded any more"); "Modules that nobody needs stay out"; "where the profile lists modules: each is not loaded, and is not there, or kept out by an install command that does nothing, or by module_blacklist on every command line; blacklist alone does not hold modprobe NAME back"; "code that nobody uses is attacked all the same"; Some("echo 'install MODULE /bin/false' >> /etc/modprobe.d/blocked.conf; echo 'blacklist MODULE' >> /etc/modprobe.d/blocked.conf; modprobe -r MODULE"); []
}
