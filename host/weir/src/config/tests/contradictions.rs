//! What each of two keys may say, and both together may not; and what means nothing where it stands.

use super::*;

#[test]
fn thresholds_are_refused_where_they_are_said() {
    check(
        &service(
            "lower-threshold = 20\nupper-threshold = 10\nserver = [\"10.0.0.2\", \"10.0.0.3\"]",
        ),
        "weir.toml:4:19: service web: lower-threshold: expected at most upper-threshold (10), found 20",
    );
    check(
        &service(
            "lower-threshold = 20\nserver = [{ address = \"10.0.0.2\", upper-threshold = 10 }]",
        ),
        "weir.toml:5:53: service web: server: upper-threshold: expected at least lower-threshold (20), found 10",
    );
    check(
        &service("lower-threshold = 20\nserver = [\"10.0.0.2\", \"10.0.0.3\"]"),
        "weir.toml:4:19: lower-threshold: needs upper-threshold: add it",
    );
    check(
        &format!("[defaults]\nlower-threshold = 20\n{}", service("upper-threshold = 10")),
        "weir.toml:6:19: service web: upper-threshold: expected at least lower-threshold (20), found 10",
    );
    check(
        &format!(
            "[defaults]\nupper-threshold = 10\n[profile.p]\nlower-threshold = 20\n{}",
            service("profile = \"p\"\nserver = [\"10.0.0.2\"]")
        ),
        "weir.toml:4:19: profile p: lower-threshold: expected at most upper-threshold (10), found 20",
    );
    let server = "server = [{ address = \"10.0.0.2\", upper-threshold = 30 }]";
    good(&service(&format!("lower-threshold = 20\n{server}")));
}

#[test]
fn what_a_pool_leaves_open_its_services_may_say() {
    let pool = "[pool]\nfarm = [{ address = \"10.0.0.2\", tunnel = { type = \"gre\" }, \
                lower-threshold = 5 }]\n";
    let text = |lines: &str| format!("{pool}{}", service(&format!("pool = \"farm\"\n{lines}")));
    good(&text("forwarding = \"tunnel\"\nupper-threshold = 10"));
    check(
        &text(""),
        "weir.toml:2:42: pool farm: tunnel: is for forwarding = \"tunnel\" only; add it, or remove this\n\
         weir.toml:2:78: pool farm: lower-threshold: needs upper-threshold: add it",
    );
}
