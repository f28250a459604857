//! What controllers own, and what they ask of others.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use weir_wasm::{
    Birth, Effect, Event, HeaderText, HttpAnswer, HttpFailure, HttpReply, PolicyGrant, Runtime,
    StructureGrant, View, World,
};

use crate::{
    fixtures::{Lines, event, service, settings, view},
    guests,
};

/// A grant of two services at 192.0.2.0/29 but for 192.0.2.1 and .2, which others have, each with
/// up to three real servers, and of one registry.
fn grant() -> PolicyGrant {
    PolicyGrant {
        structure: Some(StructureGrant {
            addresses: vec!["192.0.2.0/29".parse().unwrap()],
            real_servers: vec!["10.0.0.0/30".parse().unwrap()],
            services_max: 2,
            servers_max: 4,
            ..StructureGrant::default()
        }),
        http: vec!["GET https://registry.example/v1/".parse().unwrap()],
        secrets: BTreeMap::from([("token".to_owned(), "/run/token".into())]),
        ..PolicyGrant::default()
    }
}

/// What a controller with this grant hears that does this, and what it wants.
fn controls(grant: PolicyGrant, view: &View, steps: &str) -> (Vec<String>, Vec<Effect>) {
    let lines = Lines::default();
    let config_json = format!("{{{steps}}}");
    let settings = weir_wasm::Settings { grant, config_json, ..settings(&lines) };
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "controller_controls");
    assert_eq!(plugin.worlds(), [World::Controller]);
    let started = runtime.start_policy(&plugin, settings, Birth::Fresh, view.clone());
    let (mut policy, _) = started.unwrap();
    let effects = policy.handle(view.clone(), &[]).unwrap();
    (lines.messages(), effects)
}

/// Whether each was allowed, or what was said of it.
fn said(lines: &[String]) -> Vec<&str> {
    let message = |it: &'_ String| -> usize { it.find("message: ").map_or(0, |at| at + 9) };
    lines.iter().map(|it| &it[message(it)..]).collect()
}

#[test]
fn what_is_owned_is_staged_and_seen() {
    let steps =
        "owned; own shop 4 2; own mail 5 1; remove 5; own mail 6 1; remove 6; remove 1; owned";
    let (heard, effects) = controls(grant(), &view(), steps);
    assert_eq!(heard, ["[]", "Some(Ok(()))", "Some(Ok(()))", "Some(Ok(()))", "[\"shop\"]"]);
    let [Effect::Own(key, Some(owned))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((*key, owned.name.as_str()), (service("192.0.2.4:80"), "shop"));
    assert_eq!(owned.planned.servers.len(), 2);

    let mut owning = view();
    owning.owned = Arc::new(BTreeMap::from([(*key, owned.clone())]));
    let (heard, effects) = controls(grant(), &owning, "; remove 4; owned");
    assert_eq!(
        (heard.as_slice(), &effects[..]),
        (&["[]".to_owned()][..], &[Effect::Own(*key, None)][..])
    );
}

#[test]
fn what_is_owned_is_bounded_by_the_grant() {
    let steps = "own early 4 1; own far 9 1; own taken 1 1; own web 4 1; own we/b 4 1; own x 4 5; \
                 own x 4 4; own x 4 0; own a 4 1; own b 5 1; own c 6 1; own a 5 1";
    let (heard, effects) = controls(grant(), &view(), steps);
    assert_eq!(
        said(&heard),
        [
            "\"services are made in handle, not in init\" })))",
            "\"service tcp 192.0.2.9:80 is outside the plugin's grant.structure\" })))",
            "\"service tcp 192.0.2.1:80 has another owner\" })))",
            "\"the name web is that of another service\" })))",
            "\"a name is 1 to 64 letters, digits, `.`, `_` or `-`: \\\"we/b\\\" is none\" })))",
            "\"5 real servers, and grant.structure.servers is 4\" })))",
            "\"real server 10.0.0.4:80 is outside the plugin's grant.structure\" })))",
            "\"service tcp 192.0.2.4:80: real server 10.0.0.1:80 is there twice\" })))",
            "Some(Ok(()))",
            "Some(Ok(()))",
            "\"it owns 2 services, which is grant.structure.services\" })))",
            "\"the name a is that of another service\" })))",
        ]
    );
    assert_eq!(effects.len(), 2);
    let (heard, effects) = controls(PolicyGrant::default(), &view(), "; own a 4 1");
    assert_eq!(said(&heard), ["\"services need the plugin's grant.structure\" })))"]);
    assert_eq!(effects, []);
}

#[test]
fn what_is_asked_is_bounded_by_the_grant() {
    let url = "https://registry.example/v1/web?up=1";
    let steps = format!(
        "ask GET {url}; ask GET {url} accept=text/plain authorization=Bearer+token; ask POST {url}; \
         ask get {url}; ask GET /v1/; ask GET https://registry.example/v1/../x; \
         ask GET {url} host=x; ask GET {url} x=a+none; ask GET {url} x:=1; large; tag"
    );
    let (heard, effects) = controls(grant(), &view(), &steps);
    let expected = [
        "Err(Error::Invalid(\"requests are made in handle, not in init\"))",
        "Ok(())",
        "Err(Error::Denied(\"POST https://registry.example/v1/web?up=1 is outside the plugin's \
         grant.http\"))",
        "Err(Error::Invalid(\"\\\"get\\\" is no method such as GET\"))",
        "Err(Error::Denied(\"GET /v1/ is outside the plugin's grant.http\"))",
        "Err(Error::Invalid(\"\\\"https://registry.example/v1/../x\\\" has a segment that leads \
         elsewhere\"))",
        "Err(Error::Invalid(\"header host: it is the host's own to say\"))",
        "Err(Error::Denied(\"secret none is not in the plugin's grant.secrets\"))",
        "Err(Error::Invalid(\"header x:: it is no name of a header\"))",
        "Err(Error::Invalid(\"the body is longer than 65536 bytes\"))",
        "Err(Error::Invalid(\"the tag is longer than 256 bytes\"))",
    ];
    assert_eq!(heard, expected);
    let [Effect::Call(call)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((call.uri.to_string().as_str(), call.goes_anywhere), (url, false));
    assert_eq!(call.timeout, Duration::from_millis(1), "0 is bounded");
    assert_eq!(
        call.headers,
        [
            ("accept".to_owned(), HeaderText::Plain("text/plain".to_owned())),
            (
                "authorization".to_owned(),
                HeaderText::Secret("Bearer".to_owned(), "/run/token".into())
            ),
        ]
    );
}

#[test]
fn so_many_are_under_way_at_most() {
    let asks = "; ask GET https://registry.example/v1/".repeat(9);
    let (heard, effects) = controls(grant(), &view(), &asks);
    assert_eq!((effects.len(), heard[8].as_str()), (8, "Err(Error::Busy(8))"));
    let waiting = View { calls_under_way: 7, ..view() };
    let (heard, effects) = controls(grant(), &waiting, &asks);
    assert_eq!((effects.len(), heard[1].as_str()), (1, "Err(Error::Busy(8))"));
}

#[test]
fn answers_are_told() {
    let lines = Lines::default();
    let settings = weir_wasm::Settings { grant: grant(), ..settings(&lines) };
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "controller_controls");
    let started = runtime.start_policy(&plugin, settings, Birth::Fresh, view());
    let (mut policy, _) = started.unwrap();
    let headers = vec![("x".to_owned(), vec![0xff])];
    let reply = HttpReply { status: 204, headers, body: b"text".to_vec() };
    let outcomes = [
        Ok(reply),
        Err(HttpFailure::Denied("no".to_owned())),
        Err(HttpFailure::Timeout),
        Err(HttpFailure::TooLarge),
        Err(HttpFailure::Failed("broken".to_owned())),
    ];
    let batch = outcomes
        .map(|outcome| event(1, Event::Answered(HttpAnswer { tag: "x".to_owned(), outcome })));
    policy.handle(view(), &batch).unwrap();
    let heard = lines.messages();
    let ends = [
        "status: 204, headers: [(\"x\", [255])], body: [116, 101, 120, 116] }) }",
        "Err(Error::Denied(\"no\")) }",
        "Err(Error::Timeout) }",
        "Err(Error::TooLarge(1048576)) }",
        "Err(Error::Failed(\"broken\")) }",
    ];
    for (line, end) in heard.iter().zip(ends) {
        assert!(line.ends_with(end), "{line}");
    }
    assert_eq!(heard.len(), ends.len());
}
