//! `weir check`: what it says of configurations, for people and for programs.

use std::{fs, process::Command};

/// What `weir check` says of these files, paths cut to their names: its status, and all it
/// printed.
fn checked(files: &[(&str, &str)], config: &str, arguments: &[&str]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["check", "--config"])
        .arg(directory.path().join(config))
        .args(arguments)
        .env("XDG_CACHE_HOME", directory.path())
        .env("SECRET", "hunter2")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let prefix = format!("{}/", directory.path().display());
    (output.status.code().unwrap(), String::from_utf8(said).unwrap().replace(&prefix, ""))
}

const GOOD: &str = "[check]\n[[service]]\nname = \"web\"\naddress = \"10.0.0.1:80\"\n\
                    server = [{ address = \"10.0.0.2\" }]\n";

#[test]
fn a_good_configuration() {
    let (status, said) = checked(&[("weir.toml", GOOD)], "weir.toml", &[]);
    assert_eq!(status, 0);
    insta::assert_snapshot!(said, @"weir.toml: no mistakes: services: 1, real servers: 1, matches: 0, plugins: health-weight");
    let (_, said) = checked(&[("weir.toml", GOOD)], "weir.toml", &["--json"]);
    insta::assert_snapshot!(said, @r#"{"mistakes":[],"services":1,"real_servers":1,"matches":0,"plugins":["health-weight"]}"#);
}

#[test]
fn every_mistake_is_said_with_its_line() {
    let config = "[check]\ninterval = 5\n\n[[service]]\nname = \"web\"\n";
    let (status, said) = checked(&[("weir.toml", config)], "weir.toml", &[]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r#"
    weir.toml:2:12: check: interval: expected a duration from 10ms to 1h, such as "5s" or "200ms", found 5
        2 | interval = 5
          |            ^
    weir.toml:4:1: service web: `address` is missing: add address = "192.0.2.1:80", or fwmark = 1
        4 | [[service]]
          | ^
    "#);
    let (status, said) = checked(&[("weir.toml", config)], "weir.toml", &["--json"]);
    assert_eq!(status, 1);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let mistake = &report["mistakes"][1];
    assert_eq!((&mistake["line"], &mistake["column"]), (&4.into(), &1.into()), "{report}");
}

#[test]
fn plugins_that_cannot_be_used_have_a_place_each() {
    let config = "[plugin.a]\nsource = \"a.wasm\"\n[plugin.b]\nsource = \"b.wasm\"\n\
                  [plugin.c]\ncomponent = \"c\"\n";
    let files = [("weir.toml", config), ("b.wasm", "hello")];
    let (status, said) = checked(&files, "weir.toml", &[]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r#"
    weir.toml:2:10: plugin a: read a.wasm: No such file or directory (os error 2)
        2 | source = "a.wasm"
          |          ^
    weir.toml:4:10: plugin b: load b.wasm: it is not WebAssembly
        4 | source = "b.wasm"
          |          ^
    weir.toml:6:13: plugin c: there is no component c in weir, but health-weight, least-load, latency, canary, discovery, business-hours, n-plus-one, ready, starlark
        6 | component = "c"
          |             ^
    "#);
}

#[test]
fn mistakes_of_the_configuration_hide_none_of_its_plugins() {
    let config = "[check]\ninterval = 5\n[plugin.a]\nsource = \"a.wasm\"\n";
    let (status, said) = checked(&[("weir.toml", config)], "weir.toml", &[]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r#"
    weir.toml:2:12: check: interval: expected a duration from 10ms to 1h, such as "5s" or "200ms", found 5
        2 | interval = 5
          |            ^
    weir.toml:4:10: plugin a: read a.wasm: No such file or directory (os error 2)
        4 | source = "a.wasm"
          |          ^
    "#);
}

#[test]
fn a_script_may_have_the_schema_of_its_settings_beside_it() {
    let config = "[plugin.x]\ncomponent = \"starlark\"\nscript = \"x.star\"\n\n[plugin.x.config]\n\
                  url = \"http://registry.example\"\neach_s = 3\nevery_s = -1\n";
    let script = "def on_start(weights):\n    print(config[\"url\"])\n";
    let with = |config, schema| {
        let files = [("weir.toml", config), ("x.star", script), ("x.settings.json", schema)];
        checked(&files, "weir.toml", &[])
    };
    let schema = include_str!("../../../plugins/discovery/settings.json");
    let (status, said) = with(config, schema);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r#"
    weir.toml:7:10: plugin x: config.each_s: unknown key `each_s`; known here: every_s, secret, url
        7 | each_s = 3
          |          ^
    weir.toml:8:11: plugin x: config.every_s: must be >=0, but got -1
        8 | every_s = -1
          |           ^
    "#);
    let good = config.replace("each_s = 3\nevery_s = -1\n", "every_s = 1\n");
    assert_eq!(with(&good, schema).0, 0);
    let (status, said) = with(&good, "{");
    assert_eq!(status, 1);
    let broken = "plugin x: the schema of its settings, x.settings.json: it is no JSON";
    assert!(said.contains(broken), "{said}");
}

#[test]
fn what_a_script_that_checks_needs_may_be_said_by_its_checks() {
    let script = "def check(target):\n    target.http(config[\"path\"])\n    return up()\n";
    let schema = r#"{"properties": {"path": {"type": "string"}}, "required": ["path"]}"#;
    let with = |settings: &str| {
        let check = format!("[check]\ntype = \"plugin\"\nplugin = \"x\"\n{settings}");
        let config = GOOD.replace("[check]\n", &check)
            + "[plugin.x]\ncomponent = \"starlark\"\nscript = \"x.star\"\n";
        let files = [("weir.toml", &*config), ("x.star", script), ("x.settings.json", schema)];
        checked(&files, "weir.toml", &[])
    };
    let (status, said) = with("config = { path = \"/ready\" }\n");
    assert_eq!(status, 0, "{said}");
    let (status, said) = with("");
    assert_eq!(status, 1);
    let missing = "plugin x: with the settings of a check that names it: config: `path` is missing";
    assert!(said.contains(missing), "{said}");
}

#[test]
fn fragments_are_joined_and_what_is_stated_twice_is_named_with_both_places() {
    let good = [
        ("d/10-checks.toml", "[check]\ninterval = \"10s\"\n"),
        ("d/20-web.toml", GOOD.trim_start_matches("[check]\n")),
        (
            "d/30-dns.toml",
            "[check]\nfall = 5\n[[service]]\nname = \"dns\"\naddress = \"10.0.0.1:53\"\n",
        ),
        ("d/.hidden.toml", "nonsense"),
        ("d/readme", "nonsense"),
    ];
    let (status, said) = checked(&good, "d", &[]);
    assert_eq!(status, 0, "{said}");
    insta::assert_snapshot!(said, @"d: no mistakes: services: 2, real servers: 1, matches: 0, plugins: health-weight");
    let mut bad = good.to_vec();
    bad.push(("d/40-more.toml", "[check]\n\ninterval = \"9s\"\nrise = 0\n"));
    bad.push(("d/50-web.toml", GOOD));
    let (status, said) = checked(&bad, "d", &[]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r#"
    d/40-more.toml:3:1: `check.interval` is stated in d/10-checks.toml:2:12, too: remove one
        3 | interval = "9s"
          | ^
    d/40-more.toml:4:8: check: rise: expected a whole number from 1 to 100, found 0
        4 | rise = 0
          |        ^
    d/50-web.toml:2:1: service web: tcp 10.0.0.1:80 is already service web: join them
        2 | [[service]]
          | ^
    d/50-web.toml:3:8: service web: name: "web" is taken: give each its own
        3 | name = "web"
          |        ^
    "#);
}

#[test]
fn what_references_stand_for_is_never_shown() {
    let config =
        "[check]\ninterval = \"${SECRET}\"\ntype = \"${file:secret}\"\nrise = \"${MISSING}\"\n";
    let (status, said) =
        checked(&[("weir.toml", config), ("secret", "swordfish\n")], "weir.toml", &[]);
    assert_eq!(status, 1);
    assert!(!said.contains("hunter2") && !said.contains("swordfish"), "{said}");
    insta::assert_snapshot!(said, @r#"
    weir.toml:2:12: check: interval: expected a duration from 10ms to 1h, such as "5s" or "200ms", found what ${SECRET} stands for
        2 | interval = "${SECRET}"
          |            ^
    weir.toml:3:8: check: type: expected "tcp" or "http" or "https" or "tls" or "grpc" or "grpcs" or "udp" or "dns" or "icmp" or "command" or "plugin", found what ${file:secret} stands for
        3 | type = "${file:secret}"
          |        ^
    weir.toml:4:8: check: rise: expected a whole number from 1 to 100, found "${MISSING}"
        4 | rise = "${MISSING}"
          |        ^
    weir.toml:4:8: there is no MISSING in the environment: set it for weir, or write the value here
        4 | rise = "${MISSING}"
          |        ^
    "#);
}

#[test]
fn a_configuration_that_is_not_there() {
    let (status, said) = checked(&[], "weir.toml", &["--json"]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r#"{"mistakes":[{"file":"weir.toml","message":"failed to read the configuration: No such file or directory (os error 2); name the file, or the directory of its parts, with --config"}],"services":0,"real_servers":0,"matches":0,"plugins":[]}"#);
}
