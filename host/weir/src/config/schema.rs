//! The JSON Schema of the configuration, from the rows of [`keys`](super::keys).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{
    TOP,
    keys::{Row, Table},
};

/// The JSON Schema, for editors and for programs that write configurations.
pub(crate) fn schema() -> Json {
    let all = all_tables();
    let is_part =
        |it: &&Table| all.iter().any(|of| of.parts.iter().any(|part| part.name == it.name));
    let whole = all.iter().filter(|it| !is_part(it));
    let mut definitions: BTreeMap<_, _> = whole.map(|it| (it.name, definition(it))).collect();
    let top = definitions.remove(TOP.name).unwrap_or_default();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of weir",
        "$defs": definitions,
    });
    if let (Json::Object(schema), Json::Object(top)) = (&mut schema, top) {
        schema.extend(top);
    }
    schema
}

/// Every table.
pub(super) fn all_tables() -> Vec<&'static Table> {
    let mut all = Vec::new();
    tables(&TOP, &mut all);
    all
}

/// Every table that can be reached from this one.
fn tables(table: &'static Table, found: &mut Vec<&'static Table>) {
    if !found.iter().any(|it| it.name == table.name) {
        found.push(table);
        table.rows().filter_map(Row::table).for_each(|it| tables(it, found));
        table.parts.iter().for_each(|it| tables(it, found));
    }
}

fn definition(table: &Table) -> Json {
    let property = |row: &dyn Row| (row.name().to_owned(), property(row));
    let properties: Map<String, Json> = table.all_rows().map(property).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn property(row: &dyn Row) -> Json {
    let mut schema = row.schema();
    let default = row.default();
    if let Json::Object(schema) = &mut schema {
        schema.insert("description".into(), described(row).into());
        if let Ok(default) = serde_json::from_str::<Json>(default.trim_matches('`')) {
            schema.insert("default".into(), default);
        }
    }
    schema
}

/// What it means and which values it has, in Markdown.
pub(super) fn described(row: &dyn Row) -> String {
    let range = row.range();
    match (row.meaning(), range.as_str()) {
        (meaning, "") => meaning.to_owned(),
        ("", range) => range.to_owned(),
        (meaning, range) => format!("{meaning}; {range}"),
    }
}
