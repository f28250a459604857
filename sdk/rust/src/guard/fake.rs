//! A host for unit tests of guards, which run natively: what `cargo test` builds.
//!
//! It shows a guard what the test says there is: services, health, settings and the time. A change
//! to be judged is one of these services, by [`changed`] and [`removed`], or made by hand.
//!
//! ```no_run
//! use weir_sdk::guard::{Review, Verdict, deny, fake::{Host, changed}};
//!
//! fn judge(review: &Review) -> Verdict {
//!     let mut servers = review.outcome.iter().flat_map(|it| &it.real_servers);
//!     match servers.any(|it| it.weight > 0) {
//!         true => Verdict::Allow,
//!         false => deny("nobody-left", "nobody would be left"),
//!     }
//! }
//!
//! let servers = [("10.0.0.1:80", 100), ("10.0.0.2:80", 100)];
//! let host = Host::new().with_service("tcp 192.0.2.1:80", &servers);
//! assert_eq!(host.judge(judge, &changed(&[("10.0.0.1:80", 0)])), Verdict::Allow);
//! let all = changed(&[("10.0.0.1:80", 0), ("10.0.0.2:80", 0)]);
//! assert_eq!(host.judge(judge, &all), deny("nobody-left", "nobody would be left"));
//! ```

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    time::Duration,
};

use self::{named::nanoseconds, scene::Scene};
use super::{
    HealthStatus, Operation, Origin, PlannedService, Review, ServiceKey, Verdict,
    weir::ipvs::operations::RealServerChange,
};

#[path = "../fake/clock.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
pub mod clock;
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
    /// What the interfaces look at, for a guard calls them without naming a host.
    static CURRENT: RefCell<Weak<RefCell<Scene>>> = const { RefCell::new(Weak::new()) };
}

/// A host, and what it shows. A thread has one, the newest: each test makes its own.
pub struct Host(Rc<RefCell<Scene>>);

impl Host {
    /// A host without services, whose time is the beginning of 2026, UTC.
    #[expect(clippy::new_without_default, reason = "it becomes the host of its thread")]
    pub fn new() -> Self {
        let scene = Rc::new(RefCell::new(Scene::new()));
        CURRENT.set(Rc::downgrade(&scene));
        Self(scene)
    }

    /// The guard's settings, as JSON.
    pub fn with_settings(self, settings: &str) -> Self {
        settings.clone_into(&mut self.0.borrow_mut().settings);
        self
    }

    /// A service, `tcp 192.0.2.1:80` or `fwmark 7`, and its real servers with their weights.
    ///
    /// Panics if that is not how one is written.
    pub fn with_service(self, key: &str, servers: &[(&str, u32)]) -> Self {
        self.0.borrow_mut().add(key, servers);
        self
    }

    /// The name that the configuration gives a service. Panics if there is no such service.
    pub fn with_name(self, service: &str, name: &str) -> Self {
        self.0.borrow_mut().name(service, name);
        self
    }

    /// The labels that the configuration gives a service. Panics if there is no such service.
    pub fn with_labels_of_service(self, service: &str, labels: &[(&str, &str)]) -> Self {
        self.0.borrow_mut().label_service(service, labels);
        self
    }

    /// The labels that the configuration gives a real server. Panics if there is none such.
    pub fn with_labels(self, server: &str, labels: &[(&str, &str)]) -> Self {
        self.0.borrow_mut().label(server, labels);
        self
    }

    /// Seconds that local time is ahead of UTC.
    pub fn with_utc_offset(self, seconds: i32) -> Self {
        self.0.borrow_mut().utc_offset = seconds;
        self
    }

    /// What a guard says to a change. Nothing is done of it, whatever that is.
    pub fn judge(&self, judge: impl FnOnce(&Review) -> Verdict, review: &Review) -> Verdict {
        CURRENT.set(Rc::downgrade(&self.0));
        judge(review)
    }

    /// The lines of the log: `warn: nobody left`.
    pub fn logged(&self) -> Vec<String> {
        self.0.borrow().log.clone()
    }

    /// Lets time go by.
    pub fn pass(&self, time: Duration) {
        self.0.borrow_mut().pass(time);
    }

    /// Sets a real server's health. Panics if there is none such.
    pub fn set_health(&self, server: &str, status: HealthStatus) {
        let mut scene = self.0.borrow_mut();
        let key = scene.key(server);
        scene.turn(key, status);
    }

    /// Sets how long a real server's newest probe took. Panics if there is none such.
    pub fn set_latency(&self, server: &str, latency: Duration) {
        self.0.borrow_mut().health_of(server).latency = Some(nanoseconds(latency));
    }

    /// Sets a real server's connections. Panics if there is none such.
    pub fn set_connections(&self, server: &str, active: u32, inactive: u32) {
        self.0.borrow_mut().connect(server, active, inactive);
    }
}

/// An operator's change of the weights of real servers of this thread's host.
///
/// They are named by their addresses, or where several services have one,
/// `tcp 192.0.2.1:80 10.0.0.1:80`. Panics if there is none such.
pub fn changed(weights: &[(&str, u32)]) -> Review {
    review(weights.iter().map(|(server, weight)| (*server, Some(*weight))))
}

/// An operator's change that takes real servers of this thread's host, named as for [`changed`],
/// out of their services.
pub fn removed(servers: &[&str]) -> Review {
    review(servers.iter().map(|server| (*server, None)))
}

/// A change of real servers to these weights; none = it goes.
fn review<'a>(changes: impl Iterator<Item = (&'a str, Option<u32>)>) -> Review {
    look(|scene| {
        let mut outcome = Vec::new();
        let operations = changes.map(|(server, weight)| {
            let key = scene.key(server);
            let servers = &mut planned(&mut outcome, scene, key.service).real_servers;
            let Some(weight) = weight else {
                servers.retain(|it| it.server != key.server);
                return Operation::DeleteServer(key);
            };
            let found = servers.iter_mut().find(|it| it.server == key.server);
            let config = found.unwrap_or_else(|| panic!("{server} is named twice"));
            config.weight = weight;
            Operation::EditServer(RealServerChange { service: key.service, config: *config })
        });
        let operations = operations.collect();
        Review { origin: Origin::Operator, reason: String::new(), operations, outcome }
    })
}

/// The service in `outcome`, where it is at first as it is in the table.
fn planned<'a>(
    outcome: &'a mut Vec<PlannedService>,
    scene: &Scene,
    key: ServiceKey,
) -> &'a mut PlannedService {
    let place = outcome.iter().position(|it| it.config.key == key).unwrap_or_else(|| {
        let listed = scene.services.iter().find(|it| it.service.config.key == key);
        let listed = listed.expect("one of its real servers was found");
        outcome.push(PlannedService {
            config: listed.service.config.clone(),
            real_servers: listed.servers.iter().map(|it| it.config).collect(),
        });
        outcome.len() - 1
    });
    &mut outcome[place]
}

fn look<T>(look: impl FnOnce(&mut Scene) -> T) -> T {
    let scene = CURRENT.with_borrow(Weak::upgrade);
    let scene = scene.expect("no host: make a weir_sdk::guard::fake::Host first, and keep it");
    look(&mut scene.borrow_mut())
}
