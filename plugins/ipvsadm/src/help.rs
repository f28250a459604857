//! The texts of `-h` and `-v`.

/// What `-v` says, and the first line of `-h`.
pub(crate) const VERSION: &[u8] =
    b"ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";

/// The rest of `-h`; `%` stands for the name that ipvsadm was called by.
const USAGE: &str = include_str!("help.txt");

/// Appends the whole of `-h`.
pub(crate) fn put(out: &mut Vec<u8>, program: &[u8]) {
    out.extend_from_slice(VERSION);
    for (index, part) in USAGE.split('%').enumerate() {
        if index > 0 {
            out.extend_from_slice(program);
        }
        out.extend_from_slice(part.as_bytes());
    }
}
