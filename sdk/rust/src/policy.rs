//! Event-driven automation: the worlds `policy` and, with more to call, `controller`.
//!
//! Implement [`Policy`] and hand the type to [`policy!`](crate::policy!). What a handler
//! says through [`drain`], [`scale`], [`cap`], [`floor`] and [`withdraw`] takes place if it
//! returns `Ok`, and not at all if it fails or traps; and so does what it has the host keep for
//! good, through [`remember`] and [`forget`].
//!
//! One that calls [`ensure`], [`give_up`] or [`ask`] is a controller.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

wit_bindgen::generate!({
    path: "../../wit",
    // What of it is not called is not imported.
    world: "controller",
    pub_export_macro: true,
    generate_all,
    // Keys go into sets and maps.
    additional_derives: [PartialEq, Eq, Hash],
});

#[path = "text.rs"]
#[expect(clippy::duplicate_mod, reason = "the bindings of each world are types of their own")]
mod text;

#[path = "plain.rs"]
#[cfg_attr(
    not(target_family = "wasm"),
    expect(clippy::duplicate_mod, reason = "the bindings of each world are types of their own")
)]
mod plain;

mod controls;
#[cfg(not(target_family = "wasm"))]
pub mod fake;

pub use self::{
    controls::{ask, ensure, get, give_up, owned, real_server, service, why},
    exports::weir::plugin::reactor::{Birth, Context},
    weir::{
        host::http_messages,
        ipvs::{
            addresses::{self, Endpoint, IpAddress},
            errors::Error,
            real_servers::{self, RealServerKey},
            services::{self, ServiceKey},
        },
        plugin::{
            events::{Envelope, Event, HealthChange, HttpAnswer, Kind, Subscription},
            failures::Failure,
            health_words::HealthStatus,
            intents::{Intent, Statement, Verdict},
            structure::OwnedService,
        },
    },
};

// All that is called of the host. Imports lead nowhere off Wasm, so there it is the fake's.
#[cfg(not(target_family = "wasm"))]
pub use self::fake::{
    clock,
    interfaces::{http, intents, state, structure},
    log,
    looking::{config, health, labels, snapshots, table},
};
#[cfg(target_family = "wasm")]
pub use self::weir::{
    host::{clock, config, http, log, state},
    ipvs::{snapshots, table},
    plugin::{health, intents, labels, structure},
};

/// What a policy's file begins with.
pub mod prelude {
    pub use super::{
        Context, Failure, HealthChange, HealthStatus, Policy, RealServerKey, base, cap, drain,
        floor, forget, real_servers, recall, remember, scale, withdraw,
    };
}

/// What a controller's file begins with.
pub mod controller {
    pub use super::{
        HttpAnswer, OwnedService, ServiceKey, ask, ensure, get, give_up, owned, prelude::*,
        real_server, service, why,
    };
}

/// A policy: what it does when something happens. All of it has a default, which is to do
/// nothing.
pub trait Policy: Sized + 'static {
    /// Makes the instance: read `config::get()` here. An error means that it is not used.
    fn new(context: &Context) -> Result<Self, Failure>;

    /// The instance has begun, or lost events: look at `table` and `health`. Unless it is
    /// defined, `health` is told of every real server as it is.
    fn started(&mut self) -> Result<(), Failure> {
        found().iter().try_for_each(|it| self.health(it))
    }

    /// A real server changed health, after the host's counting of rise and fall.
    fn health(&mut self, change: &HealthChange) -> Result<(), Failure> {
        let _ = change;
        Ok(())
    }

    /// How often [`Policy::stats`] is to be called, 1 s at least; none = never.
    fn stats_every(&self) -> Option<Duration> {
        None
    }

    /// Connections and stats in `table` are fresh; `elapsed` is the time since they were
    /// before, nothing the first time. Needs [`Policy::stats_every`].
    fn stats(&mut self, elapsed: Duration) -> Result<(), Failure> {
        let _ = elapsed;
        Ok(())
    }

    /// What was asked through [`ask`] is answered, or is not.
    fn answered(&mut self, answer: &HttpAnswer) -> Result<(), Failure> {
        let _ = answer;
        Ok(())
    }

    /// The instance will be stopped.
    fn stopping(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// What `policy` wants to hear.
#[doc(hidden)]
pub fn subscription(policy: &impl Policy) -> Subscription {
    let every = policy.stats_every();
    let kinds = every.map(|_| Kind::Stats).into_iter().chain([Kind::Health]);
    let milliseconds = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
    Subscription { kinds: kinds.collect(), stats_every: every.map(milliseconds) }
}

/// Hands one event to the function of `policy` that is meant for it.
#[doc(hidden)]
pub fn dispatch(policy: &mut impl Policy, event: &Event) -> Result<(), Failure> {
    match event {
        Event::Started | Event::Overflow(_) => policy.started(),
        Event::Health(change) => policy.health(change),
        Event::Stats(elapsed) => policy.stats(Duration::from_millis(*elapsed)),
        Event::Answered(answer) => policy.answered(answer),
        Event::Stopping(_) => policy.stopping(),
        Event::Other(_) => Ok(()),
    }
}

/// No new connections for this real server until [`withdraw`], whatever others say.
///
/// Fails if the grant does not allow it, naming the key that would.
pub fn drain(server: &RealServerKey, reason: &str) -> Result<(), Failure> {
    publish(server, Intent::Drain, reason)
}

/// This base weight instead of the configuration's, 1 or more. Fails as [`drain`] does; a
/// number outside the grant's range is bounded by it.
pub fn base(server: &RealServerKey, weight: u32, reason: &str) -> Result<(), Failure> {
    publish(server, Intent::Base(weight), reason)
}

/// Multiplies the base weight, in thousandths, 1 or more; 1000 = no effect.
///
/// Fails as [`drain`] does; a number outside the grant's range is bounded by it.
pub fn scale(server: &RealServerKey, thousandths: u32, reason: &str) -> Result<(), Failure> {
    publish(server, Intent::Scale(thousandths), reason)
}

/// At least this weight; never lifts a drain. Fails as [`drain`] does.
pub fn floor(server: &RealServerKey, weight: u32, reason: &str) -> Result<(), Failure> {
    publish(server, Intent::Floor(weight), reason)
}

/// At most this weight, 1 or more. Fails as [`drain`] does.
pub fn cap(server: &RealServerKey, weight: u32, reason: &str) -> Result<(), Failure> {
    publish(server, Intent::Cap(weight), reason)
}

/// Takes back what this policy says of the real server. Never fails.
pub fn withdraw(server: &RealServerKey) {
    intents::withdraw(&[*server]);
}

/// What was last remembered under `name`, by this code or what was in its place before, over
/// restarts of the plugin and of the host. None where nothing is, or something that is no `T`.
pub fn recall<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_slice(&state::get(name)?).ok()
}

/// Has the host keep `value`, as JSON, for good; which has null where a number is not finite. Not
/// in [`Policy::new`].
///
/// Fails if the grant has no room for it, naming the key that would give it.
pub fn remember(name: &str, value: &impl Serialize) -> Result<(), Failure> {
    let failed = |message| Failure { message, retryable: false };
    let bytes = serde_json::to_vec(value).map_err(|it| failed(format!("{name}: {it}")))?;
    state::set(&[(name.to_owned(), bytes)]).map_err(|error| {
        failed(match error {
            state::Error::Quota(0) => {
                "to remember anything needs the plugin's grant.state".to_owned()
            }
            state::Error::Quota(most) => {
                format!("{name} does not fit into {most} bytes, the plugin's grant.state")
            }
            state::Error::KeyLength(most) => {
                format!("expected a name of 1 to {most} bytes, found {} bytes", name.len())
            }
            state::Error::OutsideHandler => {
                "nothing can be remembered while the policy is made".to_owned()
            }
        })
    })
}

/// Has the host forget what it keeps under `name`. Never fails.
pub fn forget(name: &str) {
    state::remove(&[name.to_owned()]);
}

/// Every real server that the grant lets this policy see.
pub fn real_servers() -> Vec<RealServerKey> {
    let snapshot = table::current();
    let services = snapshot.services(0, u32::MAX);
    let numbered = (0..).zip(&services);
    let keys = numbered.flat_map(|(number, service)| {
        let servers = snapshot.real_servers(number);
        let service = service.config.key;
        servers.into_iter().map(move |it| RealServerKey { service, server: it.config.server })
    });
    keys.collect()
}

/// Every real server whose health is known, as if it had just become so: what changed
/// while nobody looked.
pub fn found() -> Vec<HealthChange> {
    let known = health::current(&real_servers());
    let known = known.into_iter().filter(|it| it.status != HealthStatus::Unknown);
    known
        .map(|report| HealthChange {
            server: report.key,
            detail: "found so when the policy started".to_owned(),
            before: HealthStatus::Unknown,
            after: report.status,
            lasted: 0,
        })
        .collect()
}

/// The plugin's settings, of which it knows every one.
///
/// Fails with words for people, which name the key that is wrong.
pub fn settings<T: DeserializeOwned>() -> Result<T, Failure> {
    serde_json::from_str(&config::get())
        .map_err(|error| Failure { message: format!("config: {error}"), retryable: false })
}

fn publish(server: &RealServerKey, intent: Intent, reason: &str) -> Result<(), Failure> {
    let statement = Statement { key: *server, intent, lease: None, reason: reason.to_owned() };
    match intents::publish(&[statement]).pop() {
        Some(Verdict::Refused(error)) => Err(refused(&error)),
        _ => Ok(()),
    }
}

fn refused(error: &Error) -> Failure {
    let message = match error {
        Error::Denied(denial) => denial.message.clone(),
        Error::NoSuchServer => "the host does not know this real server".to_owned(),
        other => format!("{other:?}"),
    };
    Failure { message, retryable: false }
}

/// Makes the component's exports from a type that implements [`Policy`](policy::Policy).
#[macro_export]
macro_rules! policy {
    ($policy:ty) => {
        const _: () = {
            use $crate::policy as sdk;

            // A component has one thread, and the host never calls into one that runs.
            thread_local! {
                static POLICY: core::cell::RefCell<Option<$policy>> =
                    const { core::cell::RefCell::new(None) };
            }

            struct Export;

            impl sdk::exports::weir::plugin::reactor::Guest for Export {
                fn init(context: sdk::Context) -> Result<sdk::Subscription, sdk::Failure> {
                    $crate::log_panics!(sdk::log);
                    let policy = <$policy as sdk::Policy>::new(&context)?;
                    let subscription = sdk::subscription(&policy);
                    POLICY.set(Some(policy));
                    Ok(subscription)
                }

                fn handle(batch: Vec<sdk::Envelope>) -> Result<(), sdk::Failure> {
                    POLICY.with_borrow_mut(|policy| {
                        let policy = policy.as_mut().ok_or_else(|| sdk::Failure {
                            message: "handle was called before init".to_owned(),
                            retryable: false,
                        })?;
                        batch.iter().try_for_each(|it| sdk::dispatch(policy, &it.event))
                    })
                }
            }

    sdk::export!(Export with_types_in sdk);
        };
    };
}
