//! What went wrong in a script, for its author: one line with file, line and the line
//! itself.

use std::fmt::Write as _;

use starlark::{Error, codemap::FileSpan};

use crate::place;

/// `policy.star:3: Variable `changed` not found: weights.drain(changed.server)`, and the lines
/// that led there.
pub(crate) fn describe(error: &Error) -> String {
    let message = error.without_diagnostic().to_string();
    let message = first_line(&message);
    let Some(span) = error.span().cloned().or_else(place::statement) else {
        return message.to_owned();
    };
    let mut text = with_line(&span, message);
    let calls = error.call_stack().frames.iter().rev().filter_map(|it| it.location.as_ref());
    let mut last = position(&span);
    for call in calls {
        // A call that failed itself is the line that failed.
        if position(call) != last {
            let _ = write!(text, ", called from {}: {}", position(call), line(call));
            last = position(call);
        }
    }
    text
}

/// What went wrong, and not where: for a script that goes on. What it said itself by `fail` is
/// nothing else than that.
pub(crate) fn message(error: &Error) -> String {
    let message = error.without_diagnostic().to_string();
    let message = first_line(&message);
    message.strip_prefix("fail: ").unwrap_or(message).to_owned()
}

/// `policy.star:3: MESSAGE: x = 1 // 0`.
pub(crate) fn with_line(span: &FileSpan, message: &str) -> String {
    format!("{}: {message}: {}", position(span), line(span))
}

/// `policy.star:3: x = 1 // 0`.
pub(crate) fn here(span: &FileSpan) -> String {
    format!("{}: {}", position(span), line(span))
}

fn position(span: &FileSpan) -> String {
    format!("{}:{}", span.filename(), span.resolve_span().begin.line + 1)
}

fn line(span: &FileSpan) -> String {
    span.file.source_line_at_pos(span.span.begin()).trim().to_owned()
}

/// What is said first; what follows in some messages is advice to others.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end_matches('.')
}
