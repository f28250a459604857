//! Each limit, and a guest that runs into it.

use std::time::Duration;

use weir_wasm::{
    Birth, Failure, Level, Limits, OPERATIONS_PER_APPLY, Policy, REASON_BYTES, Report, Runtime,
    STATEMENTS_PER_CALL,
};

use crate::{
    fixtures::{
        Lines, Remembering, Ticking, WHOLE_COMMAND_GRANT, command, patient, settings, view,
    },
    guests,
};

fn start(runtime: &Runtime, guest: &str, limits: Limits, lines: &Lines) -> Result<Policy, Failure> {
    let plugin = guests::plugin(runtime, guest);
    let settings = weir_wasm::Settings { limits, ..settings(lines) };
    runtime.start_policy(&plugin, settings, Birth::Fresh, view()).map(|(policy, _)| policy)
}

fn trapped(failure: Failure) -> Report {
    match failure {
        Failure::Trapped(report) => *report,
        other => panic!("{other}"),
    }
}

/// Starts a guest that comes up, and whose `handle` fails; how.
fn runs_into(guest: &str, limits: Limits) -> Report {
    let runtime = Runtime::for_daemon().unwrap();
    let _ticking = Ticking::start(&runtime);
    let mut policy = start(&runtime, guest, limits, &Lines::default()).unwrap();
    let report = trapped(policy.handle(view(), &[]).unwrap_err());
    assert_eq!((report.plugin.as_str(), report.call), ("test", "handle"));
    report
}

#[test]
fn memory() {
    let report = runs_into("limits_memory", patient());
    assert_eq!(report.reason, "used more than 64 MiB of memory (limit memory_bytes)");
    assert!(!report.frames.is_empty());
}

#[test]
fn memory_from_the_start() {
    let runtime = Runtime::for_daemon().unwrap();
    let limits = Limits { memory_bytes: 64 << 10, ..patient() };
    let failure = start(&runtime, "policy_drains", limits, &Lines::default()).err().unwrap();
    let report = trapped(failure);
    assert_eq!(report.call, "start");
    assert_eq!(report.reason, "used more than 64 KiB of memory (limit memory_bytes)");
}

#[test]
fn table_elements() {
    let runtime = Runtime::for_daemon().unwrap();
    let limits = Limits { table_elements: 2, ..patient() };
    let failure = start(&runtime, "policy_drains", limits, &Lines::default()).err().unwrap();
    assert_eq!(trapped(failure).reason, "used more than 2 table elements (limit table_elements)");
}

#[test]
fn instances() {
    let runtime = Runtime::for_daemon().unwrap();
    let limits = Limits { instances: 1, ..patient() };
    let failure = start(&runtime, "policy_drains", limits, &Lines::default()).err().unwrap();
    assert_eq!(
        trapped(failure).reason,
        "it is made of more parts than it may be (limit instances)"
    );
}

#[test]
fn processor_time() {
    let report = runs_into("limits_time", Limits { cpu: Duration::from_millis(20), ..patient() });
    assert_eq!(report.reason, "used more than 20ms of processor time (limit cpu)");
}

#[test]
fn time_on_the_clock() {
    let wall = Some(Duration::from_millis(20));
    let report = runs_into("limits_time", Limits { wall, ..patient() });
    assert_eq!(report.reason, "took longer than 20ms (limit wall)");
}

#[test]
fn stack() {
    let report = runs_into("limits_stack", patient());
    assert_eq!(report.reason, "used more than 512 KiB of call stack");
    assert!(report.frames[0].contains("limits_stack::descend"), "{report}");
}

#[test]
fn handles() {
    let report = runs_into("limits_handles", patient());
    assert_eq!(report.reason, "held more resources at a time than it may (limit handles)");
}

#[test]
fn lifted_bytes() {
    let report = runs_into("limits_lifted", patient());
    assert_eq!(
        report.reason,
        "handed over more bytes in one call than it may (limit lifted_bytes)"
    );
}

#[test]
fn log_lines() {
    let runtime = Runtime::for_daemon().unwrap();
    let lines = Lines::default();
    let mut policy = start(&runtime, "limits_log", patient(), &lines).unwrap();
    policy.handle(view(), &[]).unwrap();
    let lines = lines.all();
    let said = lines.iter().filter(|line| line.level == Level::Info).count();
    assert!((20..100).contains(&said), "{said} lines of 1001 passed");
    assert_eq!(lines[0].message.len(), 4096 / 5 * 5 + 1 + '…'.len_utf8());
    assert_eq!(lines[1].message, "line 0\\u{1b}[2J");
}

#[test]
fn statements_in_a_call_and_bytes_of_a_reason() {
    let runtime = Runtime::for_daemon().unwrap();
    let lines = Lines::default();
    // The statements of the guest are long, so that more has to pass than by default.
    let limits = Limits { lifted_bytes: 64 << 20, ..patient() };
    let mut policy = start(&runtime, "limits_statements", limits, &lines).unwrap();
    let effects = policy.handle(view(), &[]).unwrap();
    let denied = 5000 - STATEMENTS_PER_CALL;
    assert_eq!(lines.messages(), [format!("{denied} too-many-statements")]);
    let [weir_wasm::Effect::Publish(statement)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(statement.reason.len(), REASON_BYTES);
}

#[test]
fn operations_of_a_call() {
    let runtime = Runtime::for_command(true).unwrap();
    let plugin = guests::plugin(&runtime, "command_changes");
    let null = || tempfile::tempfile().unwrap().into();
    let ipvs = Remembering::default();
    let count = (OPERATIONS_PER_APPLY + 2).to_string();
    let command = command(
        &["x", &count, "proceed"],
        [null(), null(), null()],
        WHOLE_COMMAND_GRANT,
        ipvs.clone(),
    );
    assert_eq!(runtime.run_command(&plugin, command).unwrap(), 0);
    let tried = OPERATIONS_PER_APPLY;
    assert_eq!(ipvs.changes.lock().unwrap().len(), tried - tried / 3);
}

#[test]
fn the_host_goes_on() {
    let runtime = Runtime::for_daemon().unwrap();
    let mut hostile = start(&runtime, "limits_memory", patient(), &Lines::default()).unwrap();
    let mut ordinary = start(&runtime, "policy_drains", patient(), &Lines::default()).unwrap();
    for _ in 0..2 {
        assert!(hostile.handle(view(), &[]).is_err());
        assert!(ordinary.handle(view(), &[]).is_ok());
    }
}
