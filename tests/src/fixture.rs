//! The files that the recorded cases were made with, laid over those of the guest.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::namespace;

const HOSTS: &str = "\
127.0.0.1	localhost
10.0.0.1	vip.test
10.0.0.2	rs1.test
10.0.0.3	rs2.test rs2-alias
192.0.2.200	a-very-long-real-server-host-name.example.test
2001:db8::80	vip6.test
2001:db8::2	rs6.test
";

const SERVICES: &str = "\
ftp		21/tcp
ssh		22/tcp
domain		53/tcp
domain		53/udp
tftp		69/udp
http		80/tcp		www
https		443/tcp
https		443/udp
sip		5060/tcp
sip		5060/udp
sctpsvc		9899/sctp
a-long-service-name	7777/tcp
";

const NSSWITCH: &str = "hosts: files\nservices: files\n";

/// `nobody` has a shell, or `su nobody -c` would refuse.
const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
";

/// The addresses of hosts with their names, the first of an address first.
pub fn hosts() -> Vec<(IpAddr, &'static str)> {
    let line = |line: &'static str| {
        let mut words = line.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        Some(words.map(move |name| (address, name)))
    };
    HOSTS.lines().filter_map(line).flatten().collect()
}

/// The ports of services with their protocols and names, the first of a port first.
pub fn services() -> Vec<(u16, &'static str, &'static str)> {
    let line = |line: &'static str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let (port, protocol) = words.next()?.split_once('/')?;
        let port = port.parse().ok()?;
        Some([name].into_iter().chain(words).map(move |name| (port, protocol, name)))
    };
    SERVICES.lines().filter_map(line).flatten().collect()
}

/// Gives this thread, and what it starts, mounts of its own with names of hosts and
/// services, a `nobody` with a shell, and an empty /tmp. The contents lie in `scratch`.
///
/// Each of `programs` is first mounted at a place of its own, where neither /tmp nor a
/// directory that `nobody` may not enter hides it.
pub fn lay_out(scratch: &Path, programs: &[(&Path, &Path)]) {
    namespace::fresh_mounts();
    for (place, program) in programs {
        namespace::cover(place, program);
    }
    namespace::cover_with("/etc/hosts", HOSTS, scratch);
    namespace::cover_with("/etc/services", SERVICES, scratch);
    namespace::cover_with("/etc/nsswitch.conf", NSSWITCH, scratch);
    namespace::cover_with("/etc/passwd", PASSWD, scratch);
    namespace::cover_directory("/tmp");
}

/// A file below /run/weir-tests/bin, which is in the path, for a program to be mounted at.
pub fn place(name: &str) -> PathBuf {
    let place = namespace::scratch("bin").join(name);
    fs::write(&place, "").expect("/run is writable");
    place
}
