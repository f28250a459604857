//! Health checks: probes in their rhythm, counted into verdicts.
//!
//! [`streams`] is pure, as are the parts of which it is made: who is asked what and when
//! ([`schedule`]), what is made of what was seen ([`counter`], [`standing`], [`agent`]).
//! [`prober`] drives it, and owns the clock; a probe of each type and its sockets are in a file
//! of its own beneath [`probe`]. None of it knows anything of weights, and nobody hears of it
//! but by what is told.

mod agent;
mod ask_agent;
mod checker;
mod command;
mod counter;
mod dns;
pub(crate) mod exchange;
mod grpc;
mod http;
mod icmp;
mod lag;
mod outcome;
mod probe;
mod prober;
mod schedule;
mod socket;
mod standing;
mod streams;
mod tcp;
mod tls;
mod turns;
mod udp;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    agent::{AgentSays, AgentWeight, Reply, UseIt},
    checker::{Checker, http_request},
    counter::State,
    lag::LagNews,
    outcome::{Cause, Evidence, Hindrance, Outcome},
    prober::{Order, probe_all},
    streams::{
        AgentReport, Ask, Changes, CheckerFailure, News, Notice, Place, Seen, StreamId, Streams,
        Subject, Target, Told, Verdict,
    },
};
