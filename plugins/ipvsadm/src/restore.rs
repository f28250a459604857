//! `-R`: a stream of lines from stdin, each carried out as a command line of its own.

use crate::session::{Next, Session};

/// Bytes of a token that are looked at.
const TOKEN_BYTES_MAX: usize = 4096;

/// Carries out lines until the end of input or a line that ends the run. The status is
/// that of the last line carried out.
pub(crate) fn run(session: &mut Session<'_>) -> Next {
    let mut pending = Vec::new();
    loop {
        // Whoever writes lines one by one sees each take effect.
        session.settle();
        session.console.show(session.host);
        match session.host.read_input() {
            Ok(chunk) if chunk.is_empty() => return last_line(session, &pending),
            Ok(chunk) => {
                // Only a line that began in an earlier chunk is copied.
                let Some(end) = chunk.iter().position(|&byte| byte == b'\n') else {
                    pending.extend_from_slice(&chunk);
                    continue;
                };
                pending.extend_from_slice(&chunk[..=end]);
                let rest = &chunk[end + 1..];
                let complete =
                    rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                for lines in [pending.as_slice(), &rest[..complete]] {
                    if let Next::Exit(status) = run_lines(session, lines) {
                        return Next::Exit(status);
                    }
                }
                pending.clear();
                pending.extend_from_slice(&rest[complete..]);
            }
            // The original takes it for the end of input.
            Err(problem) => {
                let advice = ["Cannot read the rules: ", &problem, ". Use `ipvsadm -R < FILE'."];
                session.console.advise(session.host, &advice.concat());
                return last_line(session, &pending);
            }
        }
    }
}

/// Carries out complete lines.
pub(crate) fn run_lines(session: &mut Session<'_>, text: &[u8]) -> Next {
    let mut tokens = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        tokens.clear();
        tokens.extend(
            line.split(is_blank).filter(|token| !token.is_empty() && *token != b"ipvsadm").map(cut),
        );
        if tokens.is_empty() {
            continue;
        }
        if let Next::Exit(status) = session.execute(&tokens, true) {
            return Next::Exit(status);
        }
    }
    Next::Line
}

/// Carries out what came after the last end of line, unless two blanks end it: such a
/// line the original loses.
fn last_line(session: &mut Session<'_>, line: &[u8]) -> Next {
    match line {
        [.., last, end] if is_blank(last) && is_blank(end) => Next::Line,
        _ => run_lines(session, line),
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// A token as a C string in a buffer of limited size.
fn cut(token: &[u8]) -> &[u8] {
    let token = &token[..token.len().min(TOKEN_BYTES_MAX)];
    token.iter().position(|&byte| byte == 0).map_or(token, |end| &token[..end])
}
