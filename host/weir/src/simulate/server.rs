//! A real server: how it receives connections, how long it takes to answer, and what is
//! wrong with it. Pure: time and what waits for an answer are its caller's.

use std::{collections::VecDeque, time::Duration};

use super::{
    distribution::{self, Distribution},
    scenario::{Fault, ServerModel},
};
use crate::random::Random;

/// A real server of a simulation; `R` is what its caller calls a request.
#[derive(Debug)]
pub(crate) struct Server<R> {
    model: ServerModel,
    random: Random,
    /// Whether it can be reached.
    reach: Reach,
    slowness: Slowness,
    /// The part of all requests that is answered with an error.
    errors: f64,
    /// The status of the other answers.
    status: u16,
    /// What its agent says; none = nothing.
    agent: Option<String>,
    busy: u32,
    waiting: VecDeque<R>,
    /// Goes up when it crashes: what it was working on before is lost.
    life: u32,
}

/// Whether a server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Well,
    Crashed,
    Silent,
    Unreachable,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Slowness {
    Times(f64),
    To(Distribution),
}

/// What becomes of a connection to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reception {
    /// It is accepted.
    Accepted,
    /// Its host says that nobody listens.
    Refused,
    /// Routers say that there is no way to it.
    Unreachable,
    /// Nobody says anything.
    Ignored,
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Of HTTP.
    pub(crate) status: u16,
    /// What its agent says in a header.
    pub(crate) agent: Option<String>,
}

const OK: u16 = 200;

/// Of answers that are errors.
const ERROR: u16 = 503;

/// A request that a server works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work<R> {
    /// Which.
    pub(crate) request: R,
    /// How long it will take.
    pub(crate) takes: Duration,
    /// [`Server::life`] when it began.
    pub(crate) life: u32,
}

impl<R> Server<R> {
    /// A server that is well; `random` is its own.
    pub(crate) fn new(model: ServerModel, random: Random) -> Self {
        Self {
            model,
            random,
            reach: Reach::Well,
            slowness: Slowness::Times(1.0),
            errors: 0.0,
            status: OK,
            agent: None,
            busy: 0,
            waiting: VecDeque::new(),
            life: 0,
        }
    }

    /// Makes something go wrong, beside what is wrong already. After a crash, what it
    /// worked on and what waited is lost.
    pub(crate) fn fail(&mut self, fault: Fault) {
        match fault {
            Fault::Crash => {
                self.reach = Reach::Crashed;
                self.busy = 0;
                self.waiting.clear();
                self.life += 1;
            }
            Fault::Silence => self.reach = Reach::Silent,
            Fault::Unreachable => self.reach = Reach::Unreachable,
            Fault::Slow(factor) => self.slowness = Slowness::Times(factor),
            Fault::SlowTo(distribution) => self.slowness = Slowness::To(distribution),
            Fault::Errors(part) => self.errors = part,
            Fault::Answers(status) => self.status = status,
        }
    }

    /// What its agent says from now on; none = nothing.
    pub(crate) fn hear_agent(&mut self, line: Option<String>) {
        self.agent = line;
    }

    /// What its agent says, if that can be heard. It is a process of its own.
    pub(crate) fn agent_line(&self) -> Option<&str> {
        self.agent.as_deref().filter(|_| self.is_connected())
    }

    /// Makes all well again.
    pub(crate) fn recover(&mut self) {
        self.reach = Reach::Well;
        self.slowness = Slowness::Times(1.0);
        self.errors = 0.0;
        self.status = OK;
    }

    /// What becomes of a connection now.
    pub(crate) fn receive(&self) -> Reception {
        match self.reach {
            Reach::Well if self.is_full() => Reception::Ignored,
            Reach::Well => Reception::Accepted,
            Reach::Crashed => Reception::Refused,
            Reach::Silent => Reception::Ignored,
            Reach::Unreachable => Reception::Unreachable,
        }
    }

    /// Whether packets of connections that are open get through, in either direction.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.reach, Reach::Well | Reach::Crashed)
    }

    /// Tells work that was lost in a crash from work that was not.
    pub(crate) fn life(&self) -> u32 {
        self.life
    }

    /// Requests that wait for a worker.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a request; what it begins to work on at once.
    pub(crate) fn take(&mut self, request: R) -> Option<Work<R>> {
        if self.model.workers.is_none_or(|it| self.busy < it) {
            return Some(self.work(request));
        }
        self.waiting.push_back(request);
        None
    }

    /// Ends the work on one request; what it begins to work on instead.
    pub(crate) fn finish(&mut self) -> Option<Work<R>> {
        self.busy -= 1;
        let next = self.waiting.pop_front()?;
        Some(self.work(next))
    }

    /// The answer to a request.
    pub(crate) fn answer(&mut self) -> Answer {
        let errs = self.errors > 0.0 && self.random.uniform() < self.errors;
        let status = if errs { ERROR } else { self.status };
        Answer { status, agent: self.agent.clone() }
    }

    fn work(&mut self, request: R) -> Work<R> {
        self.busy += 1;
        let takes = match self.slowness {
            Slowness::Times(factor) => {
                distribution::times(self.model.service_time.draw(&mut self.random), factor)
            }
            Slowness::To(distribution) => distribution.draw(&mut self.random),
        };
        Work { request, takes, life: self.life }
    }

    fn is_full(&self) -> bool {
        let queue = usize::try_from(self.model.queue).unwrap_or(usize::MAX);
        self.model.workers.is_some_and(|it| self.busy >= it) && self.waiting.len() >= queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(workers: u32, queue: u32) -> Server<u32> {
        let endpoint = "10.0.0.1:80".parse().unwrap();
        let service_time = Distribution::Constant(Duration::from_millis(20));
        let model = ServerModel { endpoint, service_time, workers: Some(workers), queue };
        Server::new(model, Random::named("1"))
    }

    #[test]
    fn requests_beyond_the_workers_wait_and_beyond_the_queue_are_ignored() {
        let mut server = server(2, 1);
        let takes = |work: Option<Work<u32>>| work.map(|it| (it.request, it.takes.as_millis()));
        assert_eq!(takes(server.take(1)), Some((1, 20)));
        assert_eq!(takes(server.take(2)), Some((2, 20)));
        assert_eq!(server.receive(), Reception::Accepted);
        assert_eq!(takes(server.take(3)), None);
        assert_eq!((server.waiting(), server.receive()), (1, Reception::Ignored));
        assert_eq!(takes(server.finish()), Some((3, 20)));
        assert_eq!((server.waiting(), server.receive()), (0, Reception::Accepted));
        assert_eq!(takes(server.finish()), None);
    }

    /// What each fault makes of a connection, of those that are open, and of a request.
    #[test]
    fn faults_show() {
        let check = |fault, reception, connected, takes| {
            let mut server = server(9, 9);
            server.fail(fault);
            assert_eq!(server.receive(), reception, "{fault:?}");
            assert_eq!(server.is_connected(), connected, "{fault:?}");
            assert_eq!(server.take(1).unwrap().takes.as_millis(), takes, "{fault:?}");
            server.recover();
            assert_eq!((server.receive(), server.answer().status), (Reception::Accepted, OK));
        };
        check(Fault::Crash, Reception::Refused, true, 20);
        check(Fault::Silence, Reception::Ignored, false, 20);
        check(Fault::Unreachable, Reception::Unreachable, false, 20);
        check(Fault::Slow(10.0), Reception::Accepted, true, 200);
        let slow = Distribution::Constant(Duration::from_millis(7));
        check(Fault::SlowTo(slow), Reception::Accepted, true, 7);
        check(Fault::Errors(1.0), Reception::Accepted, true, 20);
    }

    #[test]
    fn a_part_of_all_requests_errs() {
        let mut server = server(9, 9);
        server.fail(Fault::Errors(0.3));
        let errors = (0..10_000).filter(|_| server.answer().status == ERROR).count();
        assert!((2800..3200).contains(&errors), "{errors}");
    }

    #[test]
    fn a_crash_loses_what_was_under_way() {
        let mut server = server(1, 9);
        let before = server.take(1).unwrap();
        server.take(2);
        server.fail(Fault::Crash);
        server.recover();
        assert_ne!(before.life, server.life());
        assert_eq!(server.waiting(), 0);
        assert_eq!(server.take(3).unwrap().life, server.life());
    }

    /// The mean wait of a queue of one worker at a load of one half (M/M/1) is that of one
    /// service.
    #[test]
    fn waits_grow_as_a_queue_does() {
        let endpoint = "10.0.0.1:80".parse().unwrap();
        let service_time = Distribution::Exponential(Duration::from_millis(10));
        let model = ServerModel { endpoint, service_time, workers: Some(1), queue: 1_000_000 };
        let mut server: Server<Duration> = Server::new(model, Random::named("2"));
        let between = Distribution::Exponential(Duration::from_millis(20));
        let mut random = Random::named("3");
        let (mut arrival, mut done) = (Duration::ZERO, None::<(Duration, Duration)>);
        let mut waits = Vec::new();
        for _ in 0..200_000 {
            arrival += between.draw(&mut random);
            while let Some((at, _)) = done.filter(|it| it.0 <= arrival) {
                done = server.finish().map(|work| (at + work.takes, work.request));
                waits.extend(done.map(|(_, arrived)| (at - arrived).as_secs_f64()));
            }
            if let Some(work) = server.take(arrival) {
                done = Some((arrival + work.takes, arrival));
                waits.push(0.0);
            }
        }
        let mean = waits.iter().sum::<f64>() / f64::from(u32::try_from(waits.len()).unwrap());
        assert!((0.0095..0.0105).contains(&mean), "{mean}");
    }
}
