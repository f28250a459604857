//! Changes of the table in words, for the timeline and for reports.

use weir_ipvs::Change;

use super::scenario::{Fault, Names};

/// `a of web: weight 0`.
pub(crate) fn change(change: &Change, names: &Names) -> String {
    match change {
        Change::AddService(it) => {
            format!("service {} added, {}", names.service(&it.key), it.scheduler)
        }
        Change::EditService(it) => {
            format!("service {} edited, {}", names.service(&it.key), it.scheduler)
        }
        Change::DeleteService(key) => format!("service {} deleted", names.service(key)),
        Change::AddServer(service, it) => {
            format!(
                "{} of {} added, weight {}",
                names.server(it.endpoint),
                names.service(service),
                it.weight
            )
        }
        Change::EditServer(service, it) => {
            format!(
                "{} of {}: weight {}",
                names.server(it.endpoint),
                names.service(service),
                it.weight
            )
        }
        Change::DeleteServer(key) => {
            format!("{} of {} deleted", names.server(key.server), names.service(&key.service))
        }
        Change::Zero(None) => "all counters zeroed".to_owned(),
        Change::Zero(Some(key)) => format!("counters of {} zeroed", names.service(key)),
        Change::Flush => "everything deleted".to_owned(),
        Change::SetTimeouts(_) => "time-outs set".to_owned(),
        Change::StartDaemon(_) => "sync daemon started".to_owned(),
        Change::StopDaemon(..) => "sync daemon stopped".to_owned(),
    }
}

/// What a fault makes a server do: `crashes`.
pub(crate) fn fault(fault: &Fault) -> String {
    match fault {
        Fault::Crash => "crashes".to_owned(),
        Fault::Silence => "goes silent".to_owned(),
        Fault::Unreachable => "goes unreachable".to_owned(),
        Fault::Slow(factor) => format!("slows {factor}x"),
        Fault::SlowTo(_) => "slows".to_owned(),
        Fault::Answers(status) => format!("answers {status}"),
        Fault::Errors(part) => format!("fails {}%", part * 100.0),
    }
}
