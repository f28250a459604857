//! Asks the server under check as its settings say, and logs what it hears.
#![cfg_attr(target_os = "unknown", no_main)]

use exports::weir::plugin::checking::Degradation;
use weir::host::probe::{self, Connection, Request};

weir_test_guests::checker!(|target| {
    let said = format!("{:?} {} {}", target.server, target.timeout, target.settings);
    log::write(log::Level::Info, &said, &[]);
    let is = |word: &str| target.settings.contains(&format!("\"do\":\"{word}\""));
    match () {
        () if is("http") => http(),
        () if is("connect") => connect(),
        () if is("exchange") => match probe::exchange(b"ping") {
            Ok(answer) if answer == b"pong" => Outcome::Pass,
            Ok(answer) => Outcome::Fail(String::from_utf8_lossy(&answer).into_owned()),
            Err(error) => Outcome::Unreached(error),
        },
        () if is("many") => many(),
        () if is("degrade") => {
            Outcome::Degraded(Degradation { percent: 40, reason: "warm".to_owned() })
        }
        () if is("too-much") => {
            Outcome::Degraded(Degradation { percent: 100, reason: String::new() })
        }
        () if is("loop") => loop {
            std::hint::black_box(());
        },
        () if is("panic") => panic!("as it was told"),
        () => Outcome::Inconclusive("nothing to do".to_owned()),
    }
});

fn http() -> Outcome {
    let request = Request {
        method: "GET".to_owned(),
        path: "/ready?deep=1".to_owned(),
        headers: vec![("x-probe".to_owned(), "weir".to_owned())],
        body: Vec::new(),
    };
    match probe::http(&request) {
        Ok(it) if it.status == 200 => Outcome::Pass,
        Ok(it) => {
            let headers = it.headers.iter().map(|it| it.0.as_str()).collect::<Vec<_>>().join(",");
            Outcome::Fail(format!("{} {headers} {}", it.status, it.body.len()))
        }
        Err(error) => Outcome::Unreached(error),
    }
}

fn connect() -> Outcome {
    let talk = || {
        let connection = Connection::connect()?;
        connection.write(b"hello\n")?;
        let mut heard = Vec::new();
        loop {
            let read = connection.read(u32::MAX)?;
            if read.is_empty() {
                return Ok(heard);
            }
            heard.extend(read);
        }
    };
    match talk() {
        Ok(heard) => Outcome::Fail(String::from_utf8_lossy(&heard).into_owned()),
        Err(error) => Outcome::Unreached(error),
    }
}

/// Asks until it is refused.
fn many() -> Outcome {
    for asked in 0.. {
        if let Err(error) = probe::exchange(&[]) {
            return Outcome::Fail(format!("{asked} and then {error:?}"));
        }
    }
    unreachable!("there is an end")
}
