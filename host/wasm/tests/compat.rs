//! Plugins that were compiled for a release once, `tests/compat`: each does today what it did then.
//!
//! `WEIR_UPDATE=1` makes those that are missing, of today's guests. What is there is left as it
//! is: once its release is out, a file can only be kept.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use weir_ipvs::Change;
use weir_wasm::{
    Birth, Checked, Effect, Event, HealthStatus, HttpAnswer, HttpFailure, HttpReply, Intent,
    Judgement, PolicyGrant, ProbeError, Runtime, Settings, StructureGrant, World,
};

use crate::{
    commands,
    fixtures::{
        Lines, Remembering, WHOLE_COMMAND_GRANT, event, health_event, held, key, service, settings,
        start, view,
    },
    functions::{self, Served},
    guests,
};

/// All there is, by its release: one for each role, and more where one alone would not use all
/// that it may. That of the artificial 0.2 is used in `src/release`.
const CORPUS: [(&str, &str); 12] = [
    ("0.1", "checker_checks"),
    ("0.1", "command_changes"),
    ("0.1", "command_looks"),
    ("0.1", "controller_asks"),
    ("0.1", "guard_judges"),
    ("0.1", "policy_drains"),
    ("0.1", "policy_looks"),
    ("0.1", "policy_remembers"),
    ("0.1", "policy_states"),
    ("0.1", "roles_both"),
    ("0.1", "weigher_weighs"),
    ("0.2", "policy_0_2"),
];

/// Bytes of the largest.
const LARGEST: u64 = 110_000;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat")
}

/// The file that is kept of a guest, `0.1/..`; made now, if it is to be.
pub(crate) fn kept(name: &str) -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap();
    let path = corpus().join(format!("{name}.wasm"));
    if !path.exists() && env::var_os("WEIR_UPDATE").is_some_and(|it| it == "1") {
        let (_, guest) = name.split_once('/').unwrap();
        let unfinished = path.with_extension(std::process::id().to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(guests::component(guest), &unfinished).unwrap();
        fs::rename(&unfinished, &path).unwrap();
    }
    path
}

#[test]
fn the_corpus_is_whole_and_small() {
    let expected: BTreeSet<PathBuf> =
        CORPUS.iter().map(|(release, guest)| kept(&format!("{release}/{guest}"))).collect();
    let folders = fs::read_dir(corpus()).unwrap().map(|it| it.unwrap().path());
    let files = folders.filter(|it| it.is_dir()).flat_map(|it| fs::read_dir(it).unwrap());
    let files = files.map(|it| it.unwrap().path());
    let found: BTreeSet<PathBuf> =
        files.filter(|it| it.extension().is_some_and(|it| it == "wasm")).collect();
    assert_eq!(found, expected, "WEIR_UPDATE=1 makes what is missing");
    for file in found {
        let size = fs::metadata(&file).unwrap().len();
        assert!(size <= LARGEST, "{} has {size} bytes", file.display());
    }
}

#[test]
fn a_policy_looks_and_is_told() {
    let lines = Lines::default();
    let (mut policy, subscription) = start("0.1/policy_looks", settings(&lines));
    assert!(subscription.health && subscription.stats_every.is_none());
    let events = [
        Event::Started,
        Event::Overflow(7),
        Event::Stats(Duration::from_secs(5)),
        Event::Stopping(Duration::from_millis(300)),
    ];
    let mut batch: Vec<_> = (1..).zip(events).map(|(at, it)| event(at, it)).collect();
    batch.push(health_event(5, HealthStatus::Down));
    let mut holding = view();
    holding.held = vec![held("10.0.0.1:80")];
    assert_eq!(policy.handle(holding, &batch).unwrap(), []);
    let said = lines.messages();
    for (said, part) in said.iter().zip([
        "test Birth::Fresh ",
        "sequence: 1, at: 1, event: Event::Started",
        "Event::Overflow(7)",
        "Event::Stats(5000)",
        "Event::Stopping(300)",
        "detail: \"connection refused\", before: HealthStatus::Unknown, after: HealthStatus::Down, \
         lasted: 1000",
        "{} 2000 5000000000",
        "2 services at 1000",
        "is Some(0) named Some(\"web\")",
        "is Some(1) named Some(\"api\")",
        "weights [1, 2, 3] active [7, 7, 7] totals []",
        "80 HealthStatus::Up for 1500",
        "80 HealthStatus::Unknown for 0",
        "80 HealthStatus::Up for 1500",
        "labels [[(\"team\", \"shop\"), (\"tier\", \"1\")], []]",
        "labels [[], [(\"zone\", \"a\")], []]",
        "holds 1",
    ]) {
        assert!(said.contains(part), "{said}: {part}");
    }
    assert_eq!(said.len(), 17);
}

/// What comes of a policy that is called once, and what it said.
fn called(guest: &str, settings: Settings, lines: &Lines) -> (Vec<Effect>, Vec<String>) {
    let (mut policy, _) = start(guest, settings);
    let effects = policy.handle(view(), &[event(1, Event::Started)]).unwrap();
    (effects, lines.messages())
}

#[test]
fn a_policy_says_every_kind_of_thing() {
    let lines = Lines::default();
    let (effects, said) = called("0.1/policy_states", settings(&lines), &lines);
    let [Effect::Publish(statement)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((statement.intent, &*statement.reason), (Intent::Scale(500), "why not"));
    assert_eq!(statement.key, key("192.0.2.1:80", "10.0.0.1:80"));
    assert!(said[0].contains("zero-scale") && said[3].contains("zero-cap"), "{said:?}");
    assert_eq!(said[1], "1 Verdict::Accepted");
    assert!(said[15].ends_with("NoSuchServer)"), "{}", said[15]);
    assert_eq!(said[21], "holds 1");
}

#[test]
fn a_policy_remembers() {
    let lines = Lines::default();
    let config_json = "{get a; set b 3; get b; remove b; both b c 1; keys - - 9; keys  - 9}";
    let settings = Settings { config_json: config_json.to_owned(), ..settings(&lines) };
    let (effects, said) = called("0.1/policy_remembers", settings, &lines);
    let note = |name: &str| Effect::Note(name.to_owned(), Some(b"x".to_vec()));
    assert_eq!(effects, [note("b"), note("c")]);
    assert_eq!(said[..4], ["None", "Ok(())", "Some(3)", "()"]);
    assert_eq!(said.last().unwrap(), r#"["b", "c"]"#);
}

#[test]
fn a_controller_asks_and_owns() {
    let lines = Lines::default();
    let settings = settings(&lines);
    let grant = PolicyGrant {
        http: vec!["GET http://192.0.2.7/v1".parse().unwrap()],
        secrets: [("token".to_owned(), PathBuf::from("/nowhere"))].into(),
        structure: Some(StructureGrant {
            addresses: vec!["192.0.2.0/24".parse().unwrap()],
            services_max: 1,
            servers_max: 1,
            ..StructureGrant::default()
        }),
        ..settings.grant
    };
    let (mut policy, subscription) = start("0.1/controller_asks", Settings { grant, ..settings });
    assert_eq!(subscription.stats_every, Some(Duration::from_secs(7)));
    let asked = policy.handle(view(), &[event(1, Event::Stats(Duration::ZERO))]).unwrap();
    let [Effect::Call(call)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((&*call.tag, call.timeout), ("servers", Duration::from_secs(2)));
    let answer = |outcome| Event::Answered(HttpAnswer { tag: "servers".to_owned(), outcome });
    let reply = HttpReply { status: 200, headers: Vec::new(), body: b"4".to_vec() };
    let owned = policy.handle(view(), &[event(2, answer(Ok(reply)))]).unwrap();
    let [Effect::Own(key, Some(owned))] = &owned[..] else { panic!("{owned:?}") };
    assert_eq!((*key, &*owned.name), (service("192.0.2.9:80"), "db"));
    let planned = &owned.planned;
    assert_eq!((&*planned.service.scheduler, planned.service.persistence), ("wlc", Some(300)));
    assert_eq!(planned.servers[&"10.0.0.4:80".parse().unwrap()].weight, 5);
    let mut owning = view();
    owning.owned = Arc::new([(*key, owned.clone())].into());
    let gone = policy.handle(owning, &[event(3, answer(Err(HttpFailure::Timeout)))]).unwrap();
    assert_eq!(gone, [Effect::Own(*key, None)]);
    assert_eq!(lines.messages(), ["Ok(())", "owns 0", "[Ok(())]", "owns 1", "owns 0"]);
}

#[test]
fn a_weigher_weighs() {
    let runtime = Runtime::for_daemon().unwrap();
    let lines = Lines::default();
    let plugin = guests::plugin(&runtime, "0.1/weigher_weighs");
    let weigher = runtime.weigher(&plugin, settings(&lines)).unwrap();
    let weighed = weigher.weigh(&functions::weighing(&[4])).unwrap();
    assert_eq!((weighed.scales, weighed.memo), (vec![142, 142], vec![5]));
    let candidate = "100 HealthStatus::Up Some(250000) 9 75 [(\"zone\", \"a\")]";
    assert_eq!(lines.messages()[1..3], ["[(\"team\", \"shop\")]", candidate]);
}

#[test]
fn a_guard_judges() {
    let runtime = Runtime::for_daemon().unwrap();
    let lines = Lines::default();
    let plugin = guests::plugin(&runtime, "0.1/guard_judges");
    let settings = Settings { config_json: r#"{"do":"deny"}"#.to_owned(), ..settings(&lines) };
    let guard = runtime.guard(&plugin, settings.clone()).unwrap();
    let judgement = guard.judge(settings.grant, functions::review(), view()).unwrap();
    assert_eq!(judgement, Judgement::Deny("not on my watch".to_owned()));
    let said = lines.messages();
    assert!(said[0].starts_with("Origin::Plugin(\"latency\") slow [Operation::EditServer("));
    assert_eq!(said[1..], ["will be [50]", "sees 2"]);
}

#[test]
fn a_checker_checks() {
    let check = |behaviour| functions::check_by("0.1/checker_checks", behaviour, Served::default());
    assert_eq!(check("http").unwrap(), Checked::Fail("503 x-state 2".to_owned()));
    assert_eq!(check("connect").unwrap(), Checked::Fail("one two".to_owned()));
    assert_eq!(
        check("exchange").unwrap(),
        Checked::Unreached(ProbeError::Protocol("gibberish".to_owned()))
    );
    assert_eq!(check("degrade").unwrap(), Checked::Degraded(40, "warm".to_owned()));
}

#[test]
fn one_that_has_several_roles_plays_those_that_it_chooses() {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "0.1/roles_both");
    assert_eq!(plugin.worlds(), [World::Policy, World::Guard]);
    let settings = settings(&Lines::default());
    assert_eq!(runtime.roles(&plugin, settings.clone()).unwrap(), [World::Policy, World::Guard]);
    let config_json = r#"{"do":"policy"}"#.to_owned();
    let settings = Settings { config_json, ..settings };
    assert_eq!(runtime.roles(&plugin, settings).unwrap(), [World::Policy]);
}

#[test]
fn a_command_asks_and_changes() {
    let ipvs = Remembering::default();
    let run = |guest, arguments: &[&str]| {
        commands::run(guest, arguments, b"", WHOLE_COMMAND_GRANT, &ipvs)
    };
    let (status, said, _) = run("0.1/command_looks", &[]);
    assert_eq!(status, 0);
    for part in [
        "info Ok(IpvsInfo { version: (1, 2, 1), connection-table-size: 4096 })",
        "read 2 services, 3 rows",
        "tcp: 900, tcp-fin: 120, udp: 300",
        "connections end",
        "port Some(80)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, said, _) = run("0.1/command_changes", &["x", "3", "proceed"]);
    assert!(said.starts_with("1 failures\n2 Error::Refused("), "{said}");
    assert_eq!(*ipvs.changes.lock().unwrap(), [Change::Flush, Change::Flush]);
}

#[test]
fn a_later_patch_of_a_release_is_served_as_the_release_is() {
    let mut bytes = fs::read(kept("0.1/policy_drains")).unwrap();
    for start in 0..bytes.len() - 6 {
        if bytes[start..].starts_with(b"@0.1.0") {
            bytes[start + 5] = b'7';
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later.wasm");
    fs::write(&path, bytes).unwrap();
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = runtime.load(&path, None).unwrap();
    let settings = settings(&Lines::default());
    let (mut policy, _) = runtime.start_policy(&plugin, settings, Birth::Fresh, view()).unwrap();
    let effects = policy.handle(view(), &[health_event(1, HealthStatus::Down)]).unwrap();
    assert!(matches!(&effects[..], [Effect::Publish(it)] if it.intent == Intent::Drain));
}
