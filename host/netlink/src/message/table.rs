//! Every attribute of the IPVS family, one row each: number, name, shape.
//!
//! Source: `include/uapi/linux/ip_vs.h`. Rows stand in the order in which the kernel sends
//! them; what is unknown here is passed over.

use super::wire::{Address, Attributes, Count, Flags, Name, Nest, Port, Wire, put_attribute};

/// Numbers of the nests at the top level.
pub(crate) const SERVICE: u16 = 1;
/// What the kernel calls a destination, and weir a real server.
pub(crate) const DEST: u16 = 2;
/// A sync daemon.
pub(crate) const DAEMON: u16 = 3;

/// Makes a struct of optional fields from rows, and writing and reading with it.
macro_rules! nest {
    ($(#[$doc:meta])* $nest:ident<$life:lifetime> { $($number:literal $field:ident: $shape:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct $nest<$life> {
            $(pub(crate) $field: Option<$shape>,)*
            pub(crate) life: std::marker::PhantomData<&$life ()>,
        }

        impl<$life> Wire<$life> for $nest<$life> {
            const NESTED: bool = true;

            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                $(if let Some(value) = &self.$field {
                    put_attribute(out, $number, value);
                })*
            }

            /// An attribute too short for its shape counts as absent; of two with the same
            /// number the last counts.
            fn take(bytes: &$life [u8]) -> Option<Self> {
                let mut nest = Self::default();
                for (number, payload) in Attributes::new(bytes) {
                    match number {
                        $($number => nest.$field = <$shape>::take(payload),)*
                        _ => {}
                    }
                }
                Some(nest)
            }
        }
    };
}

nest! {
    /// A service.
    Service<'a> {
        1 family: u16,
        5 fwmark: u32,
        2 protocol: u16,
        3 address: Address,
        4 port: Port,
        6 scheduler: Name<'a>,
        11 engine: Name<'a>,
        7 flags: Flags,
        8 timeout: u32,
        9 netmask: [u8; 4],
        10 stats: Nest<'a>,
        12 stats64: Nest<'a>,
    }
}

nest! {
    /// A real server.
    Dest<'a> {
        1 address: Address,
        2 port: Port,
        3 forwarding: u32,
        4 weight: u32,
        13 tunnel_kind: u8,
        14 tunnel_port: Port,
        15 tunnel_checksum: u16,
        5 upper_threshold: u32,
        6 lower_threshold: u32,
        7 active: u32,
        8 inactive: u32,
        9 persistent: u32,
        11 family: u16,
        10 stats: Nest<'a>,
        12 stats64: Nest<'a>,
    }
}

nest! {
    /// Traffic; the rows are the same in the nest of 32 bits and in that of 64.
    Stats<'a> {
        1 connections: Count,
        2 packets_in: Count,
        3 packets_out: Count,
        4 bytes_in: Count,
        5 bytes_out: Count,
        6 connections_per_second: Count,
        7 packets_in_per_second: Count,
        8 packets_out_per_second: Count,
        9 bytes_in_per_second: Count,
        10 bytes_out_per_second: Count,
    }
}

nest! {
    /// A sync daemon. Its port is the one port in the machine's byte order.
    Daemon<'a> {
        1 state: u32,
        2 interface: Name<'a>,
        3 sync_id: u32,
        4 max_length: u16,
        7 port: u16,
        8 ttl: u8,
        5 group4: [u8; 4],
        6 group6: [u8; 16],
    }
}

nest! {
    /// Time-outs; at the top level, without a nest of their own.
    Timeouts<'a> {
        4 tcp: u32,
        5 tcp_fin: u32,
        6 udp: u32,
    }
}

nest! {
    /// The answer to `GET_INFO`; at the top level, where other messages have nests.
    Info<'a> {
        1 version: u32,
        2 connection_table_size: u32,
    }
}
