//! What checkers alone have: targets, questions, answers and outcomes.

use weir_ipvs::Endpoint;

use crate::{
    Checked, Checking, HttpRequest, HttpResponse, ProbeError,
    bindings::{checking, probe},
    convert::policy::milliseconds,
};

/// What a checker is called with.
pub(crate) fn target(checking: Checking) -> checking::Target {
    let Checking { server, settings, timeout, .. } = checking;
    let server = Endpoint::new(server.ip(), server.port());
    checking::Target { server: server.into(), settings, timeout: milliseconds(timeout) }
}

impl From<checking::Outcome> for Checked {
    fn from(outcome: checking::Outcome) -> Self {
        match outcome {
            checking::Outcome::Pass => Self::Pass,
            checking::Outcome::Degraded(it) => Self::Degraded(it.percent, it.reason),
            checking::Outcome::Fail(why) => Self::Fail(why),
            checking::Outcome::Unreached(error) => Self::Unreached(error.into()),
            checking::Outcome::Inconclusive(why) => Self::Inconclusive(why),
        }
    }
}

impl From<probe::Error> for ProbeError {
    fn from(error: probe::Error) -> Self {
        match error {
            probe::Error::Refused => Self::Refused,
            probe::Error::Unreachable => Self::Unreachable,
            probe::Error::Timeout => Self::Timeout,
            probe::Error::Broken => Self::Broken,
            probe::Error::Protocol(what) => Self::Protocol(what),
            probe::Error::Local(why) => Self::Local(why),
            probe::Error::Invalid(why) => Self::Invalid(why),
        }
    }
}

impl From<ProbeError> for probe::Error {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Refused => Self::Refused,
            ProbeError::Unreachable => Self::Unreachable,
            ProbeError::Timeout => Self::Timeout,
            ProbeError::Broken => Self::Broken,
            ProbeError::Protocol(what) => Self::Protocol(what),
            ProbeError::Local(why) => Self::Local(why),
            ProbeError::Invalid(why) => Self::Invalid(why),
        }
    }
}

impl From<probe::Request> for HttpRequest {
    fn from(request: probe::Request) -> Self {
        let probe::Request { method, path, headers, body } = request;
        Self { method, path, headers, body }
    }
}

impl From<HttpResponse> for probe::Response {
    fn from(response: HttpResponse) -> Self {
        let HttpResponse { status, headers, body } = response;
        Self { status, headers, body }
    }
}
