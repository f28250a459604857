//! Which kernel is answered for, where kernels differ.

/// The two generations of thresholds and overhead. No version number tells them apart in
/// the field: long-term kernels got the newer rules too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Generation {
    /// Linux 6.1.176 and earlier.
    Older,
    /// Linux 6.1.187, 6.12.117 and later.
    #[default]
    Newer,
}
