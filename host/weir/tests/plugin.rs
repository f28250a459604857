//! `weir plugin`: from an empty folder to a policy that passes its test, as the pages of the
//! SDKs say.

mod rust;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// What `weir` does in `folder`, where it keeps its cache, too.
fn weir(folder: &Path, arguments: &[&str]) -> Output {
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    weir.args(arguments).current_dir(folder).env("XDG_CACHE_HOME", folder.join("cache"));
    weir.output().unwrap()
}

/// What it prints, where it succeeds.
fn said(folder: &Path, arguments: &[&str]) -> String {
    printed(&weir(folder, arguments))
}

/// What a program printed that succeeded.
fn printed(output: &Output) -> String {
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{error}");
    out.into_owned()
}

/// What it complains of, where it fails.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = weir(folder, arguments);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap().replace(&format!("{}/", folder.display()), "")
}

fn new(language: &str) -> (TempDir, PathBuf) {
    made(&["--lang", language])
}

fn new_in(world: &str, language: &str) -> (TempDir, PathBuf) {
    made(&["--lang", language, "--world", world])
}

/// A folder with the plugin `gentle`.
fn made(options: &[&str]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    said(folder.path(), &[&["plugin", "new"][..], options, &["gentle"]].concat());
    let project = folder.path().join("gentle");
    (folder, project)
}

/// Follows the commands that a page begins with, from an empty folder to the plugin `gentle`;
/// what they print.
fn followed(language: &str) -> (TempDir, PathBuf, String) {
    let sdk = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk"));
    let page = fs::read_to_string(sdk.join(language).join("README.md")).unwrap();
    let (_, commands) = page.split_once("\n```sh\n").unwrap();
    let (commands, _) = commands.split_once("\n```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut bash = Command::new("bash");
    // What they install is here already.
    bash.args(["-euc", &format!("pip() {{ :; }}; npm() {{ :; }}; rustup() {{ :; }}\n{commands}")]);
    bash.current_dir(folder.path()).env("PATH", path_to_weir());
    bash.env("XDG_CACHE_HOME", folder.path().join("cache"));
    bash.envs([("CARGO_TARGET_DIR", "target"), ("CARGO_NET_OFFLINE", "true")]);
    let printed = printed(&bash.output().unwrap());
    let project = folder.path().join("gentle");
    (folder, project, printed)
}

/// `PATH`, and the program that is tested before all that is on it.
fn path_to_weir() -> OsString {
    let weir = Path::new(env!("CARGO_BIN_EXE_weir")).parent().unwrap().to_owned();
    let path = env::var_os("PATH").unwrap();
    env::join_paths([weir].into_iter().chain(env::split_paths(&path))).unwrap()
}

/// The way from an empty folder, in a language with a compiler.
fn is_built_checked_and_tested(language: &str) {
    let (_folder, project, said_on_the_way) = followed(language);
    for expected in [
        "\nworld    policy\n",
        "weir:plugin/intents",
        "\n1 passed, 0 failed\n",
        "weights = { intents = [\"drain\"] }",
    ] {
        assert!(said_on_the_way.contains(expected), "{expected}: {said_on_the_way}");
    }
    is_checked_and_tested(&project, &["gentle.wasm"]);
    let shown = said(&project, &["plugin", "inspect", "gentle.wasm"]);
    assert!(shown.starts_with("gentle 0.1.0\nDrains a real server that is down\n"), "{shown}");
}

/// What the settings of `gentle.wasm`, a controller, may be is shown, and kept to.
fn settings_are_as_the_schema_says(project: &Path) {
    let shown = said(project, &["plugin", "inspect", "gentle.wasm"]);
    assert!(shown.contains("\nsetting  url, string, required: what is asked"), "{shown}");
    let grant = said(project, &["plugin", "grant", "gentle.wasm"]);
    assert!(grant.contains("\nconfig.url = \"\"   # url"), "{grant}");
    assert!(grant.contains("\n# config.every_s = 10   # every_s"), "{grant}");
    let check = |config: &str| {
        let output = weir(project, &["plugin", "check", "gentle.wasm", "--config", config]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().find(|it| it.starts_with("FAIL  settings")).unwrap().to_owned()
    };
    insta::assert_snapshot!(check("{}"), @"FAIL  settings       config: `url` is missing");
    insta::assert_snapshot!(check(r#"{"url": 7}"#), @"FAIL  settings       config.url: want string, but got number");
}

#[test]
fn settings_that_the_schema_refuses_are_mistakes_of_the_configuration() {
    let (_folder, project) = new_in("controller", "rust");
    said(&project, &["plugin", "build"]);
    settings_are_as_the_schema_says(&project);
    let config = "[plugin.gentle]\nsource = \"gentle.wasm\"\n\n[plugin.gentle.config]\n\
                  url = \"http://registry.example\"\neach_s = 3\nevery_s = -1\n\n\
                  [plugin.n-plus-one]\ncomponent = \"n-plus-one\"\n\
                  config = { needed = \"two\" }\n";
    fs::write(project.join("weir.toml"), config).unwrap();
    insta::assert_snapshot!(refused(&project, &["check", "--config", "weir.toml"]), @r#"
    weir.toml:6:10: plugin gentle: config.each_s: unknown key `each_s`; known here: every_s, secret, url
        6 | each_s = 3
          |          ^
    weir.toml:7:11: plugin gentle: config.every_s: must be >=0, but got -1
        7 | every_s = -1
          |           ^
    weir.toml:11:21: plugin n-plus-one: config.needed: want integer, but got string
       11 | config = { needed = "two" }
          |                     ^
    "#);
    let config = "[plugin.gentle]\nsource = \"gentle.wasm\"\nscript = \"x.star\"\n";
    fs::write(project.join("weir.toml"), config).unwrap();
    let said = refused(&project, &["check", "--config", "weir.toml"]);
    assert!(said.contains("plugin gentle: it has settings of its own"), "{said}");
    fs::write(project.join("settings.json"), r#"{"type": "thing"}"#).unwrap();
    let said = refused(&project, &["plugin", "build"]);
    assert!(
        said.starts_with("weir: ./settings.json cannot be used: it is no JSON Schema"),
        "{said}"
    );
    fs::remove_file(project.join("settings.json")).unwrap();
    insta::assert_snapshot!(refused(&project, &["plugin", "build"]), @"weir: failed to read ./settings.json, which plugin.toml names as [config] schema: No such file or directory (os error 2)");
}

/// What is built in this folder, checked by these words, is taken by weir, and does what its
/// scenario says.
fn is_checked_and_tested(project: &Path, words: &[&str]) {
    let checked = said(project, &[&["plugin", "check"], words].concat());
    // What is interpreted may need more of the processor, the more so on a slow machine: it is told.
    let is_slow = |it: &str| it.starts_with("warn  ") && it.contains("; needs `limits = ");
    let is_good = |it: &str| it.starts_with("pass  ") || is_slow(it);
    assert!(checked.lines().all(is_good), "{checked}");
    assert!(checked.contains("  1000 servers"), "{checked}");
    let tested = said(project, &["test"]);
    assert!(tested.ends_with("1 passed, 0 failed\n"), "{tested}");
}

/// The same way for a checker, which asks for nothing.
fn a_checker_is_built_checked_and_tested(language: &str) {
    let (_folder, project) = new_in("checker", language);
    let built = said(&project, &["plugin", "build"]);
    assert!(built.contains("\nworld    checker\n"), "{built}");
    is_checked_and_tested(&project, &["gentle.wasm"]);
    let grant = said(&project, &["plugin", "grant", "gentle.wasm"]);
    assert!(!grant.contains("weights"), "{grant}");
}

/// The same way for a weigher and a guard.
fn functions_are_built_checked_and_tested(language: &str) {
    for world in ["weigher", "guard"] {
        let (_folder, project) = new_in(world, language);
        let built = said(&project, &["plugin", "build"]);
        assert!(built.contains(&format!("\nworld    {world}\n")), "{built}");
        is_checked_and_tested(&project, &["gentle.wasm"]);
    }
}

/// The same way for a controller, to what a registry lists.
fn a_controller_is_built_checked_and_tested(language: &str) {
    let (_folder, project) = new_in("controller", language);
    let config = "{\"url\":\"http://registry.example/services\"}";
    if language == "starlark" {
        return is_checked_and_tested(&project, &["src/gentle.star", "--config", config]);
    }
    let built = said(&project, &["plugin", "build"]);
    assert!(built.contains("\nworld    controller\n"), "{built}");
    let shown = said(&project, &["plugin", "inspect", "gentle.wasm"]);
    assert!(shown.contains("power    owns services: \"serves what"), "{shown}");
    let grant = said(&project, &["plugin", "grant", "gentle.wasm"]);
    assert!(grant.contains("structure = { addresses = [] }"), "{grant}");
    assert!(!grant.contains("\nweights"), "{grant}");
    is_checked_and_tested(&project, &["gentle.wasm", "--config", config]);
}

#[test]
fn a_script_is_checked_and_tested() {
    let (_folder, project) = new("starlark");
    let checked = said(&project, &["plugin", "check", "src/gentle.star"]);
    assert!(checked.contains("pass  1000 servers"), "{checked}");
    let tested = said(&project, &["test"]);
    assert!(tested.ends_with("1 passed, 0 failed\n"), "{tested}");

    fs::write(project.join("src/gentle.star"), "def on_health(change, weights):\n    x = y\n")
        .unwrap();
    let output = weir(&project, &["plugin", "check", "src/gentle.star"]);
    let checked = String::from_utf8(output.stdout).unwrap();
    let expected =
        "FAIL  roles          src/gentle.star:2: Variable `y` not found, did you mean `x`?: x = y";
    assert!(output.status.code() == Some(1) && checked.contains(expected), "{checked}");
}

/// What `weir plugin check` says of a script with this text, and whether it is good.
fn verdicts(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.star"), text).unwrap();
    let output = weir(folder.path(), &["plugin", "check", "x.star"]);
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_script_is_told_and_asked_all_that_would_come() {
    let failed = |text: &str| {
        let (is_good, said) = verdicts(text);
        let line = said.lines().find(|it| it.starts_with("FAIL  10 servers     "));
        assert!(!is_good, "{said}");
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let asks = "def on_time(weights):\n    ask(\"http://registry.example/\")\n";
    for (text, expected) in [
        ("def on_start(weights):\n    fail(\"late\")\n".to_owned(), "     started: x.star:2: "),
        (
            "def on_health(change, weights):\n    if change.after == \"up\" and \
             change.before == \"down\":\n        fail(\"late\")\n"
                .to_owned(),
            "     a recovery: x.star:3: ",
        ),
        ("def on_time(weights):\n    fail(\"late\")\n".to_owned(), "     stats: x.star:2: "),
        (
            format!("{asks}def on_answer(answer, weights):\n    fail(\"late\")\n"),
            "     a time-out: x.star:4: ",
        ),
        (
            format!("{asks}def on_answer(answer, weights):\n    answer.status and answer.json()\n"),
            "     an answer of 503: x.star:4: ",
        ),
        (
            "def judge(change):\n    return fail(\"late\") if change.plugin else None\n".to_owned(),
            "     judged: starlark: judge failed",
        ),
    ] {
        let line = failed(&text);
        assert!(line.contains(expected), "{text}: {line}");
    }
    let (is_good, said) = verdicts(&format!("{asks}def on_answer(answer, weights):\n    pass\n"));
    assert!(is_good && said.contains(", an empty answer in "), "{said}");
}

#[test]
fn a_checker_concludes_something() {
    let said = |outcome: &str| {
        let (is_good, said) = verdicts(&format!("def check(target):\n    return {outcome}\n"));
        let line = said.lines().find(|it| it.contains("  outcomes  "));
        (is_good, line.unwrap_or_else(|| panic!("{said}")).to_owned())
    };
    let (is_good, line) = said("inconclusive(\"no idea\")");
    assert!(!is_good, "{line}");
    insta::assert_snapshot!(line, @"FAIL  outcomes       it concludes nothing, so that a check by it changes nothing: inconclusive (no idea) where a server answers, inconclusive (no idea) where nobody listens; where it misses settings, give them by --config");
    let (is_good, line) = said("up()");
    assert!(is_good, "{line}");
    insta::assert_snapshot!(line, @"warn  outcomes       it passes what cannot be reached: pass where a server answers, pass where nobody listens");
    let (_, line) = said("up() if target.http(\"/\").status == 200 else down()");
    insta::assert_snapshot!(line, @"pass  outcomes       pass where a server answers, unreached where nobody listens");
    // What no request can have is told as `weir run` would tell it.
    let (_, line) = said("up() if target.http(\"/\\r\\nx: y\") else down()");
    insta::assert_snapshot!(line, @r#"pass  outcomes       unreached (expected a path such as "/health", percent-encoded, found "/\r\nx: y") where a server answers, unreached where nobody listens"#);
}

#[test]
fn scripts_that_weigh_judge_and_check_are_made_checked_and_tested() {
    for world in ["weigher", "guard", "checker"] {
        let (_folder, project) = new_in(world, "starlark");
        let checked = said(&project, &["plugin", "check", "src/gentle.star"]);
        assert!(checked.contains(&format!("pass  roles          a {world}")), "{checked}");
        assert!(checked.contains("pass  1000 servers"), "{checked}");
        let tested = said(&project, &["test"]);
        assert!(tested.ends_with("1 passed, 0 failed\n"), "{tested}");
    }
}

/// A name may be in what the test of its project says, or decide when it is weighed first.
#[test]
fn whatever_its_name_is_a_new_project_passes_its_test() {
    for (world, name) in [
        ("policy", "drain"),
        ("policy", "my-drain"),
        ("weigher", "balance"),
        ("weigher", "weights"),
        ("guard", "my-guard"),
        ("checker", "check"),
        ("controller", "discover"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        said(folder.path(), &["plugin", "new", "--lang", "starlark", "--world", world, name]);
        let tested = said(&folder.path().join(name), &["test"]);
        assert!(tested.ends_with("1 passed, 0 failed\n"), "{name}: {tested}");
    }
    let folder = tempfile::tempdir().unwrap();
    let taken = ["plugin", "new", "--lang", "starlark", "--world", "guard", "canary"];
    let refused = weir(folder.path(), &taken);
    assert!(!refused.status.success() && !folder.path().join("canary").exists());
}

#[test]
fn controllers_are_built_checked_and_tested() {
    for language in ["starlark", "rust"] {
        a_controller_is_built_checked_and_tested(language);
    }
}

#[test]
fn what_weir_has_no_example_of_is_said() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(
        refused(folder.path(), &["plugin", "new", "--lang", "c", "--world", "controller", "gentle"]),
        @"weir: weir carries no example of a controller in c yet"
    );
    assert!(!folder.path().join("gentle").exists());
}

#[test]
fn what_is_there_already_is_kept() {
    let (folder, _) = new("c");
    insta::assert_snapshot!(
        refused(folder.path(), &["plugin", "new", "--lang", "c", "gentle"]),
        @"weir: gentle is there already: choose another name, or remove it"
    );
    insta::assert_snapshot!(
        refused(folder.path(), &["plugin", "new", "--lang", "c", "../x"]),
        @r#"weir: "../x" is no name: a letter, then letters, digits and -, all small"#
    );
}

#[test]
fn no_name_makes_a_project_that_cannot_be_built() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(
        refused(folder.path(), &["plugin", "new", "--lang", "rust", "serde"]),
        @"weir: serde is a package that plugins in Rust are built of: choose another name"
    );
    // What Python's library has, and what Go takes for a test.
    for (language, name, source) in [("python", "json", "plugin.py"), ("go", "x-test", "plugin.go")]
    {
        said(folder.path(), &["plugin", "new", "--lang", language, name]);
        assert!(folder.path().join(name).join("src").join(source).is_file());
    }
}

#[test]
fn a_missing_compiler_is_said_with_how_to_get_it() {
    let said = |language: &str| {
        let (_folder, project) = new(language);
        let nothing = tempfile::tempdir().unwrap();
        let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
        weir.args(["plugin", "build"]).current_dir(&project).env("PATH", nothing.path());
        weir.env_remove("CARGO").env_remove("RUSTC");
        String::from_utf8(weir.output().unwrap().stderr).unwrap()
    };
    insta::assert_snapshot!(said("c"), @"weir: zig is not on PATH: pip install ziglang, or https://ziglang.org/download (0.17)");
    insta::assert_snapshot!(said("rust"), @"weir: rustc is not on PATH: https://rustup.rs brings rustc and cargo");
}

#[test]
fn what_is_no_plugin_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.wasm"), "text").unwrap();
    for command in ["inspect", "grant"] {
        let said = refused(folder.path(), &["plugin", command, "x.wasm"]);
        assert!(said.starts_with("weir: failed to use x.wasm: it is not a component"), "{said}");
    }
    insta::assert_snapshot!(refused(folder.path(), &["plugin", "inspect", "x.star"]), @"weir: x.star is a script: `weir plugin check x.star` says what it is, and `weir plugin grant x.star` what to write into weir.toml");
    let huge = fs::File::create(folder.path().join("huge.wasm")).unwrap();
    huge.set_len(1 << 32).unwrap();
    insta::assert_snapshot!(refused(folder.path(), &["plugin", "inspect", "huge.wasm"]), @"weir: failed to use huge.wasm: it is larger than 67108864 bytes, and no component that weir takes is");
    let said = refused(folder.path(), &["plugin", "build"]);
    assert!(said.contains("`weir plugin new` makes one"), "{said}");
}

/// What the compiler complains of is shown, and is no reason not to build.
fn warnings_are_shown(language: &str) {
    let (_folder, project) = new(language);
    let source = project.join("src/gentle.c");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, format!("{text}static int unused_by_all;\n")).unwrap();
    let built = weir(&project, &["plugin", "build"]);
    let shown = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && shown.contains("unused_by_all"), "{shown}");
}

/// Those that need a compiler, which `cargo xtask test languages` installs.
mod toolchain {
    macro_rules! languages {
        ($($name:ident: $($test:ident),*;)*) => {
            $(mod $name {
                $(#[test]
                fn $test() {
                    crate::plugin::$test(stringify!($name));
                })*
            })*
        };
    }

    languages! {
        c: is_built_checked_and_tested, a_checker_is_built_checked_and_tested, warnings_are_shown;
        zig: is_built_checked_and_tested, a_checker_is_built_checked_and_tested,
            a_controller_is_built_checked_and_tested;
        python: is_built_checked_and_tested, a_checker_is_built_checked_and_tested,
            a_controller_is_built_checked_and_tested;
        javascript: is_built_checked_and_tested, a_checker_is_built_checked_and_tested,
            a_controller_is_built_checked_and_tested;
        // What its runtime needs at its start, each world and the simulation have.
        go: is_built_checked_and_tested, a_checker_is_built_checked_and_tested,
            functions_are_built_checked_and_tested, a_controller_is_built_checked_and_tested;
    }
}
