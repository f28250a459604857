//! No bytes make the decoder of kernel replies panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| weir_netlink::decode_anything(bytes));
