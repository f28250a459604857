//! `attempt`: a failure that is a value, where one is no reason to end the call.

use starlark::{
    ErrorKind,
    collections::SmallMap,
    environment::GlobalsBuilder,
    eval::Evaluator,
    starlark_module,
    values::{Value, tuple::UnpackTuple},
};

use super::target;
use crate::problem;

/// Functions for failing in part.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// Calls this function with all that follows: what it returned and None, or None and why it
    /// failed. Limits of the call are not put off by it: the interpreter looks at them again when
    /// the call ends.
    fn attempt<'v>(
        #[starlark(require = pos)] function: Value<'v>,
        #[starlark(args)] args: UnpackTuple<Value<'v>>,
        #[starlark(kwargs)] kwargs: SmallMap<String, Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<(Value<'v>, Value<'v>)> {
        let named = Vec::from_iter(kwargs.iter().map(|(name, it)| (name.as_str(), *it)));
        match eval.eval_function(function, &args.items, &named) {
            Ok(value) => Ok((value, Value::new_none())),
            Err(error) if matches!(error.kind(), ErrorKind::StackOverflow(_)) => Err(error),
            Err(error) => {
                // A question in vain is the script's to judge now, and not what its check found.
                target::unreached();
                Ok((Value::new_none(), eval.heap().alloc(problem::message(&error))))
            }
        }
    }
}
