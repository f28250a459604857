//! Time-outs and sync daemons.

use super::{
    super::bench::{Bench, NONE},
    *,
};

const SYNC: &str = "[[sync]]\nrole = \"master\"\ninterface = \"eth0\"\nsync-id = 7\n";

#[test]
fn what_is_stated_is_made_so_and_kept_so() {
    let config = format!("[timeouts]\nudp = \"1m\"\n{SYNC}");
    let mut bench = Bench::new(&config, "");
    assert_eq!(bench.writes(), ["time-outs 0 0 60", "start master 7"]);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE, "nothing changed");
    bench.foreign(&Change::SetTimeouts(weir_ipvs::Timeouts { tcp: 5, tcp_fin: 0, udp: 5 }));
    bench.pass(10);
    assert_eq!(bench.writes(), ["time-outs 0 0 60"], "what is not stated is left");
    bench.foreign(&Change::StopDaemon(SyncRole::Master, 7));
    bench.pass(10);
    assert_eq!(bench.writes(), ["start master 7"]);
}

#[test]
fn a_command_is_answered_at_once() {
    let mut bench = Bench::new("[timeouts]\ntcp = \"1h\"\n", "");
    bench.writes();
    bench.command(Change::SetTimeouts(weir_ipvs::Timeouts { tcp: 9, tcp_fin: 9, udp: 0 }));
    bench.pass(1);
    assert_eq!(bench.writes(), ["time-outs 9 9 0", "time-outs 3600 0 0"]);
}

#[test]
fn another_configuration_stops_and_starts_sync_daemons() {
    let mut bench = Bench::new(SYNC, "");
    assert_eq!(bench.writes(), ["start master 7"]);
    bench.reload(&SYNC.replace('7', "8"));
    assert_eq!(bench.writes(), ["stop master 7", "start master 8"]);
    bench.reload("");
    assert_eq!(bench.writes(), ["stop master 8"]);
    bench.foreign(&Change::StartDaemon(weir_ipvs::SyncDaemon {
        role: SyncRole::Backup,
        interface: b"eth1".to_vec(),
        sync_id: 3,
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    }));
    bench.pass(20);
    assert_eq!(bench.writes(), NONE, "what others start is theirs");
}
