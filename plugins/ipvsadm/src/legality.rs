//! Which options go with which command, and which with which type of tunnel.

use crate::{
    failure::Failure,
    options::{Command, KINDS, Kind, Kinds},
};

/// What goes with a command. Whatever is named nowhere is illegal.
struct Rules {
    /// As in messages: "the 'list' command".
    name: &'static str,
    required: Kinds,
    optional: Kinds,
    /// At most one of these.
    exclusive: Kinds,
}

/// Options that only tunnels have.
pub(crate) const TUNNEL: Kinds = Kinds::of(&[
    Kind::TunnelType,
    Kind::TunnelPort,
    Kind::TunnelNoChecksum,
    Kind::TunnelChecksum,
    Kind::TunnelRemoteChecksum,
]);

/// Options that may choose what is shown of services.
const LAYOUTS: Kinds = Kinds::of(&[Kind::Stats, Kind::Rate, Kind::Thresholds]);

/// Checks, in the order of the options, what was given against what the command takes.
pub(crate) fn check_command(command: Command, given: Kinds) -> Result<(), Failure> {
    let Some(rules) = command_rules(command) else { return Ok(()) };
    check(&rules, "command", given, KINDS.map(|(kind, _)| kind))
}

/// The same for the options of a tunnel; `name` is its type.
pub(crate) fn check_tunnel(name: &'static str, given: Kinds) -> Result<(), Failure> {
    use Kind::{TunnelChecksum, TunnelNoChecksum, TunnelPort, TunnelRemoteChecksum};
    let (required, exclusive) = match name {
        "gue" => (
            Kinds::of(&[TunnelPort]),
            Kinds::of(&[TunnelNoChecksum, TunnelChecksum, TunnelRemoteChecksum]),
        ),
        "gre" => (Kinds::NONE, Kinds::of(&[TunnelNoChecksum, TunnelChecksum])),
        _ => (Kinds::NONE, Kinds::NONE),
    };
    let rules = Rules { name, required, optional: Kinds::NONE, exclusive };
    check(
        &rules,
        "tunnel type",
        given,
        [TunnelPort, TunnelNoChecksum, TunnelChecksum, TunnelRemoteChecksum],
    )
}

/// Combinations that a listing has no layout for.
pub(crate) fn check_list(given: Kinds) -> Result<(), Failure> {
    let general = Kinds::of(&[Kind::Timeout, Kind::Daemon]);
    let other = Kinds::of(&[Kind::Connection, Kind::Timeout, Kind::Daemon]);
    let conflict = given.intersects(other) && given.intersects(LAYOUTS)
        || given.intersects(general) && given.contains(Kind::PersistentConn);
    if conflict { Err(Failure::rejected("options conflicts in the list command")) } else { Ok(()) }
}

fn check(
    rules: &Rules,
    what: &str,
    given: Kinds,
    order: impl IntoIterator<Item = Kind>,
) -> Result<(), Failure> {
    let complain = |parts: &[&str]| {
        let parts: Vec<&[u8]> =
            parts.iter().chain(&["' ", what]).map(|part| part.as_bytes()).collect();
        Err(Failure::rejected_value(&parts))
    };
    let mut chosen: Option<Kind> = None;
    for kind in order {
        let name = kind.name();
        if !given.contains(kind) {
            if rules.required.contains(kind) {
                return complain(&[
                    "You need to supply the '",
                    name,
                    "' option for the '",
                    rules.name,
                ]);
            }
        } else if rules.exclusive.contains(kind) {
            if let Some(earlier) = chosen.replace(kind) {
                let earlier = earlier.name();
                return complain(&[
                    "The option '",
                    name,
                    "' conflicts with the '",
                    earlier,
                    "' option in the '",
                    rules.name,
                ]);
            }
        } else if !rules.required.contains(kind) && !rules.optional.contains(kind) {
            return complain(&["Illegal '", name, "' option with the '", rules.name]);
        }
    }
    Ok(())
}

/// None for the two commands that act before anything else is looked at.
fn command_rules(command: Command) -> Option<Rules> {
    use Kind::*;
    let rules = |name, required: &[Kind], optional: &[Kind], exclusive: &[Kind]| {
        Some(Rules {
            name,
            required: Kinds::of(required),
            optional: Kinds::of(optional),
            exclusive: Kinds::of(exclusive),
        })
    };
    let service = &[Scheduler, Persistent, Netmask, OnePacket, Engine, SchedulerFlags];
    let server = &[
        Forwarding,
        Weight,
        UpperThreshold,
        LowerThreshold,
        TunnelType,
        TunnelPort,
        TunnelNoChecksum,
        TunnelChecksum,
        TunnelRemoteChecksum,
    ];
    let listing =
        &[Numeric, Stats, Rate, Thresholds, PersistentConn, NoSort, SyncId, Exact, TunnelInfo];
    let daemon = &[McastInterface, SyncId, McastGroup, McastPort, McastTtl, SyncMaxLength];
    match command {
        Command::AddService => rules("add-service", &[Service], service, &[]),
        Command::EditService => rules("edit-service", &[Service], service, &[]),
        Command::DeleteService => rules("delete-service", &[Service], &[], &[]),
        Command::Flush => rules("flush", &[], &[], &[]),
        Command::List => rules("list", &[], listing, &[Connection, Service, Timeout, Daemon]),
        Command::AddServer => rules("add-server", &[Service, RealServer], server, &[]),
        Command::EditServer => rules("edit-server", &[Service, RealServer], server, &[]),
        Command::DeleteServer => rules("delete-server", &[Service, RealServer], &[], &[]),
        Command::SetTimeouts => rules("set", &[], &[], &[]),
        Command::StartDaemon => rules("start-daemon", &[], daemon, &[]),
        Command::StopDaemon => rules("stop-daemon", &[], &[SyncId], &[]),
        Command::Restore => rules("restore", &[], &[], &[]),
        Command::Save => rules("save", &[], &[Numeric], &[]),
        Command::Zero => rules("zero", &[], &[Service], &[]),
        Command::Help | Command::Version => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_message(result: Result<(), Failure>, expected: &str) {
        let message = result.map_or_else(|failure| failure.message, |()| Vec::new());
        assert_eq!(String::from_utf8(message).unwrap(), expected);
    }

    #[test]
    fn what_is_missing_comes_before_what_is_illegal_if_it_stands_before_it() {
        let given = Kinds::of(&[Kind::RealServer, Kind::Scheduler]);
        check_message(
            check_command(Command::AddServer, given),
            "You need to supply the 'service-address' option for the 'add-server' command",
        );
        let given = Kinds::of(&[Kind::Numeric, Kind::Scheduler]);
        check_message(
            check_command(Command::AddServer, given),
            "Illegal 'numeric' option with the 'add-server' command",
        );
    }

    #[test]
    fn at_most_one_thing_can_be_listed() {
        let given = Kinds::of(&[Kind::Daemon, Kind::Timeout, Kind::Connection, Kind::Stats]);
        check_message(
            check_command(Command::List, given),
            "The option 'timeout' conflicts with the 'connection' option in the 'list' command",
        );
    }

    #[test]
    fn tunnels_have_options_of_their_own() {
        let csum = Kinds::of(&[Kind::TunnelType, Kind::TunnelChecksum]);
        check_message(check_tunnel("gre", csum), "");
        check_message(
            check_tunnel("gue", csum),
            "You need to supply the 'tun-port' option for the 'gue' tunnel type",
        );
        check_message(
            check_tunnel("ipip", csum),
            "Illegal 'tun-csum' option with the 'ipip' tunnel type",
        );
    }
}
