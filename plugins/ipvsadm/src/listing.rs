//! `-L`: what can be listed, and services with their real servers in one of six layouts.

mod connections;
mod counters;
mod general;
mod layout;
mod service;

use crate::{
    failure::{self, Failure},
    host::{Error, Scope, Service},
    names::Names,
    operations,
    options::{Command, Kind},
    request::Request,
    session::{self, Session},
    table::{Contents, Server},
    text,
};

use layout::Layout;
pub(crate) use service::{Lookup, endpoint};

/// Services whose names are asked for together.
const SERVICES_PER_LOOKUP: usize = 128;

/// Carries out `-L`.
pub(crate) fn run(session: &mut Session<'_>, request: &Request<'_>) -> Result<(), Failure> {
    let given = |kind| request.given.contains(kind);
    if given(Kind::Connection) {
        return connections::run(session, given(Kind::Numeric), given(Kind::PersistentConn));
    }
    if given(Kind::Timeout) {
        return general::timeouts(session);
    }
    if given(Kind::Daemon) {
        return general::daemons(session);
    }
    services(session, request)
}

/// What to say of a listing that failed.
pub(crate) fn unlisted(error: &Error) -> Failure {
    Failure::unlisted(failure::explain(Command::List, error).as_bytes())
}

fn services(session: &mut Session<'_>, request: &Request<'_>) -> Result<(), Failure> {
    let layout = Layout::of(request.given);
    let scope = if request.given.contains(Kind::Service) {
        Scope::One(operations::service_key(&request.service))
    } else {
        put_version(session);
        Scope::All
    };
    let table = session.host.read(&scope, layout.fields()).map_err(|error| unlisted(&error))?;
    session.console.out.extend_from_slice(layout.titles());
    let sorted = !request.given.contains(Kind::NoSort);
    let contents = Contents::load(&*table, layout.fields(), sorted);
    let mut names = Names::new(request.given.contains(Kind::Numeric));
    let exact = request.given.contains(Kind::Exact);
    put_pages(session, &contents, &mut names, |out, names, service, servers, lookup| {
        layout.put_service(out, names, service, exact);
        for server in servers {
            layout.put_server(out, names, server, lookup, exact);
        }
    });
    Ok(())
}

fn put_version(session: &mut Session<'_>) {
    let out = &mut session.console.out;
    out.extend_from_slice(b"IP Virtual Server version ");
    session::put_version(out, session.info.version);
    out.extend_from_slice(b" (size=");
    text::put_decimal(out, session.info.connection_table_size.into());
    out.extend_from_slice(b")\n");
}

/// Writes services with `put`, page by page, so that names are asked for many at a time.
pub(crate) fn put_pages(
    session: &mut Session<'_>,
    contents: &Contents,
    names: &mut Names,
    mut put: impl FnMut(&mut Vec<u8>, &Names, &Service, &mut dyn Iterator<Item = Server<'_>>, Lookup),
) {
    for first in (0..contents.size()).step_by(SERVICES_PER_LOOKUP) {
        let places = first..contents.size().min(first + SERVICES_PER_LOOKUP);
        if !names.is_numeric() {
            places.clone().for_each(|place| want_names(contents, place, names));
            names.resolve(session.host);
        }
        for place in places {
            let (service, mut servers) = contents.get(place);
            put(&mut session.console.out, names, service, &mut servers, lookup(service));
            session.console.settle(session.host);
        }
    }
}

fn want_names(contents: &Contents, place: usize, names: &mut Names) {
    let (service, servers) = contents.get(place);
    if let (_, Some((address, port, lookup))) = endpoint(&service.config.key) {
        names.want(address, port, lookup);
    }
    for server in servers {
        names.want(server.address(), server.port(), lookup(service));
    }
}

/// The names of ports of a service, and of its real servers, are its protocol's.
fn lookup(service: &Service) -> Lookup {
    endpoint(&service.config.key).1.and_then(|(_, _, lookup)| lookup)
}
