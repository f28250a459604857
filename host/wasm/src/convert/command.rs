//! What commands alone have: asking, changing, connections, the invocation.

use weir_ipvs::{Change, Connection, Info, OnFailure, Scope};

use crate::{
    Terminals,
    bindings::{admin, cli, connections, live, operations},
    command::Invocation,
};

impl From<live::Scope> for Scope {
    fn from(scope: live::Scope) -> Self {
        match scope {
            live::Scope::All => Self::All,
            live::Scope::One(key) => Self::One(key.into()),
        }
    }
}

impl From<Info> for live::IpvsInfo {
    fn from(info: Info) -> Self {
        Self { version: info.version, connection_table_size: info.connection_table_size }
    }
}

impl From<operations::Operation> for Change {
    fn from(operation: operations::Operation) -> Self {
        use operations::Operation;
        match operation {
            Operation::AddService(config) => Self::AddService(config.into()),
            Operation::EditService(config) => Self::EditService(config.into()),
            Operation::DeleteService(key) => Self::DeleteService(key.into()),
            Operation::AddServer(change) => {
                Self::AddServer(change.service.into(), change.config.into())
            }
            Operation::EditServer(change) => {
                Self::EditServer(change.service.into(), change.config.into())
            }
            Operation::DeleteServer(key) => Self::DeleteServer(key.into()),
            Operation::Zero(key) => Self::Zero(key.map(Into::into)),
            Operation::Flush => Self::Flush,
            Operation::SetTimeouts(timeouts) => Self::SetTimeouts(timeouts.into()),
            Operation::StartDaemon(daemon) => Self::StartDaemon(daemon.into()),
            Operation::StopDaemon(stop) => Self::StopDaemon(stop.role.into(), stop.sync_id),
        }
    }
}

impl From<admin::OnFailure> for OnFailure {
    fn from(on_failure: admin::OnFailure) -> Self {
        match on_failure {
            admin::OnFailure::Proceed => Self::Proceed,
            admin::OnFailure::Stop => Self::Stop,
        }
    }
}

impl From<Connection> for connections::Connection {
    fn from(connection: Connection) -> Self {
        Self {
            protocol: connection.protocol,
            client: connection.client.into(),
            virtual_address: connection.virtual_address.into(),
            server: connection.server.into(),
            state: connection.state,
            expires_in: connection.expires_in,
            engine: connection.engine,
        }
    }
}

impl From<Invocation> for cli::Invocation {
    fn from(invocation: Invocation) -> Self {
        let Invocation { arguments, environment, terminals } = invocation;
        Self { arguments, environment, terminals: terminals.into() }
    }
}

impl From<Terminals> for cli::Terminals {
    fn from(terminals: Terminals) -> Self {
        [
            (terminals.stdin, Self::STDIN),
            (terminals.stdout, Self::STDOUT),
            (terminals.stderr, Self::STDERR),
        ]
        .into_iter()
        .filter(|(is_terminal, _)| *is_terminal)
        .fold(Self::empty(), |all, (_, flag)| all | flag)
    }
}
