//! Where weir differs from the original on purpose, so that no run compares it.
//!
//! Each has its line, with the reason, in weir's own documentation of ipvsadm.

use super::sides::Step;

/// Why the step is not compared, if it is not.
pub(crate) fn reason(step: &Step) -> Option<&'static str> {
    let script = step.stdin.as_deref().unwrap_or_default();
    let lines = script.split(|&it| it == b'\n').map(|line| line.split(u8::is_ascii_whitespace));
    if has_only_commas(step.args.iter().map(Vec::as_slice))
        || lines.into_iter().any(has_only_commas)
    {
        return Some("the original crashes on flags that are commas only");
    }
    if script.ends_with(b"  ") || script.ends_with(b"\t ") {
        return Some("the original drops a last line that ends in two blanks and no newline");
    }
    None
}

fn has_only_commas<'a>(mut tokens: impl Iterator<Item = &'a [u8]>) -> bool {
    tokens.any(|token| {
        let value = token.strip_prefix(b"--sched-flags=").unwrap_or(token);
        let value = value.strip_prefix(b"-b").unwrap_or(value);
        let value = value.strip_prefix(b"=").unwrap_or(value);
        !value.is_empty() && value.iter().all(|&it| it == b',')
    })
}
