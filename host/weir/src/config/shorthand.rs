//! A real server that is only an address may be written as that, without a table around it.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::reader::Value;

/// Makes tables of the addresses in `all` that stand for real servers.
pub(super) fn spell_out(all: &mut DeTable<'_>) {
    if let Some(DeValue::Array(services)) = all.get_mut("service").map(Spanned::get_mut) {
        for service in services.iter_mut() {
            if let DeValue::Table(service) = service.get_mut()
                && let Some(servers) = service.get_mut("server")
            {
                spell_out_list(servers);
            }
        }
    }
    if let Some(DeValue::Table(pools)) = all.get_mut("pool").map(Spanned::get_mut) {
        pools.iter_mut().for_each(|(_, servers)| spell_out_list(servers));
    }
}

fn spell_out_list(servers: &mut Value<'_>) {
    let DeValue::Array(servers) = servers.get_mut() else { return };
    for server in servers.iter_mut().filter(|it| it.get_ref().is_str()) {
        let span = server.span();
        let address = server.clone();
        let key = Spanned::new(span.clone(), "address".into());
        *server = Spanned::new(span, DeValue::Table([(key, address)].into_iter().collect()));
    }
}
