//! `-L -c`: the connection table, in the kernel's order.

use crate::{
    failure::Failure,
    host::{Connection, Endpoint, Error, from_host},
    names::Names,
    session::Session,
    text,
};

use super::service::Lookup;

pub(crate) fn run(
    session: &mut Session<'_>,
    numeric: bool,
    persistent: bool,
) -> Result<(), Failure> {
    let mut connections = session.host.connections().map_err(|error| unopened(&error))?;
    put_titles(&mut session.console.out, persistent);
    let mut names = Names::new(numeric);
    // A table that cannot be read further ends here.
    while let Ok(page) = connections.more()
        && !page.is_empty()
    {
        for connection in &page {
            let lookup = lookup(connection);
            for endpoint in endpoints(connection) {
                names.want(from_host(&endpoint.address), endpoint.port, lookup);
            }
        }
        names.resolve(session.host);
        for connection in &page {
            put_connection(&mut session.console.out, &names, connection, persistent);
            session.console.settle(session.host);
        }
    }
    Ok(())
}

fn unopened(error: &Error) -> Failure {
    Failure::unlisted(match error {
        Error::Other(_) => b"unexpected input from /proc/net/ip_vs_conn",
        _ => b"cannot open file /proc/net/ip_vs_conn",
    })
}

fn put_titles(out: &mut Vec<u8>, persistent: bool) {
    out.extend_from_slice(
        b"IPVS connection entries\npro expire state       source             virtual            ",
    );
    out.extend_from_slice(if persistent {
        b"destination        pe name          pe_data\n"
    } else {
        b"destination\n"
    });
}

fn endpoints(connection: &Connection) -> [&Endpoint; 3] {
    [&connection.client, &connection.virtual_address, &connection.server]
}

fn lookup(connection: &Connection) -> Lookup {
    match connection.protocol.as_str() {
        "TCP" => Some("tcp"),
        "UDP" => Some("udp"),
        "SCTP" => Some("sctp"),
        _ => None,
    }
}

fn put_connection(out: &mut Vec<u8>, names: &Names, connection: &Connection, persistent: bool) {
    let engine = connection.engine.as_ref().filter(|_| persistent);
    text::put_left(out, connection.protocol.as_bytes(), 3);
    out.push(b' ');
    put_minutes(out, connection.expires_in);
    out.push(b' ');
    text::put_left(out, connection.state.as_bytes(), 11);
    // The last column has no width, and with an engine it is not the last.
    let widths = [18, 18, if engine.is_some() { 16 } else { 0 }];
    for (endpoint, width) in endpoints(connection).into_iter().zip(widths) {
        out.push(b' ');
        let start = out.len();
        names.put(out, from_host(&endpoint.address), endpoint.port, lookup(connection));
        text::pad(out, start, width);
    }
    if let Some((name, data)) = engine {
        out.push(b' ');
        text::put_left(out, name.as_bytes(), 18);
        out.push(b' ');
        out.extend_from_slice(data);
    }
    out.push(b'\n');
}

/// `MM:SS`, in a column of six.
fn put_minutes(out: &mut Vec<u8>, seconds: u32) {
    let start = out.len();
    for (separator, number) in [("", seconds / 60), (":", seconds % 60)] {
        out.extend_from_slice(separator.as_bytes());
        if number < 10 {
            out.push(b'0');
        }
        text::put_decimal(out, number.into());
    }
    text::pad(out, start, 6);
}
