//! What the pages show of these languages: each sample is built as it stands, and does what is said
//! of it.
//!
//! The commands that a page begins with are run by the tests of `weir plugin`.

use std::{fs, path::Path, process::Command, time::Duration};

use tempfile::TempDir;
use weir_build::Language;
use weir_languages::{Host, Saying, Served, Setup};
use weir_wasm::{Event, Plugin, PolicyGrant, ProbeError, Runtime};

use super::{drains_as_rust_does, folder, load};
use crate::{components, decisions};

/// What must be true of a sample that was built.
type Promise = fn(&Runtime, &Plugin);

/// The samples on the page of a language, in order: the world of each, and its promise.
fn samples(language: Language) -> &'static [(&'static str, Promise)] {
    match language {
        Language::C => &[
            ("policy", drains_as_rust_does),
            ("checker", wants_a_pong),
            ("controller", follows_the_leader),
        ],
        Language::Python => &[("policy", drains_as_rust_does), ("checker", wants_what_is_set)],
        Language::Zig | Language::JavaScript => {
            &[("policy", drains_as_rust_does), ("checker", wants_a_pong)]
        }
        Language::Go => &[("policy", drains_as_rust_does)],
    }
}

pub(super) fn documented_samples_do_what_they_say(language: Language) {
    let page = page(language);
    let shown: Vec<_> = blocks(&page).filter(|it| it.0 != "sh").collect();
    let samples = samples(language);
    assert_eq!(shown.len(), samples.len(), "samples that are known, and those on the page");
    let runtime = Runtime::for_daemon().unwrap();
    for ((_, text), (world, promise)) in shown.iter().zip(samples) {
        let folder = folder(language);
        let file = folder.path().join("sample").with_extension(language.extension());
        fs::write(&file, text).unwrap();
        promise(&runtime, &load(&runtime, language, world, &file));
    }
}

/// The page of the SDK for a language.
pub(super) fn page(language: Language) -> String {
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk");
    fs::read_to_string(Path::new(sdk).join(language.name()).join("README.md")).unwrap()
}

/// What is fenced in a page, in order: in which language, and the text.
pub(super) fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.map(|it| it.split_once('\n').unwrap())
}

/// Those in this language.
pub(super) fn blocks_in<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    blocks(page).filter(|it| it.0 == language).map(|it| it.1).collect()
}

fn wants_a_pong(runtime: &Runtime, plugin: &Plugin) {
    let pong = weir_languages::check(runtime, plugin, "{}", Saying("+PONG\r\n"));
    assert_eq!(pong, "Pass");
    // It says what it hears.
    let ping = weir_languages::check(runtime, plugin, "{}", Served(Ok(200)));
    assert!(ping.starts_with("Fail("), "{ping}");
    let nothing = weir_languages::check(runtime, plugin, "{}", Served(Err(ProbeError::Refused)));
    assert_eq!(nothing, "Unreached(Refused)");
}

fn wants_what_is_set(runtime: &Runtime, plugin: &Plugin) {
    wants_a_pong(runtime, plugin);
    let set = r#"{"expected":"+OK"}"#;
    assert_eq!(weir_languages::check(runtime, plugin, set, Saying("+OK\r\n")), "Pass");
    decisions::check_unknown_setting(runtime, plugin);
}

/// The registry says who leads: that is the one real server.
fn follows_the_leader(runtime: &Runtime, plugin: &Plugin) {
    let http = vec!["GET http://registry.example/".parse().unwrap()];
    let grant = PolicyGrant { http, ..Setup::default().grant };
    let mut host = Host::start(runtime, plugin, Setup { grant, ..Setup::default() }).unwrap();
    let often = host.tell(vec![Event::Stats(Duration::ZERO); 9]);
    assert_eq!(often, "asks GET http://registry.example/leader for \"leader\"\n".repeat(8));
    let mut answered = |status, body| host.tell(vec![decisions::answered(status, body)]);
    insta::assert_snapshot!(answered(200, "10.0.0.7:80"), @"owns leader, tcp 192.0.2.10:80 by wlc: 10.0.0.7:80 weight 1");
    insta::assert_snapshot!(answered(200, "10.0.0.8:80"), @"owns leader, tcp 192.0.2.10:80 by wlc: 10.0.0.8:80 weight 1");
    insta::assert_snapshot!(answered(503, "10.0.0.9:80"), @"");
    insta::assert_snapshot!(answered(200, "nobody"), @"test: handle failed: expected an address and a port, 10.0.0.1:80 or [2001:db8::1]:80");
}

/// The commands that the page of C has for other build systems make the same.
pub(super) fn documented_by_hand_drains_as_rust_does(c: Language) {
    let page = page(c);
    let [_, commands] = blocks_in(&page, "sh")[..] else { panic!("other commands than are known") };
    let folder = begun("gentle.c", blocks_in(&page, "c")[0]);
    let zig = c.command().unwrap();
    // The first is `python3 -m ziglang`; what the second does, `componentized` does.
    let instead = format!("python3() {{ shift 2; {zig} \"$@\"; }}\nwasm-tools() {{ :; }}\n");
    run(&folder, &[&instead, commands].concat());
    componentized_drains_as_rust_does(&folder.path().join("gentle.core.wasm"));
}

/// The page on toolchains is true of C++.
pub(super) fn documented_in_cpp_drains_as_rust_does(c: Language) {
    let page = include_str!("../../../../host/docs/toolchains.md");
    let [(_, source), (_, commands)] = blocks(page).collect::<Vec<_>>()[..] else {
        panic!("other samples than are known")
    };
    let folder = begun("drain.cpp", source);
    let instead = format!("zig() {{ {} \"$@\"; }}\n", c.command().unwrap());
    run(&folder, &[&instead, commands].concat());
    componentized_drains_as_rust_does(&folder.path().join("drain.core.wasm"));
}

/// A folder with the SDK for C and this source.
fn begun(source: &str, text: &str) -> TempDir {
    let folder = folder(Language::C);
    weir_languages::lay_out(&["c/weir", "c/weir/bindings"], folder.path()).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src").join(source), text).unwrap();
    folder
}

/// Runs commands of a page in this folder.
pub(super) fn run(folder: &TempDir, script: &str) {
    let mut shell = Command::new("bash");
    let output = shell.args(["-euc", script]).current_dir(folder.path()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// The module becomes a component, as it would by `wasm-tools`.
fn componentized_drains_as_rust_does(module: &Path) {
    let plugin = module.with_file_name("plugin.wasm");
    fs::write(&plugin, weir_build::componentize(&fs::read(module).unwrap()).unwrap()).unwrap();
    let runtime = Runtime::for_daemon().unwrap();
    drains_as_rust_does(&runtime, &components::from_file(&runtime, &plugin).unwrap());
}
