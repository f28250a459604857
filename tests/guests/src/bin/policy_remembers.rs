//! Does with its state what its settings say, a word and its arguments a line, and logs what it
//! hears. The first line is done in `init`, the others in `handle`.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::host::{config, state};

weir_test_guests::policy!(
    init: |_| {
        if let Some(line) = lines().first() {
            step(line);
        }
        Ok(())
    },
    handle: |_| {
        lines().iter().skip(1).for_each(|it| step(it));
        Ok(())
    },
);

fn lines() -> Vec<String> {
    config::get().trim_matches(['{', '}']).split(';').map(|it| it.trim().to_owned()).collect()
}

fn step(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let entry = |name: &str, bytes| (name.to_owned(), vec![b'x'; number(bytes) as usize]);
    let said = match words[..] {
        ["get", name] => format!("{:?}", state::get(name).map(|it| it.len())),
        ["set", name, bytes] => format!("{:?}", state::set(&[entry(name, bytes)])),
        ["both", one, two, bytes] => {
            format!("{:?}", state::set(&[entry(one, bytes), entry(two, bytes)]))
        }
        ["long", length] => {
            format!("{:?}", state::set(&[("k".repeat(number(length) as usize), Vec::new())]))
        }
        ["remove", name] => format!("{:?}", state::remove(&[name.to_owned()])),
        ["keys", prefix, after, limit] => {
            let after = (after != "-").then_some(after);
            format!("{:?}", state::keys(prefix, after, number(limit)))
        }
        _ => return,
    };
    log::write(log::Level::Info, &said, &[]);
}
