//! Plugins that check.

use super::*;
use crate::{
    config::Mode,
    health::{Checker, CheckerFailure},
};

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

/// A check by what it runs now fails.
fn fail(bench: &mut Bench, checker: Checker) {
    let plugin = "checker".to_owned();
    let report = "checker: check failed: unreachable".to_owned();
    let failure = CheckerFailure { plugin, checker, report };
    bench.manager.handle(bench.at(), Event::CheckerFailed(Box::new(failure)));
    bench.settle();
}

fn running(bench: &Bench) -> Checker {
    bench.manager.plugins.iter().find_map(|it| it.checker()).unwrap().clone()
}

#[test]
fn a_checker_that_fails_on_probation_gives_way_to_the_one_before() {
    let mut bench = checking();
    let old = running(&bench);
    bench.replace("checker", None);
    let new = running(&bench);
    assert!(old != new);
    told(&mut bench);
    fail(&mut bench, old.clone());
    assert_eq!(bench.said("plugin-returned"), NONE, "a check of the old one was under way");
    fail(&mut bench, new.clone());
    assert_eq!(
        bench.said("plugin-returned"),
        ["plugin-returned plugin=checker applied=\"nothing of that call\" \
          then=\"the one before comes back, with what it had said\" \
          report=\"checker: check failed: unreachable\""]
    );
    assert!(running(&bench) == old);
    assert_eq!((state(&bench), told(&mut bench)), ("running", vec!["checker checks".to_owned()]));
    fail(&mut bench, new);
    assert_eq!(bench.said("plugin-"), NONE, "it is not there any more");
}

#[test]
fn a_checker_in_shadow_gives_way_too() {
    let mut bench = checking();
    bench.manager.set_mode(bench.at(), "checker", Mode::Shadow).unwrap();
    bench.replace("checker", None);
    let new = running(&bench).shadowed(true);
    fail(&mut bench, new);
    assert_eq!(bench.said("plugin-returned").len(), 1);
}

/// What one server answers does not end the checks of the others.
#[test]
fn a_checker_that_fails_later_is_not_given_up() {
    let mut bench = checking();
    bench.replace("checker", None);
    bench.pass(60);
    bench.lines.clear();
    told(&mut bench);
    for _ in 0..10 {
        let checker = running(&bench);
        fail(&mut bench, checker);
    }
    assert_eq!((bench.said("plugin-"), told(&mut bench)), (vec![], vec![]));
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
