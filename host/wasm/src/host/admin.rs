//! `weir:ipvs/admin`: changing IPVS at once. Grant: `admin`; without it every step fails,
//! and IPVS is not even opened.

use weir_ipvs::{Change, OnFailure};

use crate::{
    OPERATIONS_PER_APPLY,
    bindings::{admin, errors::Error, operations::Operation},
    host::denied,
    state::CommandState,
};

impl admin::Host for CommandState {
    fn apply(
        &mut self,
        operations: Vec<Operation>,
        on_failure: admin::OnFailure,
    ) -> wasmtime::Result<Vec<admin::Failure>> {
        let steps = operations.len();
        if !self.grant.admin {
            let error =
                denied("admin-outside-grant", "changing IPVS needs the command's grant.admin");
            return Ok(all_fail(0..steps, &error, on_failure.into()));
        }
        let ipvs = match self.backend.get() {
            Ok(ipvs) => ipvs,
            Err(error) => return Ok(all_fail(0..steps, &error.into(), on_failure.into())),
        };
        let changes: Vec<Change> =
            operations.into_iter().take(OPERATIONS_PER_APPLY).map(Into::into).collect();
        let tried = changes.len();
        let mut failures: Vec<admin::Failure> = ipvs
            .apply(&changes, on_failure.into())
            .into_iter()
            .map(|failure| admin::Failure {
                step: number(failure.step),
                error: failure.error.into(),
            })
            .collect();
        if failures.is_empty() || matches!(on_failure, admin::OnFailure::Proceed) {
            let message = format!("more than {OPERATIONS_PER_APPLY} operations in one call");
            let error = denied("too-many-operations", message);
            failures.extend(all_fail(tried..steps, &error, on_failure.into()));
        }
        Ok(failures)
    }
}

/// The failures of steps that all fail alike; with [`OnFailure::Stop`] the first alone.
fn all_fail(
    steps: std::ops::Range<usize>,
    error: &Error,
    on_failure: OnFailure,
) -> Vec<admin::Failure> {
    let listed = if on_failure == OnFailure::Stop { 1 } else { usize::MAX };
    steps
        .take(listed)
        .map(|step| admin::Failure { step: number(step), error: error.clone() })
        .collect()
}

/// A list that came from a guest of 32 bits has no more steps than fit.
fn number(step: usize) -> u32 {
    u32::try_from(step).unwrap_or(u32::MAX)
}
