//! What commands for operators share: how things are named on a command line, and how a
//! daemon is asked and its answer shown.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::print_error;
use crate::{
    cli::Exit,
    control::{self, Steered, Unasked},
    inherited,
};

/// A real server, by the names of its service and of itself.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// The service and its real server: `web 10.0.0.1:8080`, `192.0.2.1:80 10.0.0.1`,
    /// `tcp 192.0.2.1:80 10.0.0.1:8080`, `fwmark 7 10.0.0.1`.
    #[arg(required = true, num_args = 2..=4, value_names = ["VIP", "SERVER"])]
    names: Vec<String>,
}

impl Server {
    /// The service's name and the server's.
    pub(super) fn split(&self) -> Result<(String, String)> {
        let (service, server) = split(&self.names);
        let server = server.context("which real server? Name it after its service")?;
        Ok((service, server))
    }
}

/// How orders are shown.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// Print the daemon's answer as JSON.
    #[arg(long)]
    json: bool,
}

/// The name of a service, which may be of several words, and what follows it.
pub(super) fn split(names: &[String]) -> (String, Option<String>) {
    let is = |index: usize, words: &[&str]| {
        names.get(index).is_some_and(|it| words.contains(&it.to_ascii_lowercase().as_str()))
    };
    let words = match () {
        () if is(0, &["fwmark"]) && is(2, &["ipv6"]) => 3,
        () if is(0, &["fwmark", "tcp", "udp", "sctp"]) && names.len() > 1 => 2,
        () => 1,
    };
    let (service, rest) = names.split_at(words);
    let rest = rest.join(" ");
    (service.join(" "), (!rest.is_empty()).then_some(rest))
}

/// Orders something of the daemon, and shows what became of it.
pub(super) fn order(
    socket: Option<&Path>,
    path: &str,
    order: &impl Serialize,
    shown: &Shown,
    done: &str,
) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    let daemon = control::daemon(socket)?;
    let steered: Steered = match daemon.order(path, order) {
        Ok(steered) => steered,
        Err(unasked) => return refused(unasked),
    };
    let mut out = io::stdout().lock();
    if shown.json {
        serde_json::to_writer(&mut out, &steered)?;
        writeln!(out)?;
    } else {
        show(&mut out, &steered, done)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints why the daemon will not.
pub(super) fn refused(unasked: Unasked) -> Result<ExitCode> {
    match unasked {
        Unasked::Refused(problem) => {
            print_error(&format!("weir: {}", problem.message));
            Ok(Exit::Refused.into())
        }
        Unasked::Broken(error) => Err(error.into()),
    }
}

fn show(out: &mut impl Write, steered: &Steered, done: &str) -> io::Result<()> {
    let service = match (&steered.name, steered.service) {
        (Some(name), Some(key)) => format!("{name} ({})", key.0),
        (_, Some(key)) => key.0.to_string(),
        _ => "everything".to_owned(),
    };
    match steered.server {
        None => writeln!(out, "{service}: {done}")?,
        Some(server) => {
            let weight = steered.weight.map_or("not in the table".to_owned(), |it| {
                let (active, inactive) = (steered.active, steered.inactive);
                format!("weight {it}, {active} active and {inactive} inactive connections")
            });
            writeln!(out, "{server} of {service}: {done}; {weight}")?;
        }
    }
    steered.notes.iter().try_for_each(|note| writeln!(out, "  {note}"))
}

/// A time of RFC 3339 without what it has in common with `now`: its day, or its year.
pub(super) fn clock(time: &str, now: &str) -> String {
    let part = |range| time.get(range).unwrap_or(time).replace('T', " ");
    let same = |range: std::ops::Range<usize>| time.get(range.clone()) == now.get(range);
    match () {
        () if same(0..10) => part(11..19),
        () if same(0..4) => part(5..16),
        () => part(0..10),
    }
}

/// A duration as people write it: `90s`, `5m`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    crate::simulate::parse_duration(text)
        .ok_or_else(|| format!("expected a duration such as 300s or 5m, found {text:?}"))
}

/// Whole seconds of a duration, rounded up.
pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Fails for more names than a service has.
pub(super) fn only_service(names: &[String]) -> Result<Option<String>> {
    if names.is_empty() {
        return Ok(None);
    }
    let (service, rest) = split(names);
    ensure!(rest.is_none(), "one service at a time, or none for everything");
    Ok(Some(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &str, expected: (&str, Option<&str>)) {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        let (service, server) = split(&names);
        assert_eq!((service.as_str(), server.as_deref()), expected, "{names:?}");
    }

    #[test]
    fn times_are_as_short_as_they_can_be() {
        let now = "2026-11-26T02:20:11.123Z";
        assert_eq!(clock("2026-11-26T02:11:00.000Z", now), "02:11:00");
        assert_eq!(clock("2026-10-26T02:11:00.000Z", now), "10-26 02:11");
        assert_eq!(clock("2025-10-26T02:11:00.000Z", now), "2025-10-26");
    }

    #[test]
    fn names_are_taken_as_people_type_them() {
        check("web,10.0.0.1:80", ("web", Some("10.0.0.1:80")));
        check("192.0.2.1:80,10.0.0.1", ("192.0.2.1:80", Some("10.0.0.1")));
        check("tcp,192.0.2.1:80,10.0.0.1", ("tcp 192.0.2.1:80", Some("10.0.0.1")));
        check("tcp 192.0.2.1:80,10.0.0.1", ("tcp 192.0.2.1:80", Some("10.0.0.1")));
        check("fwmark,7,10.0.0.1", ("fwmark 7", Some("10.0.0.1")));
        check("FWMARK,7,IPv6,[2001:db8::1]:80", ("FWMARK 7 IPv6", Some("[2001:db8::1]:80")));
        check("fwmark,7", ("fwmark 7", None));
        check("web", ("web", None));
    }
}
