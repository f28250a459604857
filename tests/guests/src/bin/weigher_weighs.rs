//! Weighs by active connections and remembers how often it was asked; or does what its
//! settings say: fail, panic, loop, give too few scales, a scale of nothing, scales or a
//! memo without end.
#![cfg_attr(target_os = "unknown", no_main)]

weir_test_guests::weigher!(|input| {
    let turns = input.memo.first().map_or(1, |it| it + 1);
    let said = format!("{} {} {} {}", input.name, input.at, input.period, input.utc_offset);
    log::write(log::Level::Info, &said, &[]);
    log::write(log::Level::Info, &format!("{:?}", input.labels), &[]);
    for it in &input.candidates {
        let said =
            format!("{} {:?} {:?} {:?}", it.base, it.health, it.latency, it.delta.connections);
        let said = format!("{said} {} {:?}", it.unweighed, it.labels);
        log::write(log::Level::Info, &said, &[]);
    }
    let scales: Vec<u32> =
        input.candidates.iter().map(|it| 1000 / it.server.active.max(1)).collect();
    let memo = vec![turns];
    match input.settings.trim_matches(['{', '}', '"']).split_once("\":\"").map_or("", |it| it.1) {
        "" => Ok(Output { scales, memo }),
        "error" => Err("the settings say so".to_owned()),
        "panic" => panic!("out of ideas"),
        "loop" => loop {
            std::hint::black_box(());
        },
        "few" => Ok(Output { scales: scales[1..].to_vec(), memo }),
        "nothing" => Ok(Output { scales: vec![0; scales.len()], memo }),
        "many" => Ok(Output { scales: vec![1000; 4 << 20], memo }),
        "memo" => Ok(Output { scales, memo: vec![0; (64 << 10) + 1] }),
        other => Err(format!("there is no behaviour {other}")),
    }
});
