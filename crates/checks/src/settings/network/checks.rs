//! The table of `network.*` checks.

use crate::settings::table::checks;
use agent_core::finding::Form;

checks! { "network":
    NO_FILE_SHARING "no_file_sharing" High Form::Texts("names of services that may share files: ftp, tftp, rpcbind, smb, afp, rsync, nfs"); "No files are shared with the network"; "nothing listens on ports 20, 21, 69, 111, 137 to 139, 445, 548, 873, 2049 but on loopback, and no such service is started at boot"; "a file server that nobody watches gives files away, and takes them"; Some("systemctl disable --now UNIT, or name the service in the profile"); []
    LISTENING_ALLOWLIST "listening_allowlist" Medium Form::Texts("sockets that may listen: PROTO/PORT or PROTO/FIRST-LAST or PROTO/*, with @PROGRAM where only that program may, as \"tcp/22@sshd\""); "Only what is meant to listens to the network"; "where the profile lists sockets: nothing else listens but on loopback"; "each listener is a door, and the one that nobody knows of is not guarded"; Some("stop what listens, or list it in the profile"); []
    LEGACY_SERVICES "legacy_services" High Form::Texts("names of services that may stay: telnet, rsh, tftp, xinetd, nis, talk, finger"); "No service of the time before encryption"; "no server of telnet, rsh, tftp, xinetd, NIS, talk or finger is installed, started or listening"; "they send passwords in the clear, or ask for none"; Some("remove the package"); []
    FIREWALL "firewall" Medium Form::Word(&["host", "security-groups"]); "Packets from the network are filtered"; "host: a ruleset that filters input is loaded, and started at boot; security-groups, the default: such a ruleset, or none, since security groups, which a guest cannot see, do the work"; "a listener that was opened by mistake is reached from wherever the network leads"; Some("systemctl enable --now nftables, or firewalld, with rules that drop what is not meant"); []
    ENCRYPTED_MOUNTS "encrypted_mounts" Medium Form::Texts("mount points that may be in the clear"); "Network file systems are encrypted on their way"; "each mount of NFS, EFS and SMB has tls, xprtsec=tls or mtls, sec=krb5p, seal, or goes through a tunnel on loopback"; "whoever is on the way reads and changes the files"; Some("EFS: mount -t efs -o tls; NFS: xprtsec=tls or sec=krb5p; SMB: seal"); ["Amazon EFS user guide, Encrypting data in transit"]
}
