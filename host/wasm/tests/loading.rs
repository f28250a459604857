//! What can be loaded, and what is refused, in which words.

use std::{fs, path::Path};

use weir_wasm::{Birth, Builtin, Failure, Metering, PageAligned, Runtime, World};

use crate::{
    fixtures::{Lines, Remembering, WHOLE_COMMAND_GRANT, command, settings, view},
    guests,
};

fn refusal(name: &str, bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    let runtime = Runtime::for_daemon().unwrap();
    let error = runtime.load(&path, None).err().unwrap().to_string();
    error.replace(&format!("{}/", directory.path().display()), "")
}

/// A component that holds nothing but this core module.
fn around(module: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.push(1);
    bytes.push(u8::try_from(module.len() + 8).unwrap());
    bytes.extend_from_slice(b"\0asm\x01\0\0\0");
    bytes.extend_from_slice(module);
    bytes
}

#[test]
fn a_plugin_knows_its_world() {
    let runtime = Runtime::for_daemon().unwrap();
    let policy = guests::plugin(&runtime, "policy_drains");
    assert_eq!((policy.name(), policy.worlds()), ("policy_drains", &[World::Policy][..]));
    assert!(guests::plugin(&runtime, "command_echoes").is(World::Command));
}

#[test]
fn what_is_no_component_is_refused() {
    assert_eq!(refusal("a.wasm", b"(module)"), "load a.wasm: it is not WebAssembly");
    assert_eq!(refusal("a.wasm", b""), "load a.wasm: it is not WebAssembly");
    assert!(refusal("a.wasm", b"\0asm\x01\0\0\0").contains("it is a core module"));
    assert!(refusal("a.wasm", b"\0asm\x0d\0\x01\0garbage").starts_with("compile a: "));
}

#[test]
fn a_component_of_no_world_is_refused() {
    assert_eq!(
        refusal("empty.wasm", &around(b"")),
        "load empty: it is of no world, by what it should export: \
         a policy (weir:plugin/reactor@0.1.0), a weigher (weir:plugin/weighing@0.1.0), \
         a guard (weir:plugin/guarding@0.1.0), a checker (weir:plugin/checking@0.1.0), \
         a command (weir:plugin/cli@0.1.0); \
         it exports nothing"
    );
}

#[test]
fn a_missing_file_is_named() {
    let runtime = Runtime::for_daemon().unwrap();
    let error = runtime.load(Path::new("/nowhere/x.wasm"), None).err().unwrap();
    assert_eq!(error.to_string(), "read /nowhere/x.wasm");
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.wasm");
    fs::File::create(&path).unwrap().set_len(weir_wasm::COMPONENT_BYTES + 1).unwrap();
    let error = Runtime::for_daemon().unwrap().load(&path, None).err().unwrap();
    assert!(error.to_string().ends_with("it is larger than 67108864 bytes"), "{error}");
}

#[test]
fn precompiled_code_is_refused() {
    let component = fs::read(guests::component("policy_drains")).unwrap();
    let code = weir_wasm::precompile(&component, HOST, Metering::Time).unwrap();
    let refusal = refusal("a.cwasm", &code);
    assert!(refusal.starts_with("load a.cwasm: it is precompiled code"), "{refusal}");
}

/// As a build script and the program make one.
fn builtin(name: &'static str, worlds: &'static [World]) -> Builtin {
    let component = fs::read(guests::component(name)).unwrap();
    let code = weir_wasm::precompile(&component, HOST, Metering::Time).unwrap();
    // SAFETY: this is what `precompile` just returned.
    unsafe { Builtin::embedded(name, worlds, code.leak()) }
}

#[cfg(target_arch = "x86_64")]
pub(crate) const HOST: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
pub(crate) const HOST: &str = "aarch64-unknown-linux-gnu";

#[test]
fn a_builtin_needs_no_compiler_and_its_traps_have_names() {
    let builtin = builtin("command_changes", &[World::Command]);
    let runtime = Runtime::for_command(false).unwrap();
    let plugin = runtime.builtin(&builtin, None).unwrap();
    assert_eq!((plugin.name(), plugin.worlds()), ("command_changes", &[World::Command][..]));
    let null = || tempfile::tempfile().unwrap().into();
    let streams = [null(), null(), null()];
    let command =
        command(&["x", "many", "stop"], streams, WHOLE_COMMAND_GRANT, Remembering::default());
    let failure = runtime.run_command(&plugin, command).unwrap_err();
    let Failure::Trapped(report) = &failure else { panic!("{failure}") };
    assert!(report.frames.iter().any(|it| it.contains("rust_panic")), "{report}");
}

#[test]
fn a_builtin_of_the_daemon_is_a_policy_like_any_other() {
    let builtin = builtin("policy_drains", &[World::Policy]);
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = runtime.builtin(&builtin, None).unwrap();
    let settings = settings(&Lines::default());
    let started = runtime.start_policy(&plugin, settings, Birth::Fresh, view());
    assert_eq!(started.unwrap().0.handle(view(), &[]).unwrap(), []);
}

#[test]
fn code_that_begins_with_a_page_runs_where_it_lies_and_elsewhere_too() {
    let component = fs::read(guests::component("policy_drains")).unwrap();
    let code = weir_wasm::precompile(&component, HOST, Metering::Time).unwrap();
    let mut pages: Vec<_> = code.chunks(PAGE).map(|_| PageAligned([0; PAGE])).collect();
    for (page, chunk) in pages.iter_mut().zip(code.chunks(PAGE)) {
        page.0[..chunk.len()].copy_from_slice(chunk);
    }
    // SAFETY: the pages lie side by side, and hold what `precompile` just returned.
    let builtin = unsafe {
        let code = std::slice::from_raw_parts(pages.leak().as_ptr().cast(), code.len());
        Builtin::embedded("policy_drains", &[World::Policy], code)
    };
    let runtime = Runtime::for_daemon().unwrap();
    let [first, second] = [(), ()].map(|()| runtime.builtin(&builtin, None).unwrap());
    // What is dropped takes nothing from who else runs the same pages.
    drop(first);
    let settings = settings(&Lines::default());
    let (mut policy, _) = runtime.start_policy(&second, settings, Birth::Fresh, view()).unwrap();
    assert_eq!(policy.handle(view(), &[]).unwrap(), []);
}

const PAGE: usize = align_of::<PageAligned<()>>();

#[test]
fn a_builtin_that_is_damaged_is_an_error() {
    // SAFETY: the engine refuses these bytes by their head, before it uses any as code.
    let builtin = unsafe { Builtin::embedded("broken", &[World::Policy], b"not compiled code") };
    let error = Runtime::for_command(false).unwrap().builtin(&builtin, None).err().unwrap();
    assert!(error.to_string().starts_with("use the built-in plugin broken: "), "{error}");
}

#[test]
fn imports_that_are_not_offered_are_named() {
    // The same length, so that the component stays whole.
    let component = fs::read(guests::component("command_echoes")).unwrap();
    let component = replaced(component, b"weir:host/stdio@0.1.0", b"weir:host/stdio@9.1.0");
    assert_eq!(
        refusal("future.wasm", &component),
        "load future: it needs what weir does not offer to a command: weir:host/stdio@9.1.0"
    );
}

fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    for start in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[start..].starts_with(from) {
            bytes[start..start + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

#[test]
fn proposals_that_no_world_needs_are_off() {
    let cases: [(&str, &[u8]); 6] = [
        ("shared memory", b"\x05\x04\x01\x03\x01\x01"),
        ("64-bit memory", b"\x05\x03\x01\x04\x01"),
        ("garbage collection", b"\x01\x03\x01\x5f\x00"),
        ("exceptions", b"\x01\x04\x01\x60\x00\x00\x0d\x03\x01\x00\x00"),
        ("typed references", b"\x01\x07\x02\x60\x00\x00\x60\x01\x64\x00\x00"),
        ("small pages", b"\x05\x04\x01\x08\x01\x00"),
    ];
    for (proposal, module) in cases {
        let refusal = refusal("a.wasm", &around(module));
        assert!(refusal.starts_with("compile a: "), "{proposal}: {refusal}");
    }
    let plain = refusal("a.wasm", &around(b"\x05\x03\x01\x00\x01"));
    assert!(plain.contains("of no world"), "an ordinary memory is taken: {plain}");
}

#[test]
fn a_runtime_without_a_compiler_says_so() {
    let runtime = Runtime::for_command(false).unwrap();
    let error = runtime.load(&guests::component("policy_drains"), None).err().unwrap();
    assert!(error.to_string().contains("without a compiler"), "{error}");
}
