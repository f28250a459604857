//! No scheduler at all, which is a scheduler that a service can have.

use super::{Pick, Scheduler};
use crate::server::ServerId;

/// Refuses every new connection. Persistence templates that exist still lead to their real
/// servers.
#[derive(Debug)]
pub(super) struct None;

impl Scheduler for None {
    fn pick(&mut self, _pick: &Pick<'_>) -> Option<ServerId> {
        Option::None
    }
}
