//! What keeps a service serving, one concept a file. Pure: each is a few numbers, and takes
//! the time and what it must know of the service as arguments.

pub(crate) mod doubt;
pub(crate) mod flap;
pub(crate) mod order;
pub(crate) mod panic;
pub(crate) mod quorum;
pub(crate) mod ramp;
