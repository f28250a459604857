//! What must change for a table to match a plan.
//!
//! Pure: knows neither the kernel nor the clock, and never fails.

use std::collections::BTreeMap;

use crate::{Change, Endpoint, RealServer, RealServerKey, Service, ServiceKey};

/// One service and the real servers it should have, or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedService {
    /// The service.
    pub service: Service,
    /// Its real servers; ordered, so that a plan is the same every time.
    pub servers: BTreeMap<Endpoint, RealServer>,
}

/// Services by key.
pub type Plan = BTreeMap<ServiceKey, PlannedService>;

/// Returns the changes that turn `actual` into `desired`, where both hold only what is
/// owned: what stands in neither is never touched.
///
/// Additions and edits come before removals, so that a service is never left without a
/// real server on the way; among edits, weights that rise come before weights that fall,
/// so that it is never left without an eligible one either.
pub fn diff(actual: &Plan, desired: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, planned) in desired {
        match actual.get(key) {
            None => {
                changes.push(Change::AddService(planned.service.clone()));
                changes.extend(
                    planned.servers.values().map(|server| Change::AddServer(*key, *server)),
                );
            }
            Some(found) => {
                if found.service != planned.service {
                    changes.push(Change::EditService(planned.service.clone()));
                }
                diff_servers(*key, &found.servers, &planned.servers, &mut changes);
            }
        }
    }
    for key in actual.keys().filter(|key| !desired.contains_key(key)) {
        changes.push(Change::DeleteService(*key));
    }
    changes
}

fn diff_servers(
    service: ServiceKey,
    actual: &BTreeMap<Endpoint, RealServer>,
    desired: &BTreeMap<Endpoint, RealServer>,
    changes: &mut Vec<Change>,
) {
    let (mut raised, mut lowered) = (Vec::new(), Vec::new());
    for (endpoint, server) in desired {
        match actual.get(endpoint) {
            None => changes.push(Change::AddServer(service, *server)),
            Some(found) if found == server => {}
            Some(found) if found.weight <= server.weight => {
                raised.push(Change::EditServer(service, *server));
            }
            Some(_) => lowered.push(Change::EditServer(service, *server)),
        }
    }
    changes.append(&mut raised);
    changes.append(&mut lowered);
    for server in actual.keys().filter(|it| !desired.contains_key(it)) {
        changes.push(Change::DeleteServer(RealServerKey { service, server: *server }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Forwarding, Protocol};

    fn plan(servers: &[(&str, u32)]) -> Plan {
        let key = ServiceKey::from((Protocol::Tcp, "192.0.2.1:80".parse().unwrap()));
        let servers = servers
            .iter()
            .map(|(text, weight)| {
                let endpoint = text.parse().unwrap();
                (endpoint, RealServer::new(endpoint, Forwarding::Masquerade, *weight))
            })
            .collect();
        Plan::from([(key, PlannedService { service: Service::new(key, "wrr"), servers })])
    }

    fn words(changes: &[Change]) -> Vec<String> {
        changes
            .iter()
            .map(|change| match change {
                Change::AddService(service) => format!("add {}", service.key),
                Change::EditService(service) => format!("edit {}", service.key),
                Change::DeleteService(key) => format!("delete {key}"),
                Change::AddServer(_, it) => format!("add {} {}", it.endpoint, it.weight),
                Change::EditServer(_, it) => format!("edit {} {}", it.endpoint, it.weight),
                Change::DeleteServer(key) => format!("delete {}", key.server),
                other => format!("{other:?}"),
            })
            .collect()
    }

    fn check(actual: &Plan, desired: &Plan, expected: &[&str]) {
        assert_eq!(words(&diff(actual, desired)), expected);
    }

    #[test]
    fn equal_tables_need_no_change() {
        check(&plan(&[("10.0.0.1:80", 1)]), &plan(&[("10.0.0.1:80", 1)]), &[]);
    }

    #[test]
    fn a_failed_probe_becomes_a_weight_of_zero() {
        check(&plan(&[("10.0.0.1:80", 1)]), &plan(&[("10.0.0.1:80", 0)]), &["edit 10.0.0.1:80 0"]);
    }

    #[test]
    fn a_missing_service_comes_with_its_servers() {
        check(
            &Plan::new(),
            &plan(&[("10.0.0.1:80", 1)]),
            &["add tcp 192.0.2.1:80", "add 10.0.0.1:80 1"],
        );
    }

    #[test]
    fn a_service_is_never_empty_on_the_way() {
        check(
            &plan(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 0), ("10.0.0.3:80", 1)]),
            &plan(&[("10.0.0.1:80", 0), ("10.0.0.2:80", 1), ("10.0.0.4:80", 1)]),
            &[
                "add 10.0.0.4:80 1",
                "edit 10.0.0.2:80 1",
                "edit 10.0.0.1:80 0",
                "delete 10.0.0.3:80",
            ],
        );
    }

    #[test]
    fn a_service_no_longer_wanted_goes_last() {
        check(&plan(&[("10.0.0.1:80", 1)]), &Plan::new(), &["delete tcp 192.0.2.1:80"]);
    }
}
