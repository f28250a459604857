//! Guests whose language runtime imports WASI: they are run, and granted nothing.

use std::io::{Read, Seek};

use weir_wasm::{CommandGrant, Failure, Level, Runtime};

use crate::{
    fixtures::{Lines, Remembering, command, event, settings, start, view},
    guests,
};

#[test]
fn a_policy_gets_nothing_and_its_output_is_log() {
    let lines = Lines::default();
    let (mut policy, _) = start("wasi_policy", settings(&lines));
    policy.handle(view(), &[]).unwrap();
    assert_eq!(
        lines.messages(),
        [
            "file: false",
            "directory: false",
            "environment: 0 arguments: 0",
            "connect: false",
            "listen: false",
            "udp: false",
            "names: false",
            "clock: true",
            "no end of line",
        ]
    );
    let lines = lines.all();
    assert_eq!((lines[0].level, lines[8].level), (Level::Info, Level::Error));
}

#[test]
fn a_policy_that_sleeps_is_trapped() {
    let (mut policy, _) = start("wasi_policy", settings(&Lines::default()));
    let batch = [1, 2].map(|sequence| event(sequence, weir_wasm::Event::Started));
    let failure = policy.handle(view(), &batch).unwrap_err();
    let Failure::Trapped(report) = &failure else { panic!("{failure}") };
    assert_eq!(report.reason, "it waited (wasi:io/poll), which only commands may do");
}

#[test]
fn a_command_prints_to_its_caller() {
    let runtime = Runtime::for_command(true).unwrap();
    let plugin = guests::plugin(&runtime, "wasi_command");
    let files = [(); 3].map(|()| tempfile::tempfile().unwrap());
    let streams = [0, 1, 2].map(|number: usize| files[number].try_clone().unwrap().into());
    let command = command(&[], streams, CommandGrant::default(), Remembering::default());
    assert_eq!(runtime.run_command(&plugin, command).unwrap(), 1);
    let texts = files.map(|mut file| {
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(texts, ["", "to standard output\n", "to standard error\n"]);
}
