//! What guards alone have: reviews, and judgements of them.

use weir_ipvs::Change;

use crate::{
    Judgement, Origin, Review,
    bindings::{guarding, operations, sync},
};

impl From<Review> for guarding::Review {
    fn from(review: Review) -> Self {
        let outcome = review.outcome.into_iter().map(|(service, servers)| {
            let real_servers = servers.into_iter().map(Into::into).collect();
            guarding::PlannedService { config: (&service).into(), real_servers }
        });
        Self {
            origin: review.origin.into(),
            reason: review.reason,
            outcome: outcome.collect(),
            operations: review.changes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Origin> for guarding::Origin {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Plugin(name) => Self::Plugin(name),
            Origin::Operator => Self::Operator,
        }
    }
}

impl From<guarding::Verdict> for Judgement {
    fn from(verdict: guarding::Verdict) -> Self {
        match verdict {
            guarding::Verdict::Allow => Self::Allow,
            guarding::Verdict::Warn(text) => Self::Warn(text),
            guarding::Verdict::Deny(denial) => Self::Deny(denial.message),
        }
    }
}

impl From<Change> for operations::Operation {
    fn from(change: Change) -> Self {
        match change {
            Change::AddService(service) => Self::AddService((&service).into()),
            Change::EditService(service) => Self::EditService((&service).into()),
            Change::DeleteService(key) => Self::DeleteService(key.into()),
            Change::AddServer(service, server) => Self::AddServer(operations::RealServerChange {
                service: service.into(),
                config: server.into(),
            }),
            Change::EditServer(service, server) => Self::EditServer(operations::RealServerChange {
                service: service.into(),
                config: server.into(),
            }),
            Change::DeleteServer(key) => Self::DeleteServer(key.into()),
            Change::Zero(key) => Self::Zero(key.map(Into::into)),
            Change::Flush => Self::Flush,
            Change::SetTimeouts(timeouts) => Self::SetTimeouts(timeouts.into()),
            Change::StartDaemon(daemon) => Self::StartDaemon(daemon.into()),
            Change::StopDaemon(role, sync_id) => {
                Self::StopDaemon(sync::SyncStop { role: role.into(), sync_id })
            }
        }
    }
}
