//! The look at a table that is too big to be looked at in one go.

use weir_ipvs::{Change, Error};

use super::{
    super::bench::{Bench, CONFIG, NONE, TABLE},
    *,
};

/// `web` as usual, and before it, in the order of the table, five services of three real servers;
/// all up and settled.
fn many() -> Bench {
    let (mut config, mut table, mut up) = (CONFIG.to_owned(), String::new(), Vec::new());
    for number in 1..=5 {
        let service = format!("9.0.0.{number}:80");
        config += &format!(
            "[[service]]\nname = \"s{number}\"\naddress = \"{service}\"\nscheduler = \"wrr\"\n"
        );
        table += &format!("tcp {service} wrr");
        for server in 1..=3 {
            let server = format!("9.0.{server}.{number}:80");
            config += &format!("[[service.server]]\naddress = \"{server}\"\nweight = 100\n");
            table += &format!(" {server}=100");
            up.push(format!("{service} {server} up"));
        }
        table += "\n";
    }
    up.extend((1..=4).map(|it| format!("10.0.1.{it}:80 up")));
    let mut bench = Bench::new(&config, &(table + TABLE));
    bench.verdicts(&up.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bench.writes(), NONE);
    bench.said("");
    bench
}

/// Lets time pass until a walk has begun: `web` is still to come.
fn begin(bench: &mut Bench) {
    while bench.manager.walk.is_none() {
        bench.now = bench.manager.deadline().max(bench.now);
        bench.settle();
    }
}

/// Someone else's weight for a server of `web`.
fn edit() -> Change {
    Change::EditServer(service_key("10.0.0.1:80"), server("10.0.1.1:80", 7))
}

#[test]
fn verdicts_do_not_wait_for_its_end() {
    let mut bench = many();
    bench.foreign(&edit());
    begin(&mut bench);
    bench.verdicts(&["9.0.0.1:80 9.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["9.0.1.1:80=0"]);
    assert!(bench.manager.walk.is_some());
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    assert_eq!(bench.said("foreign-edit").len(), 1);
}

#[test]
fn what_weir_writes_meanwhile_is_not_taken_for_an_edit() {
    let mut bench = many();
    begin(&mut bench);
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert!(bench.manager.walk.is_some());
    bench.pass(30);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    assert_eq!(bench.said("foreign-edit"), NONE);
}

#[test]
fn what_is_gone_shows_at_its_end() {
    let mut bench = many();
    let table = bench.ipvs.show();
    bench.foreign(&Change::DeleteService(service_key("9.0.0.1:80")));
    begin(&mut bench);
    assert_eq!(bench.writes(), NONE);
    bench.pass(1);
    assert_eq!(bench.ipvs.show(), table);
}

#[test]
fn it_begins_anew_after_the_table_could_not_be_read() {
    let mut bench = many();
    bench.foreign(&edit());
    bench.ipvs.broken = Some(Error::NoAnswer);
    bench.pass(10);
    assert!(bench.manager.walk.is_none());
    assert_eq!(bench.said("failed").len(), 1);
    bench.ipvs.broken = None;
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
}
