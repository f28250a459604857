//! The bindings that are checked in are those that `wit/` gives.
//!
//! `WEIR_UPDATE=1` writes them anew.

use std::{env, fs, path::Path};

use wit_bindgen_core::{Files, wit_parser::Resolve};

/// The worlds that have an SDK in C, and so in Zig.
const WORLDS: [&str; 1] = ["policy"];

#[test]
fn those_for_c_are_current() {
    let directory = root().join("sdk/c/weir/bindings");
    for world in WORLDS {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(root().join("wit")).unwrap();
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        let mut files = Files::default();
        let mut generator = wit_bindgen_c::Opts::default().build();
        generator.generate(&mut resolve, world, &mut files).unwrap();
        for (name, contents) in files.iter() {
            check(&directory.join(name), contents);
        }
    }
}

fn check(file: &Path, contents: &[u8]) {
    if env::var_os("WEIR_UPDATE").is_some_and(|it| it == "1") {
        fs::write(file, contents).unwrap();
    }
    let is_current = fs::read(file).is_ok_and(|it| it == contents);
    assert!(is_current, "{} is not current: WEIR_UPDATE=1 writes it anew", file.display());
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
