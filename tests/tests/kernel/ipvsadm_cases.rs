//! ipvsadm against recorded runs of the original.

use std::{env, fs, path::Path};

use weir_tests::{cases::Case, guest, links, namespace};

const HOSTS: &str = "\
127.0.0.1	localhost
10.0.0.1	vip.test
10.0.0.2	rs1.test
10.0.0.3	rs2.test rs2-alias
192.0.2.200	a-very-long-real-server-host-name.example.test
2001:db8::80	vip6.test
2001:db8::2	rs6.test
";

const SERVICES: &str = "\
ftp		21/tcp
ssh		22/tcp
domain		53/tcp
domain		53/udp
tftp		69/udp
http		80/tcp		www
https		443/tcp
https		443/udp
sip		5060/tcp
sip		5060/udp
sctpsvc		9899/sctp
a-long-service-name	7777/tcp
";

const NSSWITCH: &str = "hosts: files\nservices: files\n";

/// `nobody` has a shell, or `su nobody -c` would refuse.
const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh
";

#[test]
fn every_recorded_case_of_the_original_passes() {
    guest::require();
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
    // One after the other: while services come and go in one namespace, a listing of another
    // may show a service twice, or not at all.
    let failures: Vec<String> = namespace::on_thread(|| {
        lay_out(&program, &namespace::scratch("cases"));
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

/// Lays the files of the recording, and the program, over those of the guest, for this
/// thread and what it starts.
fn lay_out(program: &Path, scratch: &Path) {
    let bin = namespace::scratch("bin");
    let traffic = bin.join("t");
    namespace::fresh_mounts();
    fs::write(&traffic, "").expect("/run is writable");
    namespace::cover(&traffic, Path::new(env!("CARGO_BIN_EXE_t")));
    // As a mount it is reached through no directory that `nobody` may not enter.
    namespace::cover(guest::ORIGINAL, program);
    namespace::cover_with("/etc/hosts", HOSTS, scratch);
    namespace::cover_with("/etc/services", SERVICES, scratch);
    namespace::cover_with("/etc/nsswitch.conf", NSSWITCH, scratch);
    namespace::cover_with("/etc/passwd", PASSWD, scratch);
    namespace::cover_directory("/tmp");
}
