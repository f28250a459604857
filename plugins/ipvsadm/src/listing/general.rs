//! `-L --timeout` and `-L --daemon`. Their failures have a status and no words.

use crate::{
    addresses,
    failure::Failure,
    host::{SyncDaemon, SyncRole, from_host},
    session::Session,
    text,
};

pub(crate) fn timeouts(session: &mut Session<'_>) -> Result<(), Failure> {
    let timeouts = session.host.timeouts().map_err(|_| Failure::unlisted(b""))?;
    let out = &mut session.console.out;
    out.extend_from_slice(b"Timeout (tcp tcpfin udp):");
    for seconds in [timeouts.tcp, timeouts.tcp_fin, timeouts.udp] {
        out.push(b' ');
        text::put_decimal(out, seconds.into());
    }
    out.push(b'\n');
    Ok(())
}

pub(crate) fn daemons(session: &mut Session<'_>) -> Result<(), Failure> {
    for daemon in session.host.daemons().map_err(|_| Failure::unlisted(b""))? {
        put_daemon(&mut session.console.out, &daemon);
    }
    Ok(())
}

fn put_daemon(out: &mut Vec<u8>, daemon: &SyncDaemon) {
    out.extend_from_slice(match daemon.role {
        SyncRole::Master => b"master sync daemon (mcast=",
        SyncRole::Backup => b"backup sync daemon (mcast=",
    });
    out.extend_from_slice(&daemon.device);
    put_number(out, b", syncid=", Some(daemon.sync_id));
    put_number(out, b", maxlen=", daemon.max_length.map(u32::from));
    if let Some(group) = &daemon.group {
        out.extend_from_slice(b", group=");
        addresses::put(out, from_host(group));
    }
    put_number(out, b", port=", daemon.port.map(u32::from));
    put_number(out, b", ttl=", daemon.ttl.map(u32::from));
    out.extend_from_slice(b")\n");
}

fn put_number(out: &mut Vec<u8>, label: &[u8], number: Option<u32>) {
    if let Some(number) = number {
        out.extend_from_slice(label);
        text::put_signed(out, number);
    }
}
