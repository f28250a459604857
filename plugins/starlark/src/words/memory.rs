//! What a policy has the host keep for good.

use starlark::{
    environment::GlobalsBuilder,
    starlark_module,
    values::{Heap, Value, none::NoneType},
};
use weir_sdk::policy::{self, Failure};

use super::kept::to_json;

/// Functions for remembering.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// What was remembered under this name, over restarts of the plugin and of weir; None =
    /// nothing.
    fn recall<'v>(name: &str, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let value: Option<serde_json::Value> = policy::recall(name);
        Ok(value.map_or_else(Value::new_none, |it| heap.alloc(it)))
    }

    /// Has the host keep this for good: numbers, text, lists, dictionaries; None = no more.
    fn remember(name: &str, value: Value<'_>) -> anyhow::Result<NoneType> {
        if value.is_none() {
            policy::forget(name);
            return Ok(NoneType);
        }
        let failed = |failure: Failure| anyhow::anyhow!(failure.message);
        policy::remember(name, &to_json(value)?).map_err(failed)?;
        Ok(NoneType)
    }
}
