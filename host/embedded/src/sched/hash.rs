//! How `dh`, `sh`, `mh`, `lblc` and `lblcr` turn addresses into numbers.

use std::net::IpAddr;

/// An address as one number: IPv4 as it is, IPv6 as its four words XORed.
pub(super) fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let octets = address.octets();
            let (words, _) = octets.as_chunks();
            words.iter().fold(0, |folded, &word| folded ^ u32::from_be_bytes(word))
        }
    }
}

/// The highest `bits` bits of the multiplicative hash that the kernel calls `hash_32`
/// (`include/linux/hash.h`).
pub(super) fn hash_32(value: u32, bits: u32) -> u32 {
    value.wrapping_mul(0x61C8_8647) >> (u32::BITS - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_the_numbers_of_the_kernel() {
        let check = |address: &str, folded| {
            assert_eq!(fold(address.parse().unwrap()), folded, "{address}");
        };
        check("10.1.0.3", 0x0A01_0003);
        check("2001:db8::3", 0x2001_0DBB);
        check("1:2:3:4:5:6:7:8", 0x0001_0002 ^ 0x0003_0004 ^ 0x0005_0006 ^ 0x0007_0008);
        assert_eq!(hash_32(1, 8), 0x61);
        assert_eq!(hash_32(0x0A01_0003, 32), 0x0A01_0003u32.wrapping_mul(0x61C8_8647));
    }
}
