//! Guests in virtual time: a run can be repeated, its failures included.

use std::{fs, time::Duration};

use weir_wasm::{Birth, Builtin, Failure, Limits, Metering, Policy, Runtime, View, World};

use crate::{
    fixtures::{Lines, patient, settings, view},
    guests,
    loading::HOST,
};

fn start(runtime: &Runtime, guest: &str, limits: Limits, lines: &Lines) -> Policy {
    let plugin = guests::plugin(runtime, guest);
    let settings = weir_wasm::Settings { limits, ..settings(lines) };
    runtime.start_policy(&plugin, settings, Birth::Fresh, view()).unwrap().0
}

#[test]
fn a_limit_of_time_counts_instructions_and_needs_no_ticks() {
    let runtime = Runtime::for_simulation().unwrap();
    let limits = Limits { cpu: Duration::from_millis(1), ..patient() };
    let mut policy = start(&runtime, "limits_time", limits, &Lines::default());
    let Err(Failure::Trapped(report)) = policy.handle(view(), &[]) else { panic!("it ended") };
    assert_eq!(report.reason, "used more than 1ms of processor time (limit cpu)");
}

#[test]
fn each_call_has_the_whole_limit() {
    let runtime = Runtime::for_simulation().unwrap();
    // Two calls take more than one may.
    let limits = Limits { cpu: Duration::from_micros(200), ..patient() };
    let mut policy = start(&runtime, "policy_drains", limits, &Lines::default());
    for _ in 0..1000 {
        policy.handle(view(), &[]).unwrap();
    }
}

#[test]
fn clocks_and_chance_are_the_same_at_every_run() {
    let runtime = Runtime::for_simulation().unwrap();
    let say = |view: View| {
        let lines = Lines::default();
        start(&runtime, "wasi_chance", patient(), &lines).handle(view, &[]).unwrap();
        lines.messages()
    };
    let (wall_ns, monotonic_ns) = (7_000_000_123, 42_000_000_456);
    let said = say(View { wall_ns, monotonic_ns, ..view() });
    assert_eq!(said[0], "wall: 7.000000123s");
    assert!(said[1].contains("42") && said[1].contains("456"), "{said:?}");
    assert_eq!(said, say(View { wall_ns, monotonic_ns, ..view() }));
    assert_ne!(said, say(view()));
}

#[test]
fn a_builtin_is_compiled_for_simulations_or_refused() {
    let component = fs::read(guests::component("policy_drains")).unwrap();
    let compile = |metering| &*weir_wasm::precompile(&component, HOST, metering).unwrap().leak();
    // SAFETY: this is what `precompile` just returned.
    let timed = unsafe { Builtin::embedded("x", &[World::Policy], compile(Metering::Time)) };
    // SAFETY: the same.
    let both = unsafe { timed.with_metered(compile(Metering::Instructions)) };
    let runtime = Runtime::for_simulation().unwrap();
    assert!(runtime.builtin(&both, None).is_ok());
    assert!(Runtime::for_daemon().unwrap().builtin(&both, None).is_ok());
    let refusal = runtime.builtin(&timed, None).err().unwrap().to_string();
    assert_eq!(refusal, "use the built-in plugin x: it is not compiled for simulations");
    let leaked: &'static [u8] = component.clone().leak();
    assert!(runtime.builtin(&timed.with_component(leaked), None).is_ok());
}
