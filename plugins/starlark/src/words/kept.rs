//! Values as JSON, which is how the host keeps them.

use starlark::values::{Value, dict::DictRef, list::ListRef, tuple::TupleRef};

/// Refuses what would come back as something else: JSON has no number that is infinite or none,
/// and no integer of more than 64 bits.
pub(super) fn to_json(value: Value<'_>) -> anyhow::Result<serde_json::Value> {
    // First of all, for it looks for what holds itself.
    let json = value.to_json_value()?;
    check(value)?;
    Ok(json)
}

fn check(value: Value<'_>) -> anyhow::Result<()> {
    if let Some(list) = ListRef::from_value(value) {
        return list.iter().try_for_each(check);
    }
    if let Some(tuple) = TupleRef::from_value(value) {
        return tuple.content().iter().try_for_each(|it| check(*it));
    }
    if let Some(dict) = DictRef::from_value(value) {
        return dict.iter().try_for_each(|(_, it)| check(it));
    }
    let is_kept = match value.get_type() {
        "int" => value.to_json_value().is_ok_and(|it| it.is_i64() || it.is_u64()),
        "float" => value.to_json_value()?.is_f64(),
        _ => true,
    };
    anyhow::ensure!(
        is_kept,
        "{value}: expected a number that is finite, and an integer of at most 64 bits"
    );
    Ok(())
}
