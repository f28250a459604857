//! Arrays and nested tables: every mistake in them is named, each where it stands.

use super::*;

#[test]
fn every_element_of_an_array_is_read() {
    check(
        &service(
            "scheduler = \"sh\"\nflags = [\"sh-gate\", 5, \"sh-port\"]\npool = [\"a b\", 7]\n\
             check = { type = \"http\", expect = [99, 200, \"x\"] }",
        ),
        "weir.toml:5:10: service web: flags: expected \"one-packet\" or \"sh-fallback\" or \"sh-port\" \
         or \"mh-fallback\" or \"mh-port\" or \"flag-1\" or \"flag-2\" or \"flag-3\", found \"sh-gate\"\n\
         weir.toml:5:21: service web: flags: expected \"one-packet\" or \"sh-fallback\" or \"sh-port\" \
         or \"mh-fallback\" or \"mh-port\" or \"flag-1\" or \"flag-2\" or \"flag-3\", found 5\n\
         weir.toml:6:9: service web: pool: expected 1 to 64 letters, digits, `.`, `_` or `-`, found \
         \"a b\"\n\
         weir.toml:6:16: service web: pool: expected a string, found 7\n\
         weir.toml:7:36: service web: check: expect: expected statuses from 100 to 599 such as 204 or \
         \"200-399\", found 99\n\
         weir.toml:7:45: service web: check: expect: expected statuses from 100 to 599 such as 204 or \
         \"200-399\", found \"x\"",
    );
}

#[test]
fn every_entry_of_a_nested_table_is_read() {
    check(
        &service("labels = { \"a b\" = \"x\", team = 5, zone = \"a\" }"),
        "weir.toml:4:12: service web: labels: expected 1 to 64 letters, digits, `.`, `_` or `-`, found \
         \"a b\"\n\
         weir.toml:4:32: service web: labels: expected a string, found 5",
    );
    check(
        &service("forwarding = \"tunnel\"\ntunnel = { port = 0, checksum = \"some\", kind = 1 }"),
        "weir.toml:5:10: service web: tunnel: `type` is missing: add type = \"gue\"\n\
         weir.toml:5:19: service web: tunnel: port: expected a whole number from 1 to 65535, found 0\n\
         weir.toml:5:33: service web: tunnel: checksum: expected \"none\" or \"full\" or \"remote\", \
         found \"some\"\n\
         weir.toml:5:41: service web: tunnel: unknown key `kind`; known here: checksum, port, type",
    );
    check(
        "[plugin.p]\nsource = \"p.wasm\"\nconfig = { a = inf, b = [1, nan] }",
        "weir.toml:3:16: plugin p: config: expected a finite number, found inf\n\
         weir.toml:3:29: plugin p: config: expected a finite number, found nan",
    );
}

#[test]
fn every_name_in_a_grant_is_looked_up() {
    let plugin = "[plugin.p]\nsource = \"p.wasm\"\n";
    let grant =
        "grant = { services = [\"shop\", \"web\", { labels = { a = \"b\" } }, \"mail\"] }\n";
    check(
        &format!("{plugin}{grant}{}", service("")),
        "weir.toml:3:23: plugin p: grant: services: there is no service or match named \"shop\"\n\
         weir.toml:3:38: plugin p: grant: services: there is no service with these labels\n\
         weir.toml:3:64: plugin p: grant: services: there is no service or match named \"mail\"",
    );
}
