//! A host for unit tests of policies and controllers, which run natively: what `cargo test` builds.
//!
//! It keeps to what the real one promises: what a handler says takes place if it returns `Ok`, and
//! not at all if it fails, and a policy that is being made may look, and say nothing. It grants
//! everything but what [`Host::with_denied`] names. It merges nothing: weights and services are as
//! the test says, whatever the policy does. How that goes is for `weir test` to tell.
//!
//! ```no_run
//! use weir_sdk::policy::{fake::{Host, down}, prelude::*};
//!
//! struct Drain;
//!
//! impl Policy for Drain {
//!     fn new(_: &Context) -> Result<Self, Failure> {
//!         Ok(Self)
//!     }
//!
//!     fn health(&mut self, change: &HealthChange) -> Result<(), Failure> {
//!         drain(&change.server, &change.detail)
//!     }
//! }
//!
//! let host = Host::new().with_service("tcp 192.0.2.1:80", &[("10.0.0.1:80", 100)]);
//! let mut policy = host.start::<Drain>()?;
//! host.tell(&mut policy, down("10.0.0.1:80", "connection refused"))?;
//! assert_eq!(host.statements(), ["10.0.0.1:80 drain: connection refused"]);
//! # Ok::<(), Failure>(())
//! ```

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::{Rc, Weak},
    time::Duration,
};

use self::{
    named::nanoseconds,
    scene::{Health, Scene},
};
use super::{
    Birth, Context, Error, Event, Failure, HealthChange, HealthStatus, HttpAnswer, Intent,
    OwnedService, Policy, Statement, dispatch, http_messages, weir::ipvs::errors::Denial,
};

#[path = "../fake/clock.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
pub mod clock;
pub(super) mod interfaces;
#[path = "../fake/log.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
pub mod log;
#[path = "../fake/looking.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
pub(super) mod looking;
#[path = "../fake/named.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
mod named;
#[path = "../fake/scene.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
mod scene;

#[cfg(test)]
mod tests;

thread_local! {
    /// What the interfaces look at, for a policy calls them without naming a host.
    static CURRENT: RefCell<Weak<RefCell<State>>> = const { RefCell::new(Weak::new()) };
}

/// What [`Host::with_denied`] knows.
const GRANTS: [&str; 8] = ["base", "scale", "floor", "cap", "drain", "state", "structure", "http"];

/// A host, and what it was told. A thread has one, the newest: each test makes its own.
pub struct Host(Rc<RefCell<State>>);

struct State {
    scene: Scene,
    denied: Vec<String>,
    handles: bool,
    kept: Said,
    staged: Said,
}

/// All that takes place only if a handler does not fail.
#[derive(Clone, Default)]
struct Said {
    statements: Vec<Statement>,
    state: BTreeMap<String, Vec<u8>>,
    owned: Vec<OwnedService>,
    asked: Vec<http_messages::Request>,
}

impl Host {
    /// A host without services, whose time is the beginning of 2026, UTC.
    #[expect(clippy::new_without_default, reason = "it becomes the host of its thread")]
    pub fn new() -> Self {
        let state = State {
            scene: Scene::new(),
            denied: Vec::new(),
            handles: false,
            kept: Said::default(),
            staged: Said::default(),
        };
        let state = Rc::new(RefCell::new(state));
        CURRENT.set(Rc::downgrade(&state));
        Self(state)
    }

    /// The policy's settings, as JSON.
    pub fn with_settings(self, settings: &str) -> Self {
        settings.clone_into(&mut self.0.borrow_mut().scene.settings);
        self
    }

    /// A service, `tcp 192.0.2.1:80` or `fwmark 7`, and its real servers with their weights.
    ///
    /// Panics if that is not how one is written.
    pub fn with_service(self, key: &str, servers: &[(&str, u32)]) -> Self {
        self.0.borrow_mut().scene.add(key, servers);
        self
    }

    /// The name that the configuration gives a service. Panics if there is no such service.
    pub fn with_name(self, service: &str, name: &str) -> Self {
        self.0.borrow_mut().scene.name(service, name);
        self
    }

    /// The labels that the configuration gives a service. Panics if there is no such service.
    pub fn with_labels_of_service(self, service: &str, labels: &[(&str, &str)]) -> Self {
        self.0.borrow_mut().scene.label_service(service, labels);
        self
    }

    /// The labels that the configuration gives a real server. Panics if there is none such.
    pub fn with_labels(self, server: &str, labels: &[(&str, &str)]) -> Self {
        self.0.borrow_mut().scene.label(server, labels);
        self
    }

    /// What was remembered before the policy began, as JSON.
    pub fn with_remembered(self, name: &str, json: &str) -> Self {
        let mut state = self.0.borrow_mut();
        state.kept.state.insert(name.to_owned(), json.into());
        state.staged = state.kept.clone();
        drop(state);
        self
    }

    /// Seconds that local time is ahead of UTC.
    pub fn with_utc_offset(self, seconds: i32) -> Self {
        self.0.borrow_mut().scene.utc_offset = seconds;
        self
    }

    /// What the grant lacks: `base`, `scale`, `floor`, `cap`, `drain`, `state`, `structure` or
    /// `http`. Panics if it is none of these.
    pub fn with_denied(self, what: &str) -> Self {
        assert!(GRANTS.contains(&what), "no grant is called {what}: {}", GRANTS.join(", "));
        self.0.borrow_mut().denied.push(what.to_owned());
        self
    }

    /// Makes a policy, which is told of nothing yet: the real host goes on with
    /// [`Event::Started`].
    pub fn start<P: Policy>(&self) -> Result<P, Failure> {
        CURRENT.set(Rc::downgrade(&self.0));
        P::new(&Context {
            instance: "test".to_owned(),
            birth: Birth::Fresh,
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// Tells a policy of an event. If it fails, nothing of what it said takes place; the real host
    /// would make it anew.
    #[expect(clippy::needless_pass_by_value, reason = "events are made for the call")]
    pub fn tell(&self, policy: &mut impl Policy, event: Event) -> Result<(), Failure> {
        match &event {
            Event::Health(change) => self.0.borrow_mut().scene.turn(change.server, change.after),
            Event::Answered(answer) => {
                let mut state = self.0.borrow_mut();
                let asked = &mut state.kept.asked;
                let place = asked.iter().position(|it| it.tag == answer.tag);
                asked.remove(place.unwrap_or_else(|| panic!("{} was not asked", answer.tag)));
            }
            _ => {}
        }
        self.handle(|| dispatch(policy, &event))
    }

    /// Runs a part of a policy as if within a handler.
    pub fn handle(&self, handler: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        CURRENT.set(Rc::downgrade(&self.0));
        let mut state = self.0.borrow_mut();
        // Not after the call: there may be one before that panicked.
        state.staged = state.kept.clone();
        state.handles = true;
        drop(state);
        let handled = handler();
        let mut state = self.0.borrow_mut();
        state.handles = false;
        match handled {
            Ok(()) => state.kept = state.staged.clone(),
            Err(_) => state.staged = state.kept.clone(),
        }
        handled
    }

    /// What the policy says of real servers: `10.0.0.1:80 cap 50: too many`, oldest first.
    pub fn statements(&self) -> Vec<String> {
        self.0.borrow().kept.statements.iter().map(shown).collect()
    }

    /// The services that the policy owns.
    pub fn owned(&self) -> Vec<OwnedService> {
        self.0.borrow().kept.owned.clone()
    }

    /// What the policy asked by HTTP and is not told of yet, oldest first; see [`answered`].
    pub fn asked(&self) -> Vec<http_messages::Request> {
        self.0.borrow().kept.asked.clone()
    }

    /// What is remembered under `name`, as JSON.
    pub fn remembered(&self, name: &str) -> Option<String> {
        let state = self.0.borrow();
        state.kept.state.get(name).map(|it| String::from_utf8_lossy(it).into_owned())
    }

    /// The lines of the log: `warn: rolled back`. They stay if a handler fails.
    pub fn logged(&self) -> Vec<String> {
        self.0.borrow().scene.log.clone()
    }

    /// Lets time go by.
    pub fn pass(&self, time: Duration) {
        self.0.borrow_mut().scene.pass(time);
    }

    /// Sets a real server's health, of which nobody is told. Panics if there is none such.
    pub fn set_health(&self, server: &str, status: HealthStatus) {
        let scene = &mut self.0.borrow_mut().scene;
        scene.turn(scene.key(server), status);
    }

    /// Sets how long a real server's newest probe took. Panics if there is none such.
    pub fn set_latency(&self, server: &str, latency: Duration) {
        self.0.borrow_mut().scene.health_of(server).latency = Some(nanoseconds(latency));
    }

    /// Sets a real server's connections. Panics if there is none such.
    pub fn set_connections(&self, server: &str, active: u32, inactive: u32) {
        self.0.borrow_mut().scene.connect(server, active, inactive);
    }
}

impl State {
    fn is_denied(&self, what: &str) -> bool {
        self.denied.iter().any(|it| it == what)
    }
}

/// A real server of this thread's host fails its checks. It is named by its address, or where
/// several services have that, `tcp 192.0.2.1:80 10.0.0.1:80`. Panics if there is none such.
pub fn down(server: &str, detail: &str) -> Event {
    changed(server, HealthStatus::Down, detail)
}

/// A real server of this thread's host, named as for [`down`], passes its checks.
pub fn up(server: &str, detail: &str) -> Event {
    changed(server, HealthStatus::Up, detail)
}

/// An answer to what was asked with `tag`.
pub fn answered(tag: &str, status: u16, body: &str) -> Event {
    let response = http_messages::Response { status, headers: Vec::new(), body: body.into() };
    Event::Answered(HttpAnswer { tag: tag.to_owned(), outcome: Ok(response) })
}

fn changed(server: &str, after: HealthStatus, detail: &str) -> Event {
    with(|state| {
        let Health { status, at, .. } = *state.scene.health_of(server);
        Event::Health(HealthChange {
            server: state.scene.key(server),
            detail: detail.to_owned(),
            before: status,
            after,
            lasted: (state.scene.monotonic - at) / 1_000_000,
        })
    })
}

fn with<T>(look: impl FnOnce(&mut State) -> T) -> T {
    let state = CURRENT.with_borrow(Weak::upgrade);
    let state = state.expect("no host: make a weir_sdk::policy::fake::Host first, and keep it");
    look(&mut state.borrow_mut())
}

fn look<T>(look: impl FnOnce(&mut Scene) -> T) -> T {
    with(|state| look(&mut state.scene))
}

fn denied(code: &str, message: &str) -> Error {
    Error::Denied(Denial { code: code.to_owned(), message: message.to_owned() })
}

fn shown(statement: &Statement) -> String {
    let Statement { key, intent, reason, .. } = statement;
    match intent {
        Intent::Base(it) => format!("{key} base {it}: {reason}"),
        Intent::Scale(it) => format!("{key} scale {it}: {reason}"),
        Intent::Floor(it) => format!("{key} floor {it}: {reason}"),
        Intent::Cap(it) => format!("{key} cap {it}: {reason}"),
        Intent::Drain => format!("{key} drain: {reason}"),
    }
}
