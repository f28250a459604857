//! What operators ask to see.

use super::{
    protocol::{Explained, Head, ShownService},
    request::Reply,
    steer::Refused,
};

/// A question to the manager. Names are as they were typed.
#[derive(Debug)]
pub(crate) enum Show {
    /// How it stands, with one service or all.
    Status(Option<String>, Reply<Result<(Head, Vec<ShownService>), Refused>>),
    /// Why the weight of a real server, or of all of a service, is what it is.
    Explain(String, Option<String>, Reply<Result<Explained, Refused>>),
}
