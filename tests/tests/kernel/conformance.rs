//! The bodies of `conformance` on the kernel. Bodies that wait for time wait together.

use weir_tests::namespace;

use super::subject::Kernel;
use crate::conformance::{Body, test_every_body};

test_every_body!(crate::kernel::conformance::on_the_kernel);

/// Runs a body on the kernel, in a namespace of its own.
fn on_the_kernel(body: Body) {
    namespace::in_fresh_network(|| body(&mut Kernel::set_up()));
}
