//! What commands ask of us, and what they change by way of us.

use std::{collections::BTreeSet, time::Duration};

use weir_ipvs::{Change, Ipvs, ServiceKey};

use super::{LOOKS_MAX, Manager, Now};
use crate::{control::Request, plan};

/// How soon the whole table is looked at when that does not do. A restore comes in many
/// requests, and one look for several of them is enough.
const SOON: Duration = Duration::from_millis(100);

/// What a change touches.
enum Touched {
    Nothing,
    Service(ServiceKey),
    Everything,
}

impl Manager {
    /// Answers all of them, in order.
    pub(super) fn answer_requests(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        while let Some(request) = self.requests.pop_front() {
            match request {
                Request::Apply(changes, on_failure, reply) => {
                    match self.deny_command(now, &changes, on_failure) {
                        Some(failures) => reply.send(failures),
                        None => {
                            self.note_edits(now, &changes);
                            reply.send(ipvs.apply(&changes, on_failure));
                        }
                    }
                }
                other => other.answer(ipvs),
            }
        }
    }

    /// Claimed services that a command is about to touch.
    pub(super) fn touched(&self, changes: &[Change]) -> BTreeSet<ServiceKey> {
        let mut services = BTreeSet::new();
        for change in changes {
            match touched(change) {
                Touched::Service(key) if self.claims.contains_key(&key) => {
                    services.insert(key);
                }
                Touched::Everything => services.extend(self.claims.keys()),
                Touched::Service(_) | Touched::Nothing => {}
            }
        }
        services
    }

    /// Sees to it that what is claimed, of what a command is about to touch, is looked at
    /// soon, for the configuration may state otherwise.
    fn note_edits(&mut self, now: Now, changes: &[Change]) {
        let mut is_more = false;
        for change in changes {
            is_more |= self.states(change);
            match touched(change) {
                Touched::Service(key) if self.claims.contains_key(&key) => {
                    self.stale.insert(key);
                }
                Touched::Service(key) => is_more |= plan::claim(&self.config, &key).is_some(),
                Touched::Everything => is_more = true,
                Touched::Nothing => {}
            }
        }
        if is_more || self.stale.len() > LOOKS_MAX {
            self.stale.clear();
            self.next_poll = self.next_poll.min(now.monotonic.saturating_add(SOON));
        }
    }
}

fn touched(change: &Change) -> Touched {
    match change {
        Change::AddService(service) | Change::EditService(service) => Touched::Service(service.key),
        Change::DeleteService(key) | Change::AddServer(key, _) | Change::EditServer(key, _) => {
            Touched::Service(*key)
        }
        Change::DeleteServer(key) => Touched::Service(key.service),
        Change::Flush => Touched::Everything,
        Change::Zero(_)
        | Change::SetTimeouts(_)
        | Change::StartDaemon(_)
        | Change::StopDaemon(..) => Touched::Nothing,
    }
}
