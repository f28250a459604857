//! Plugins that check.

use super::*;
use crate::config::Mode;

const CHECKER: &str = "[plugin.checker]\nsource = \"x.wasm\"\n";

/// A bench with one, which makes the checks of all servers.
fn checking() -> Bench {
    let config = CONFIG.replace("[check]", "[check]\ntype = \"plugin\"\nplugin = \"checker\"");
    settled_as(&format!("{config}{CHECKER}"))
}

/// Which plugins began to check, or ended.
fn told(bench: &mut Bench) -> Vec<String> {
    std::mem::take(&mut bench.checkers)
}

#[test]
fn whoever_checks_is_told_which_plugins_do() {
    let mut bench = settled_as(&format!("{CONFIG}{CHECKER}"));
    assert_eq!(told(&mut bench), ["checker checks"]);
    bench.pass(60);
    bench.verdicts(&["10.0.1.4:80 down"]);
    assert_eq!(told(&mut bench), NONE, "it is told once");
    bench.manager.set_mode(bench.at(), "checker", Mode::Shadow).unwrap();
    bench.settle();
    assert_eq!(told(&mut bench), ["checker checks"], "in shadow");
    bench.manager.set_mode(bench.at(), "checker", Mode::Off).unwrap();
    bench.settle();
    assert_eq!(told(&mut bench), ["checker checks no more"]);
    bench.manager.set_mode(bench.at(), "checker", Mode::Enforce).unwrap();
    bench.settle();
    assert_eq!(told(&mut bench), ["checker checks"]);
    bench.replace("checker", None);
    assert_eq!(told(&mut bench), ["checker checks"], "by other code");
    bench.reload(CONFIG);
    assert_eq!(told(&mut bench), ["checker checks no more"]);
}

/// How the only one stands.
fn state(bench: &Bench) -> &'static str {
    let standings = bench.manager.standings(bench.at());
    standings.iter().find(|it| it.name == "checker").unwrap().state
}

/// Nobody calls it but those who check, of whom the manager does not hear.
#[test]
fn probation_of_a_checker_ends_by_time() {
    let mut bench = checking();
    bench.replace("checker", None);
    assert_eq!(state(&bench), "probation");
    bench.pass(59);
    assert_eq!(state(&bench), "probation");
    bench.pass(1);
    assert_eq!(state(&bench), "running");
}

#[test]
fn what_a_check_names_is_not_replaced_by_code_that_checks_nothing() {
    let mut bench = checking();
    assert_eq!(told(&mut bench), ["checker checks"]);
    let policy = || Code::of_policy(|_, _, _| panic!("it is not started"));
    bench.replace_by("checker", policy());
    assert_eq!(
        bench.said("plugin-"),
        ["plugin-refused plugin=checker then=\"the one before goes on\" \
          report=\"a check names it, and it is no checker: it is a policy\""]
    );
    assert_eq!(told(&mut bench), NONE, "what was there goes on");
}
