//! What plugins say together, whatever the order and the time at which they say it, and
//! however often they fail on the way.

use proptest::prelude::*;

use super::*;

const PLUGINS: [&str; 3] = ["ann", "bob", "eve"];

fn config() -> String {
    let plugin = |name: &&str| {
        format!(
            "\n[plugin.{name}]\nsource = \"x.wasm\"\n[plugin.{name}.grant]\nservices = \"all\"\n\
             weights = {{ intents = [\"scale\", \"floor\", \"cap\", \"drain\"], \
             scale = [1, 5000], floor = 500 }}\n"
        )
    };
    format!("{CONFIG}{}", PLUGINS.iter().map(plugin).collect::<String>())
}

/// One plugin's turn.
#[derive(Debug, Clone)]
struct Turn {
    plugin: usize,
    /// Seconds before it.
    waits: u64,
    /// Whether it traps first, and speaks when it is back.
    traps: bool,
}

fn intent() -> impl Strategy<Value = Intent> {
    prop_oneof![
        3 => (1..3000_u32).prop_map(Intent::Scale),
        1 => (1..200_u32).prop_map(Intent::Floor),
        1 => (1..200_u32).prop_map(Intent::Cap),
        1 => Just(Intent::Drain),
    ]
}

/// What each plugin says of each of three real servers; of the fourth nobody does.
fn said() -> impl Strategy<Value = Vec<Vec<Option<Intent>>>> {
    let of_one = prop::collection::vec(prop::option::of(intent()), 3);
    prop::collection::vec(of_one, PLUGINS.len())
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let order = Just(vec![0, 1, 2]).prop_shuffle();
    let rest = prop::collection::vec((0..20_u64, any::<bool>()), PLUGINS.len());
    (order, rest).prop_map(|(order, rest)| {
        let turn = |(plugin, (waits, traps))| Turn { plugin, waits, traps };
        order.into_iter().zip(rest).map(turn).collect()
    })
}

/// The table in the end.
fn table(said: &[Vec<Option<Intent>>], turns: &[Turn]) -> String {
    let mut bench = settled_as(&config());
    for Turn { plugin, waits, traps } in turns {
        let name = PLUGINS[*plugin].to_owned();
        bench.pass(*waits);
        if *traps {
            bench.script.borrow_mut().trapping.insert(name.clone(), true);
            poke(&mut bench);
            bench.script.borrow_mut().trapping.insert(name.clone(), false);
            bench.pass(5);
        }
        let statement = |(number, intent): (usize, &Option<Intent>)| {
            intent.map(|it| say(key(&format!("10.0.1.{}:80", number + 1)), it))
        };
        let effects = said[*plugin].iter().enumerate().filter_map(statement).collect();
        bench.script.borrow_mut().effects.insert(name, effects);
        poke(&mut bench);
    }
    bench.pass(10);
    bench.ipvs.show()
}

/// Has every policy called.
fn poke(bench: &mut Bench) {
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.pass(2);
    bench.verdicts(&["10.0.1.4:80 up"]);
    bench.pass(2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_times_and_failures_cannot_change_the_table(
        said in said(),
        one in turns(),
        other in turns(),
    ) {
        prop_assert_eq!(table(&said, &one), table(&said, &other));
    }
}
