//! ipvsadm against recorded runs of the original.

use std::{env, path::Path};

use weir_tests::{cases::Case, fixture, guest, links, namespace};

#[test]
fn every_recorded_case_of_the_original_passes() {
    let _alone = guest::alone();
    guest::load_modules();
    run(Case::needs_ip_vs);
}

/// Runs the recorded cases that are `wanted`, those of $WEIR_IPVSADM_CASES too.
pub(crate) fn run(wanted: impl Fn(&Case) -> bool) {
    let mut cases =
        Case::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/ipvsadm-cases.json"));
    if let Some(more) = env::var_os("WEIR_IPVSADM_CASES") {
        cases.extend(Case::read(Path::new(&more)));
    }
    cases.retain(wanted);
    assert!(!cases.is_empty(), "no case is wanted");

    let program = guest::ipvsadm();
    let failures: Vec<String> = namespace::on_thread(|| {
        let traffic = (&*fixture::place("t"), Path::new(env!("CARGO_BIN_EXE_t")));
        let ours = (Path::new(guest::ORIGINAL), &*program);
        fixture::lay_out(&namespace::scratch("cases"), &[traffic, ours]);
        cases.iter().filter_map(run_case).collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {} cases fail with {}:\n\n{}",
        failures.len(),
        cases.len(),
        program.display(),
        failures.join("\n")
    );
}

fn run_case(case: &Case) -> Option<String> {
    namespace::fresh_network();
    if case.needs_ip_vs() {
        links::set_up().expect("a fresh namespace takes links");
    }
    case.run()
}
