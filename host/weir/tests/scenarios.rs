//! Scenarios: those of the tree pass, a run can be repeated to the byte, and what is wrong
//! with one is said where it stands.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn weir(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `scenario` in a file of its own, and the path of that.
fn written(directory: &tempfile::TempDir, scenario: &str) -> PathBuf {
    let file = directory.path().join("x.scenario");
    fs::write(&file, scenario).unwrap();
    file
}

/// What `weir test` says of `scenario`, and its status.
fn tested(scenario: &str) -> (String, i32) {
    let directory = tempfile::tempdir().unwrap();
    let file = written(&directory, scenario);
    let output = weir(&["test", file.to_str().unwrap()]);
    assert_eq!(text(&output.stderr), "");
    let said = text(&output.stdout).replace(&format!("{}/", directory.path().display()), "");
    (said, output.status.code().unwrap())
}

#[test]
fn the_scenarios_of_the_tree_pass() {
    let output = weir(&["test", "tests/scenarios"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).ends_with(" passed, 0 failed\n"), "{}", text(&output.stdout));
}

#[test]
fn chaos_breaks_no_rule_whatever_the_seed() {
    let output = weir(&["test", "--seeds", "5", "tests/scenarios/chaos.scenario"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
}

#[test]
fn a_run_can_be_repeated_to_the_byte() {
    let timeline = |seed| {
        let output = weir(&["simulate", "--seed", seed, "tests/scenarios/chaos.scenario"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        output.stdout
    };
    let first = timeline("7");
    assert!(first == timeline("7"), "the same seed gave another timeline");
    assert!(first != timeline("8"), "another seed gave the same timeline");
}

#[test]
fn the_example_of_the_manual_passes() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    let manual = fs::read_to_string(manual).unwrap();
    let (_, example) = manual.split_once("````text\n").unwrap();
    let (example, _) = example.split_once("````").unwrap();
    let (said, status) = tested(example);
    assert_eq!(status, 0, "{said}");
}

#[test]
fn the_timeline_is_one_object_a_line_and_the_plot_is_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let plot = directory.path().join("x.svg");
    let arguments = ["simulate", "tests/scenarios/crash.scenario", "--plot"];
    let output = weir(&[&arguments[..], &[plot.to_str().unwrap()]].concat());
    let lines = text(&output.stdout);
    let events: Vec<String> = lines
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["event"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(events.first().map(String::as_str), Some("begin"));
    assert_eq!(events.last().map(String::as_str), Some("end"));
    for event in ["sample", "scenario", "verdict", "write", "log"] {
        assert!(events.iter().any(|it| it == event), "no {event}");
    }
    let plot = fs::read_to_string(plot).unwrap();
    for part in ["<svg ", "weights", "latency", "a crashes", "</svg>"] {
        assert!(plot.contains(part), "no {part}");
    }
}

#[test]
fn what_was_not_met_is_said_with_its_place() {
    let (said, status) = tested(
        "server a 10.1.0.1:80\n```ipvsadm\n-A -t 10.0.0.1:80 -s rr\n\
         -a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5\n```\nat 5s expect a weight 7 within 1s\n",
    );
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r"
    FAIL  x.scenario: 6s, 1 of 1 expectations not met
          x.scenario:6: expect a weight 7 within 1s
          expected  a weight 7 by 6s
          seen      at 6s: a weight 5
          again: weir test --seed 1 x.scenario
          all of it: weir simulate --seed 1 x.scenario

    0 passed, 1 failed
    ");
}

#[test]
fn mistakes_are_all_said_with_their_places() {
    let (said, status) = tested("sed 5\n\nat 5s note x\n");
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r#"
    FAIL  x.scenario
          x.scenario:1:1: expected a statement or a name, found `sed`; did you mean `seed`?
              1 | sed 5
                | ^
          x.scenario:3:12: expected a text in quotes such as "half of the fleet is gone", found `x`
              3 | at 5s note x
                |            ^
    0 passed, 1 failed
    "#);
}

#[test]
fn a_table_that_ipvsadm_refuses_is_said_with_its_line() {
    let (said, _) = tested(
        "duration 1s\n```ipvsadm\n-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.2:80 -r 10.1.0.1 -m\n```\n",
    );
    assert!(said.contains("x.scenario:4:1: ipvsadm refuses"), "{said}");
}

/// Builds the guest `name` into `directory`.
pub(crate) fn build(name: &str, directory: &tempfile::TempDir) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let plugin = weir_build::Plugin {
        package: "weir-test-guests",
        artifact: weir_build::Artifact::Binary(name),
        target: weir_build::Target::Bare,
        directory: Path::new(env!("CARGO_MANIFEST_DIR")),
        target_directory: &weir_build::shared_target_directory(scratch),
    };
    let file = directory.path().join(format!("{name}.wasm"));
    fs::write(file, plugin.component().unwrap()).unwrap();
}

/// Scenario 9, with a plugin that really panics after it asked for a change.
#[test]
fn of_a_plugin_that_panics_nothing_is_applied_until_it_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    build("policy_fails", &directory);
    build("policy_drains", &directory);
    let scenario = r#"
server a 10.1.0.1:80
server b 10.1.0.2:80
server c 10.1.0.3:80

```toml
[check]

[[service]]
name = "web"
address = "10.0.0.1:80"
scheduler = "wrr"
server = [
    { address = "10.1.0.1:80", weight = 7 },
    { address = "10.1.0.2:80", weight = 7 },
    { address = "10.1.0.3:80", weight = 7 },
]

[plugin.health-weight]

[plugin.fails]
source = "policy_fails.wasm"
config = { handle = "panic" }

[plugin.fails.grant]
services = "all"
weights = { intents = ["drain"] }
```

duration 3m
always explained

# It is called when it starts, and panics each time: five times, then no more.
expect log "it panicked or aborted" = 5 for 1m
expect log "plugin-quarantined plugin=fails" = 1 for 1m
expect log "plugin=fails reason" = 0 until end
at 30s    expect a, b, c weight 7

# The others go on.
at 1m     a crashes
          expect a weight 0 within 7.6s
          expect writes = 1 for 30s
          expect log "plugin=health-weight reason" = 1 for 30s

# A file that is none in its place, then another: no restart of weir is needed.
at 90s    plugin fails becomes "nowhere.wasm"
          expect log "plugin-refused plugin=fails" = 1 for 10s
after 10s plugin fails becomes "policy_drains.wasm"
          expect log "plugin-replaced plugin=fails" = 1 for 1m
          expect log "plugin-failed" = 0 until end
"#;
    let file = written(&directory, scenario);
    let output = weir(&["test", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_folder_without_scenarios_is_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let output = weir(&["test", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no *.scenario in"), "{output:?}");
}
