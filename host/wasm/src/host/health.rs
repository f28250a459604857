//! `weir:plugin/health`: health as the host knows it. Grant: `services`; what is outside
//! is `unknown`, as is what nobody checks.

use std::time::Duration;

use weir_ipvs::RealServerKey;

use crate::{
    bindings::{health, real_servers},
    convert,
    state::PolicyState,
};

impl health::Host for PolicyState {
    fn current(
        &mut self,
        keys: Vec<real_servers::RealServerKey>,
    ) -> wasmtime::Result<Vec<health::HealthReport>> {
        let now = Duration::from_nanos(self.view.monotonic_ns);
        let report = |key: real_servers::RealServerKey| {
            let known = RealServerKey::from(key);
            let seen = self.grant.services.contains(&known.service);
            let report = seen.then(|| self.view.health.get(&known).cloned()).flatten();
            convert::health_report(key, report, now)
        };
        Ok(keys.into_iter().map(report).collect())
    }
}
