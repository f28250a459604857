//! The recorded cases of the original.

use ipvsadm::host::Error;
use serde_json::Value;

use crate::shell::Machine;

/// Cases that need more than a table: traffic, or a `modprobe` to be seen at work.
fn needs_more(id: &str) -> bool {
    id.starts_with("conn-") || id == "nomod-modprobe-args"
}

fn text<'v>(case: &'v Value, key: &str) -> &'v str {
    case[key].as_str().unwrap_or_else(|| panic!("{case} has no {key}"))
}

/// Runs a case; how it differs from the original.
fn run(case: &Value) -> Option<String> {
    let mut machine = Machine::default();
    if case["env"] == "no-ip_vs" {
        machine.kernel.closed = Some(Error::NoIpvs);
    }
    for line in case["setup"].as_array().into_iter().flatten() {
        assert_eq!(machine.run(line.as_str().unwrap()), 0, "{case}");
    }
    machine.stdout.clear();
    machine.stderr.clear();
    let status = machine.run(text(case, "cmd"));
    let ours = (
        String::from_utf8_lossy(&machine.stdout).into_owned(),
        String::from_utf8_lossy(&machine.stderr).into_owned(),
        u64::from(status),
    );
    let theirs = (
        text(case, "stdout").to_owned(),
        text(case, "stderr").to_owned(),
        case["exit"].as_u64().unwrap(),
    );
    let (id, command) = (text(case, "id"), text(case, "cmd"));
    (ours != theirs).then(|| format!("{id}: {command}\n  theirs: {theirs:?}\n  ours:   {ours:?}"))
}

/// The recorded cases, or those in a file of the same form.
fn cases() -> Vec<Value> {
    let text = match std::env::var_os("WEIR_IPVSADM_CASES") {
        Some(file) => std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display())),
        None => include_str!("data/ipvsadm-cases.json").to_owned(),
    };
    serde_json::from_str(&text).unwrap()
}

#[test]
fn as_the_original() {
    let cases = cases();
    let (left_out, cases): (Vec<_>, Vec<_>) =
        cases.iter().partition(|case| needs_more(text(case, "id")));
    if std::env::var_os("WEIR_IPVSADM_CASES").is_none() {
        assert_eq!((cases.len(), left_out.len()), (283, 12), "cases run, cases that need a kernel");
    }
    let differences: Vec<String> = cases.into_iter().filter_map(run).collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
