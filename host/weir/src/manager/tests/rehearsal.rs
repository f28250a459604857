//! What a plan says, and that it is what follows.

use super::{
    super::bench::{Bench, CONFIG, NONE, TABLE, settled},
    *,
};

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
fn what_a_plan_says_is_refused_is_refused() {
    let mut bench = settled();
    let empty = config::parse("weir.toml", "").unwrap();
    let plan = bench.manager.rehearse(bench.at(), &empty, &mut bench.ipvs).unwrap();
    assert_eq!(plan.refusal, Some(Refusal::RemovesMost(5, 5)));
    assert_eq!((plan.steps.len(), bench.writes()), (4, vec![]));
    bench.reload("");
    assert_eq!(bench.said("reload-refused").len(), 1, "no plan confirms");
}
