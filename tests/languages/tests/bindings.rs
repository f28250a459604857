//! The bindings that are checked in are those that `wit/` gives.
//!
//! `WEIR_UPDATE=1` writes them anew.

use std::{env, fs, path::Path};

use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};

/// The worlds that have an SDK in C, and so in Zig, and in Go, and what they are called there. A
/// controller is a policy that calls more, and what is not called is not imported.
const WORLDS: [(&str, &str); 4] =
    [("controller", "policy"), ("weigher", "weigher"), ("guard", "guard"), ("checker", "checker")];

#[test]
fn those_for_c_are_current() {
    for (world, name) in WORLDS {
        let options = wit_bindgen_c::Opts {
            rename_world: Some(name.to_owned()),
            ..wit_bindgen_c::Opts::default()
        };
        check(world, &mut *options.build(), |name| format!("sdk/c/weir/bindings/{name}"));
    }
}

#[test]
fn those_for_go_are_current() {
    let options = wit_bindgen_go::Opts {
        pkg_name: Some("weir".to_owned()),
        // As they come, whether gofmt is here or not.
        format: wit_bindgen_go::Format::False,
        ..wit_bindgen_go::Opts::default()
    };
    for (world, called) in WORLDS {
        // What is imported is one package for each interface, the same in all worlds. What is
        // exported is one for the whole world.
        check(world, &mut *options.build(), |name| {
            let own = format!("exports/{called}/");
            format!("sdk/go/weir/{}", name.replace("exports/wit_exports/", &own))
        });
    }
}

/// Compares what `generator` makes of `world` with the files that are at their `place`, from the
/// root.
fn check(world: &str, generator: &mut dyn WorldGenerator, place: impl Fn(&str) -> String) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files).unwrap();
    let mut stale = Vec::new();
    for (name, contents) in files.iter() {
        let file = root().join(place(name));
        if env::var_os("WEIR_UPDATE").is_some_and(|it| it == "1") {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, contents).unwrap();
        }
        if !fs::read(&file).is_ok_and(|it| it == contents) {
            stale.push(file.display().to_string());
        }
    }
    assert!(stale.is_empty(), "not current, WEIR_UPDATE=1 writes them anew: {}", stale.join(", "));
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
