//! The ICMP check against this machine.

use super::bed::{Authority, check_of, probe, run};

#[test]
fn this_machine_sends_an_echo_back() {
    let check = check_of("type = \"icmp\"", &Authority::new());
    for address in ["127.0.0.1:80", "127.0.0.2:0"] {
        let seen = run(probe(&check, address.parse().unwrap()));
        assert_eq!(seen.to_string(), "passed", "{address}");
    }
}
