//! The shapes of netlink attributes: how a value becomes bytes and comes back.
//!
//! Knows lengths, padding and byte order; which attribute has which number and meaning is
//! the matter of [`super`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_ipvs::Family;

/// Bit of an attribute's type that says its payload is attributes again.
const NESTED: u16 = 0x8000;
/// The bits of an attribute's type that are its number.
const NUMBER_MASK: u16 = 0x3fff;
const HEADER_BYTES: usize = 4;

/// A value that is the payload of an attribute.
pub(crate) trait Wire<'a>: Sized {
    /// Whether the payload is attributes again.
    const NESTED: bool = false;

    /// Appends the payload, unpadded.
    fn put(&self, out: &mut Vec<u8>);

    /// The value, or none if `bytes` cannot hold one. As in the kernel, bytes too many are
    /// no fault, so that newer kernels can be understood.
    fn take(bytes: &'a [u8]) -> Option<Self>;
}

/// Appends one attribute, padded.
#[inline]
pub(crate) fn put_attribute<'a, T: Wire<'a>>(out: &mut Vec<u8>, number: u16, value: &T) {
    let start = out.len();
    let kind = if T::NESTED { number | NESTED } else { number };
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_ne_bytes());
    value.put(out);
    let length = u16::try_from(out.len() - start).expect("names are short, the rest is fixed");
    out[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    pad(out);
}

/// Appends zeros up to the alignment of netlink, 4 bytes.
#[inline]
pub(crate) fn pad(out: &mut Vec<u8>) {
    let missing = out.len().next_multiple_of(4) - out.len();
    out.extend_from_slice(&[0; 4][..missing]);
}

/// Walks attributes; what does not look like one ends the walk, as in the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    /// Number and payload.
    type Item = (u16, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let &[low, high, kind_low, kind_high, ..] = self.0 else { return None };
        let length = usize::from(u16::from_ne_bytes([low, high]));
        if length < HEADER_BYTES || length > self.0.len() {
            return None;
        }
        let payload = &self.0[HEADER_BYTES..length];
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([kind_low, kind_high]) & NUMBER_MASK, payload))
    }
}

/// Integers in the machine's byte order, and runs of bytes.
macro_rules! host_order {
    ($($int:ty),*) => {$(
        impl Wire<'_> for $int {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_ne_bytes());
            }

            #[inline]
            fn take(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().copied().map(Self::from_ne_bytes)
            }
        }
    )*};
}
host_order!(u8, u16, u32);

impl<const N: usize> Wire<'_> for [u8; N] {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    #[inline]
    fn take(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied()
    }
}

/// A port in network byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Port(pub(crate) u16);

impl Wire<'_> for Port {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    #[inline]
    fn take(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied().map(|it| Self(u16::from_be_bytes(it)))
    }
}

/// A counter or rate, 32 bits wide in one kind of nest and 64 in the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl Wire<'_> for Count {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_ne_bytes());
    }

    #[inline]
    fn take(bytes: &[u8]) -> Option<Self> {
        match bytes.first_chunk() {
            Some(&wide) => Some(Self(u64::from_ne_bytes(wide))),
            None => u32::take(bytes).map(|narrow| Self(narrow.into())),
        }
    }
}

/// An address whose family stands elsewhere: 16 bytes, an IPv4 address in the first four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address([u8; 16]);

impl Address {
    #[inline]
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                Self([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            }
            IpAddr::V6(address) => Self(address.octets()),
        }
    }

    #[inline]
    pub(crate) fn as_family(&self, family: Family) -> IpAddr {
        let [a, b, c, d, ..] = self.0;
        match family {
            Family::V4 => Ipv4Addr::new(a, b, c, d).into(),
            Family::V6 => Ipv6Addr::from(self.0).into(),
        }
    }
}

impl Wire<'_> for Address {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    /// Shorter addresses are followed by zeros; the kernel refuses longer ones.
    #[inline]
    fn take(bytes: &[u8]) -> Option<Self> {
        let mut address = [0; 16];
        address.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self(address))
    }
}

/// Flags, and which of them are meant: `new = old & !mask | bits & mask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) bits: u32,
    pub(crate) mask: u32,
}

impl Wire<'_> for Flags {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        self.bits.put(out);
        self.mask.put(out);
    }

    #[inline]
    fn take(bytes: &[u8]) -> Option<Self> {
        let (bits, mask) = bytes.split_at_checked(4)?;
        Some(Self { bits: u32::take(bits)?, mask: u32::take(mask).unwrap_or(0) })
    }
}

/// A short name; on the wire a zero follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// The name, unless the kernel would refuse it for its length, or read half of it.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], longest: usize) -> Option<Self> {
        (bytes.len() <= longest && !bytes.contains(&0)).then_some(Self(bytes))
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn text(self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }
}

impl<'a> Wire<'a> for Name<'a> {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
        out.push(0);
    }

    fn take(bytes: &'a [u8]) -> Option<Self> {
        Some(Self(bytes.split(|&byte| byte == 0).next().unwrap_or_default()))
    }
}

/// Attributes that are looked into only if they are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nest<'a>(pub(crate) &'a [u8]);

impl<'a> Wire<'a> for Nest<'a> {
    const NESTED: bool = true;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }

    fn take(bytes: &'a [u8]) -> Option<Self> {
        Some(Self(bytes))
    }
}
