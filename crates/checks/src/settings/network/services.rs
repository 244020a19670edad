//! Services of old, and those that share files: by what is installed, started at boot and listening.

/// One service under the names that distributions give it.
pub(super) struct Service {
    /// As a profile names it.
    pub(super) name: &'static str,
    /// Where it listens.
    pub(super) ports: &'static [(&'static str, u16)],
    /// What listens there where it is this service; empty: whatever listens there is.
    pub(super) programs: &'static [&'static str],
    /// What starts it; a name that ends with `@` stands for each instance of the template.
    pub(super) units: &'static [&'static str],
    /// Packages of which it is all.
    pub(super) packages: &'static [&'static str],
    /// Its names in inetd.conf(5).
    pub(super) inetd: &'static [&'static str],
}

/// What hands out files. Packages are not counted: nfs-utils and samba hold the clients, too.
pub(super) static FILE_SHARING: [Service; 7] = [
    Service {
        name: "ftp",
        ports: &[("tcp", 20), ("tcp", 21)],
        programs: &[],
        units: &[
            "vsftpd.service",
            "vsftpd@",
            "vsftpd.socket",
            "proftpd.service",
            "proftpd.socket",
            "proftpd@",
            "pure-ftpd.service",
            "pure-ftpd-ldap.service",
            "pure-ftpd-mysql.service",
            "pure-ftpd-postgresql.service",
            "bftpd.service",
        ],
        packages: &[],
        inetd: &["ftp"],
    },
    Service {
        name: "tftp",
        ports: &[("udp", 69)],
        programs: &[],
        units: &[
            "tftp.socket",
            "tftp.service",
            "tftpd-hpa.service",
            "atftpd.service",
        ],
        packages: &[],
        inetd: &["tftp"],
    },
    Service {
        name: "rpcbind",
        ports: &[("tcp", 111), ("udp", 111)],
        programs: &[],
        units: &["rpcbind.service", "rpcbind.socket"],
        packages: &[],
        inetd: &["sunrpc"],
    },
    Service {
        name: "smb",
        ports: &[("tcp", 139), ("tcp", 445), ("udp", 137), ("udp", 138)],
        programs: &[],
        units: &[
            "smb.service",
            "smbd.service",
            "nmb.service",
            "nmbd.service",
            "samba-ad-dc.service",
            "samba.service",
            "ksmbd.service",
        ],
        packages: &[],
        inetd: &["netbios-ssn", "microsoft-ds"],
    },
    Service {
        name: "afp",
        ports: &[("tcp", 548)],
        programs: &[],
        units: &["netatalk.service"],
        packages: &[],
        inetd: &[],
    },
    Service {
        name: "rsync",
        ports: &[("tcp", 873)],
        programs: &[],
        units: &[
            "rsync.service",
            "rsync.socket",
            "rsyncd.service",
            "rsyncd.socket",
            "rsyncd@",
        ],
        packages: &[],
        inetd: &["rsync"],
    },
    Service {
        name: "nfs",
        ports: &[("tcp", 2049), ("udp", 2049)],
        programs: &[],
        units: &[
            "nfs-server.service",
            "nfs-kernel-server.service",
            "nfsserver.service",
            "nfs-ganesha.service",
        ],
        packages: &[],
        inetd: &["nfs"],
    },
];

/// What sends passwords in the clear, or asks for none.
pub(super) static LEGACY: [Service; 7] = [
    Service {
        name: "telnet",
        ports: &[("tcp", 23)],
        programs: &["telnetd", "in.telnetd", "utelnetd"],
        units: &["telnet.socket"],
        packages: &[
            "telnet-server",
            "telnetd",
            "telnetd-ssl",
            "inetutils-telnetd",
        ],
        inetd: &["telnet"],
    },
    Service {
        name: "rsh",
        ports: &[("tcp", 512), ("tcp", 513), ("tcp", 514)],
        programs: &[
            "rshd",
            "rlogind",
            "rexecd",
            "in.rshd",
            "in.rlogind",
            "in.rexecd",
        ],
        units: &["rsh.socket", "rlogin.socket", "rexec.socket"],
        packages: &["rsh-server", "rsh-redone-server"],
        inetd: &["shell", "login", "exec"],
    },
    Service {
        name: "tftp",
        ports: &[("udp", 69)],
        programs: &["tftpd", "in.tftpd", "atftpd", "dnsmasq"],
        units: &[
            "tftp.socket",
            "tftp.service",
            "tftpd-hpa.service",
            "atftpd.service",
        ],
        packages: &["tftp-server", "tftpd", "tftpd-hpa", "atftpd"],
        inetd: &["tftp"],
    },
    Service {
        name: "xinetd",
        ports: &[],
        programs: &[],
        units: &[
            "xinetd.service",
            "inetd.service",
            "openbsd-inetd.service",
            "inetutils-inetd.service",
        ],
        packages: &["xinetd", "openbsd-inetd", "inetutils-inetd", "rlinetd"],
        inetd: &[],
    },
    Service {
        name: "nis",
        ports: &[],
        programs: &[],
        units: &["ypserv.service", "ypbind.service", "nis.service"],
        packages: &["ypserv", "ypbind", "nis"],
        inetd: &[],
    },
    Service {
        name: "talk",
        ports: &[("udp", 517), ("udp", 518)],
        programs: &["talkd", "ntalkd", "in.talkd", "in.ntalkd"],
        units: &["talk.socket", "ntalk.socket"],
        packages: &["talk-server", "talkd", "inetutils-talkd"],
        inetd: &["talk", "ntalk"],
    },
    Service {
        name: "finger",
        ports: &[("tcp", 79)],
        programs: &["fingerd", "in.fingerd", "efingerd", "cfingerd"],
        units: &["finger.socket"],
        packages: &["finger-server", "fingerd", "efingerd", "cfingerd"],
        inetd: &["finger"],
    },
];
