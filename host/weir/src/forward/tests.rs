//! A forwarder between real sockets of this machine.

mod bed;
mod shortage;
mod table;
mod tcp;
mod udp;
