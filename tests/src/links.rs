//! The network that the recorded cases were made in.

use std::io;

use crate::netlink::{NESTED, Socket, put};

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const CREATE: u16 = 0x400;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const AF_INET: u8 = 2;
const UP: u32 = 1;
const LOOPBACK: u32 = 1;
const ETH0: u32 = 2;

/// Brings `lo` up, and `eth0`, a dummy device with 192.0.2.1/24.
///
/// For a thread in a fresh network namespace.
pub fn set_up() -> io::Result<()> {
    let socket = Socket::open(libc::NETLINK_ROUTE)?;
    socket.request(NEW_LINK, 0, &link(LOOPBACK))?;

    let mut eth0 = link(ETH0);
    put(&mut eth0, IFLA_IFNAME, b"eth0\0");
    let mut kind = Vec::new();
    put(&mut kind, IFLA_INFO_KIND, b"dummy");
    put(&mut eth0, IFLA_LINKINFO | NESTED, &kind);
    socket.request(NEW_LINK, CREATE, &eth0)?;

    let mut address = vec![AF_INET, 24, 0, 0];
    address.extend(ETH0.to_ne_bytes());
    put(&mut address, IFA_LOCAL, &[192, 0, 2, 1]);
    put(&mut address, IFA_ADDRESS, &[192, 0, 2, 1]);
    socket.request(NEW_ADDRESS, CREATE, &address)?;
    Ok(())
}

/// Brings the device of that number up, or creates it so.
fn link(index: u32) -> Vec<u8> {
    let up = UP.to_ne_bytes();
    [[0; 4], index.to_ne_bytes(), up, up].concat()
}
