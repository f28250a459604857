//! What a plan says, and that it is what follows.

use super::{
    super::bench::{Bench, CONFIG, NONE, TABLE, key, say, settled, settled_as},
    *,
};
use weir_wasm::Judgement;

/// The steps of a plan: what is written, and why.
fn steps(bench: &mut Bench, config: &str) -> Vec<String> {
    let config = config::parse("weir.toml", config).unwrap();
    let plan = bench.manager.rehearse(bench.at(), &config, &mut bench.ipvs).unwrap();
    let then = |it: &Step| it.then.clone().map(|it| format!("; {it}")).unwrap_or_default();
    plan.steps.iter().map(|it| format!("{}{}", it.reason, then(it))).collect()
}

const CHANGED: &str = r#"
    [check]
    [[service]]
    name = "web"
    address = "10.0.0.1:80"
    scheduler = "wrr"
    persistence = "100s"
    server = [
        { address = "10.0.1.1:80", weight = 50 },
        { address = "10.0.1.2:80", weight = 200 },
        { address = "10.0.1.3:80", weight = 100 },
        { address = "10.0.1.5:80", weight = 100 },
    ]
"#;

#[test]
fn a_plan_writes_nothing_and_says_what_comes_and_why() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.writes();
    bench.ipvs.connections.insert("10.0.1.4:80".into(), 3);
    let planned = steps(&mut bench, CHANGED);
    assert_eq!(
        planned,
        [
            "",
            "waits for its first pass; gets weight 100 once it passes",
            "base weight 200, was 100",
            "no longer in the configuration; removed when its connections are over, after 300 s \
             at the latest",
        ]
    );
    assert_eq!(bench.writes(), NONE);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE, "it was a plan");
    bench.reload(CHANGED);
    assert_eq!(bench.writes().len(), planned.len(), "what follows is what was planned");
}

#[test]
fn nothing_is_to_be_done_where_nothing_differs() {
    let mut bench = settled();
    assert_eq!(steps(&mut bench, CONFIG), NONE);
    let mut bench = Bench::new(CONFIG, TABLE);
    assert_eq!(steps(&mut bench, CONFIG), NONE);
}

#[test]
fn a_start_is_planned_with_its_doubts() {
    let probe = "[[self-probe]]\naddress = \"10.0.0.254\"\nport = 22\n";
    // Nothing else keeps its weights as they are.
    let plain = CONFIG.replace("[check]", "").replace("weight = 100", "weight = 50");
    let watchful = format!("{probe}{plain}");
    for (config, doubts, writes, news) in
        [(&plain, false, 4, 0), (&watchful, false, 0, 0), (&watchful, true, 0, 1)]
    {
        let mut bench = Bench::stopped(config, Fake::new(TABLE));
        if doubts {
            bench.recall(Default::default());
            bench.start();
            bench.verdicts(&["director down"]);
        }
        let (records, at) = (bench.records.clone(), bench.at());
        let parsed = config::parse("weir.toml", config).unwrap();
        let plan = Manager::rehearse_start(at, parsed, records, &mut bench.ipvs).unwrap();
        let frozen = plan.news.iter().filter(|it| it.event() == "frozen");
        assert_eq!((plan.steps.len(), frozen.count()), (writes, news));
        assert_eq!(bench.writes(), NONE, "it was a plan");
        bench.restart(config, 0);
        assert_eq!((bench.writes().len(), bench.said("frozen").len()), (writes, news));
    }
}

#[test]
fn a_plan_leaves_what_others_edited_where_a_reload_does() {
    for drift in ["adopt", "alert"] {
        let config = format!("drift = \"{drift}\"\n{CONFIG}");
        let mut bench = settled_as(&config);
        let service = service_key("10.0.0.1:80");
        bench.foreign(&Change::EditServer(service, server("10.0.1.1:80", 30)));
        bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
        bench.pass(10);
        assert_eq!(steps(&mut bench, &config), NONE, "{drift}");
        let other = config.replace("10.0.1.1:80\", weight = 100", "10.0.1.1:80\", weight = 50");
        assert_eq!(steps(&mut bench, &other).len(), 1, "{drift}");
        bench.reload(&config);
        assert_eq!(bench.writes(), NONE, "{drift}");
        bench.reload(&other);
        assert_eq!(bench.writes(), ["10.0.1.1:80=50"], "{drift}");
    }
}

#[test]
fn the_end_of_a_drain_that_was_ordered_is_no_part_of_a_plan() {
    let mut bench = settled();
    bench.drain("10.0.1.4:80").unwrap();
    assert_eq!(bench.writes(), ["10.0.1.4:80=0"]);
    let config = config::parse("weir.toml", CONFIG).unwrap();
    let news = |bench: &mut Bench| {
        let plan = bench.manager.rehearse(bench.at(), &config, &mut bench.ipvs).unwrap();
        plan.news.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(news(&mut bench), NONE, "it has just begun");
    bench.now += Duration::from_millis(500);
    assert_eq!(news(&mut bench), NONE, "it is about to end");
    bench.pass(400);
    assert_eq!(bench.said("drained").len(), 1);
    assert_eq!(news(&mut bench), NONE, "it is over");
}

#[test]
fn what_a_plan_says_is_refused_is_refused() {
    let mut bench = settled();
    let empty = config::parse("weir.toml", "").unwrap();
    let plan = bench.manager.rehearse(bench.at(), &empty, &mut bench.ipvs).unwrap();
    assert_eq!(plan.refusal, Some(Refusal::RemovesMost(5, 5)));
    assert_eq!((plan.steps.len(), bench.writes()), (4, vec![]));
    bench.reload("");
    assert_eq!(bench.said("reload-refused").len(), 1, "no plan confirms");
}

#[test]
fn a_plan_asks_guards() {
    let plugins = r#"
    [plugin.guard]
    source = "x.wasm"
    grant = { services = "all" }
    [plugin.other]
    source = "x.wasm"
    grant = { services = "all", weights = { intents = ["scale"], scale = [1, 5000] } }
"#;
    let mut bench = settled_as(&format!("{CONFIG}{plugins}"));
    bench.script.borrow_mut().judgement = Some(Judgement::Allow);
    let half = vec![say(key("10.0.1.2:80"), Intent::Scale(500))];
    bench.script.borrow_mut().effects.insert("other".into(), half);
    bench.verdicts(&["10.0.1.4:80 down", "10.0.1.4:80 up"]);
    assert!(bench.writes().contains(&"10.0.1.2:80=50".to_owned()));
    bench.script.borrow_mut().judgement = Some(Judgement::Deny("not that one".into()));
    let config = config::parse("weir.toml", &format!("{CHANGED}{plugins}")).unwrap();
    let plan = bench.manager.rehearse(bench.at(), &config, &mut bench.ipvs).unwrap();
    let weight = |change: &Change| match change {
        Change::EditServer(_, it) => Some((it.endpoint.to_string(), it.weight)),
        _ => None,
    };
    let weights: Vec<_> = plan.steps.iter().filter_map(|it| weight(&it.change)).collect();
    assert!(weights.contains(&("10.0.1.2:80".to_owned(), 200)), "without the scale: {weights:?}");
    let news: Vec<String> = plan.news.iter().map(ToString::to_string).collect();
    assert!(news.iter().any(|it| it.contains("guard guard: not that one")), "{news:?}");
    assert_eq!((bench.said("rejected"), bench.writes()), (vec![], vec![]), "it was a plan");
}
