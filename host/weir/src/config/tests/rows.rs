//! The rows of keys, and what follows from them: the reader, the manual, the schema.

use std::{env, fs, path::PathBuf};

use super::*;
use crate::config::{keys::Row, manual::with_tables, schema::all_tables};

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Whether the file is as generated; with `WEIR_UPDATE` in the environment, makes it so.
fn check_current(name: &str, generated: &str) {
    let path = docs(name);
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found != generated && env::var_os("WEIR_UPDATE").is_some() {
        fs::write(&path, generated).unwrap();
        return;
    }
    assert!(found == generated, "{name} is not current: run this test with WEIR_UPDATE=1");
}

#[test]
fn the_manual_has_the_tables_of_keys() {
    for name in ["configuration.md", "checks.md"] {
        let current = with_tables(&fs::read_to_string(docs(name)).unwrap());
        assert!(!current.contains("there is no table"), "{current}");
        check_current(name, &current);
    }
}

#[test]
fn the_schema_is_current() {
    let schema = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    check_current("weir.schema.json", &schema);
}

/// Wherever the schema lists words, and whatever it holds beneath.
fn check_words(schema: &serde_json::Value, found: &mut usize) {
    let Some(object) = schema.as_object() else {
        return schema.as_array().into_iter().flatten().for_each(|it| check_words(it, found));
    };
    if object.contains_key("enum") {
        panic!("nothing but these words may stand there: {schema}");
    }
    let any = object.get("anyOf").and_then(serde_json::Value::as_array).into_iter().flatten();
    let (words, others): (Vec<_>, Vec<_>) = any.partition(|it| it.get("enum").is_some());
    if !words.is_empty() {
        let reference = serde_json::json!({"type": "string", "pattern": "\\$\\{"});
        assert!(others.contains(&&reference), "{schema}");
        *found += 1;
    }
    others.into_iter().for_each(|it| check_words(it, found));
    let rest = object.iter().filter(|it| it.0 != "anyOf");
    rest.for_each(|(_, it)| check_words(it, found));
}

#[test]
fn the_schema_allows_references_in_the_place_of_words() {
    let mut found = 0;
    check_words(&schema(), &mut found);
    assert!(found > 10, "{found}");
}

/// A configuration in which `row` is a line of the table of this name.
fn around(table: &str, key: &str, row: &str) -> String {
    let service =
        |lines: &str| format!("[[service]]\nname = \"web\"\naddress = \"10.0.0.1:80\"\n{lines}");
    let of_service = [("name", "name = \"web\"\n"), ("address", "address = \"10.0.0.1:80\"\n")];
    let rest = of_service.iter().filter(|it| it.0 != key).map(|it| it.1).collect::<String>();
    match table {
        "top" => row.to_owned(),
        "service" => format!("[[service]]\n{rest}{row}"),
        "server" if key == "address" => service(&format!("[[service.server]]\n{row}")),
        "server" => service(&format!("[[service.server]]\naddress = \"10.0.0.2:80\"\n{row}")),
        "tunnel" if key == "type" => service(&format!(
            "[[service.server]]\naddress = \"10.0.0.2\"\n[service.server.tunnel]\n{row}"
        )),
        "tunnel" if key == "checksum" => service(&format!(
            "forwarding = \"tunnel\"\n[[service.server]]\naddress = \"10.0.0.2\"\n\
             [service.server.tunnel]\ntype = \"gue\"\nport = 6080\n{row}"
        )),
        "tunnel" => service(&format!(
            "forwarding = \"tunnel\"\n[[service.server]]\naddress = \"10.0.0.2\"\n\
             [service.server.tunnel]\ntype = \"gue\"\n{row}"
        )),
        "via" => format!("[check.via]\n{row}"),
        "self-probe" if key == "address" => format!("[[self-probe]]\n{row}"),
        "self-probe" => format!("[[self-probe]]\naddress = \"10.0.0.254\"\n{row}"),
        "match" if key == "name" => format!("[[match]]\nprotocol = \"tcp\"\n{row}"),
        "match" => format!("[[match]]\nname = \"m\"\n{row}"),
        "profile" => format!("[profile.p]\n{row}"),
        "sync" => format!("[[sync]]\n{row}"),
        "plugin" => format!("[plugin.p]\n{row}"),
        "grant" | "limits" => {
            format!("[plugin.p]\ncomponent = \"drain\"\n[plugin.p.{table}]\n{row}")
        }
        "weights" => {
            format!("[plugin.p]\ncomponent = \"drain\"\n[plugin.p.grant.weights]\n{row}")
        }
        "structure" => {
            let start = "[plugin.p]\ncomponent = \"drain\"\n[plugin.p.grant.structure]\n";
            format!("{start}{row}")
        }
        "secret" => {
            let start = "[plugin.p]\ncomponent = \"drain\"\n[plugin.p.grant.secrets.token]\n";
            format!("{start}{row}")
        }
        "checker" if key == "plugin" => format!("[check]\ntype = \"plugin\"\n{row}"),
        "checker" => format!("[check]\ntype = \"plugin\"\nplugin = \"p\"\n{row}"),
        "http" | "degraded" => format!("[check]\ntype = \"https\"\n{row}"),
        "tls" | "grpc" | "udp" | "dns" | "command" => {
            format!("[check]\ntype = \"{}\"\n{row}", table.replace("grpc", "grpcs"))
        }
        "embedded" => format!("backend = \"embedded\"\n[embedded]\n{row}"),
        other => format!("[{other}]\n{row}"),
    }
}

/// A value that no key takes is a mistake at every key: so each row has a reader.
#[test]
fn every_row_is_read() {
    for table in all_tables() {
        for key in table.rows().map(Row::name) {
            let text = around(table.name, key, &format!("{key} = 1979-05-27\n"));
            let Err(found) = parse("weir.toml", &text) else {
                panic!("{}: {key} is not read\n{text}", table.name)
            };
            let found = found.to_string();
            let is_complaint = found.contains("a date") || found.contains("expected tables");
            let is_named = found.contains(key) && is_complaint;
            assert!(is_named, "{}: {key}: {found}\n{text}", table.name);
        }
    }
}
