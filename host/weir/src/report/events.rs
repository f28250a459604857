//! Every kind of event, once: the words are an interface, which programs match on, and the
//! manual tells them.

/// What can happen, and what it means.
const EVENTS: &[(&str, &str)] = &[
    ("adopted", "the table was taken over as it was found"),
    ("agent", "an agent says something else: all that stands of what it said"),
    ("agent-unclear", "an agent said words that are none, for the first time"),
    ("cache", "compiled plugins cannot be kept, for the reason given"),
    ("cannot-check", "this machine cannot ask, and why"),
    ("check-warns", "a check passes, and will not for ever: a certificate that expires soon"),
    ("checks-again", "this machine can ask again"),
    ("checks-in-time", "probes are in time again"),
    ("checks-lag", "probes are later than their interval, so that time-outs count as nothing"),
    ("client-let-down", "the forwarder found no real server for a client"),
    ("commands", "the socket at which commands are answered"),
    ("connections-reset", "the forwarder ended connections of a real server"),
    ("descriptors-exhausted", "the forwarder has no descriptors left"),
    ("descriptors-recovered", "it has descriptors again"),
    ("disowned", "a plugin gives a service up that it owned"),
    ("drained", "a drain that an operator ordered is over"),
    ("draining", "the forwarder stops, and waits for its connections"),
    ("failed", "something could not be done; it is told once, and tried again"),
    (
        "foreign-edit",
        "someone else changed what is claimed: what was expected and found, and what becomes of it",
    ),
    ("frozen", "no weight changes, of everything or of a service"),
    ("gone", "a real server is claimed no more"),
    ("guard-broken", "a guard could not be asked"),
    ("guard-warns", "a guard lets a change go on, with a warning"),
    (
        "health",
        "a check's state changed: `up`, `suspect` (up, but the last probes failed), `down`, `rising` (down, but the last probes passed)",
    ),
    (
        "left-behind",
        "most of what weir had in the table is not in the configuration: it stays there",
    ),
    ("listen-failed", "the forwarder cannot listen where a service is"),
    ("listening", "the forwarder listens where a service is"),
    ("log", "a plugin says something"),
    ("lost", "a follower of events was too slow, and lost so many"),
    ("no-effect", "somebody asks for weights to which the scheduler does not listen"),
    ("not-checked", "a real server cannot be checked"),
    ("not-forwarded", "the forwarder does not forward a service"),
    ("not-synchronised", "the forwarder does not speak to sync daemons"),
    ("operator", "an operator gave an order about a real server"),
    ("owned", "a plugin has weir make and keep a service, or wants it otherwise"),
    ("panic", "a service is below its panic floor"),
    ("panic-over", "it is above it again"),
    ("plugin-failed", "a plugin failed, and is started again; its `report`"),
    ("plugin-mode", "the mode of a plugin changed"),
    ("plugin-quarantined", "a plugin failed too often, and is given up"),
    ("plugin-refused", "other code could not take a plugin's place"),
    ("plugin-removed", "the configuration has a plugin no more"),
    ("plugin-replaced", "other code took a plugin's place"),
    ("plugin-returned", "it failed on probation, and the code before it came back"),
    ("plugin-started", "a plugin runs"),
    ("quorum-gained", "a service has its quorum again"),
    ("quorum-lost", "a service has no quorum"),
    ("ready", "weir runs"),
    ("refused", "a plugin wants what its grant does not allow"),
    ("rejected", "a guard denied a change"),
    ("released", "what a plugin owned is not its any more, and stays as it is"),
    ("reload-failed", "another configuration has mistakes, which `report` names"),
    ("reload-refused", "another configuration is not taken over, for the reason given"),
    ("reloaded", "another configuration is in force"),
    ("self-probe", "the director reaches what it must, or does not"),
    ("server-edited", "a real server was written, its weight apart"),
    ("service-added", "a service was added to the table"),
    ("service-edited", "a service of the table was edited"),
    ("service-removed", "a service was removed from the table"),
    ("shadow", "what a plugin of mode `shadow` says"),
    (
        "signal",
        "weir was sent a signal: SIGTERM and SIGINT stop it, SIGHUP has it read its configuration again",
    ),
    ("state", "where what must survive is kept, and what was found there"),
    ("state-lost", "what was kept cannot be used, for the reason given"),
    ("state-recalled", "what an earlier run left is in force again"),
    ("state-strange", "some of what an earlier run left is not understood"),
    ("stopped", "weir has stopped"),
    ("sync-started", "a sync daemon was started, as `[[sync]]` has it"),
    ("sync-stopped", "a sync daemon was stopped, as `[[sync]]` has it"),
    ("thawed", "weights change again"),
    ("timeouts-set", "the time-outs of connections were set, as `[timeouts]` has them"),
    ("unreachable", "the forwarder cannot reach a real server"),
    (
        "weight",
        "a weight was written: `before` and `after` (or `absent`), whose word it follows (`plugin`; `weir` for the host's own, `operator`), and why",
    ),
    ("works-again", "what failed before works"),
    ("would-reject", "what a guard of mode `shadow` would deny"),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::EVENTS;

    /// The words in quotes after each `Line::info(` and its like, in the whole program.
    fn told(folder: &Path, words: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                told(&path, words);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for start in ["Line::info(", "Line::warn(", "Line::error("] {
                for call in text.split(start).skip(1) {
                    let argument = call.split(')').next().unwrap();
                    words.extend(argument.split('"').skip(1).step_by(2).map(str::to_owned));
                }
            }
        }
    }

    #[test]
    fn every_event_that_is_told_is_in_the_list_and_in_its_order() {
        let mut words = BTreeSet::from(["log".to_owned()]);
        told(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut words);
        let listed: Vec<&str> = EVENTS.iter().map(|it| it.0).collect();
        assert_eq!(words.iter().map(String::as_str).collect::<Vec<_>>(), listed);
    }

    #[test]
    fn the_manual_has_them_all() {
        let manual = include_str!("../../../docs/commands.md");
        for (event, meaning) in EVENTS {
            let row = format!("| `{event}` | {meaning} |");
            assert!(manual.contains(&row), "host/docs/commands.md lacks the row: {row}");
        }
    }
}
