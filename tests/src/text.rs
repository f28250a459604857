//! Compares texts line by line.

/// The lines of both texts: `-` before what only the expected one has, `+` before what
/// only the actual one has.
pub fn diff(expected: &str, actual: &str) -> String {
    let expected: Vec<&str> = expected.split_inclusive('\n').collect();
    let actual: Vec<&str> = actual.split_inclusive('\n').collect();
    let common = common_lines(&expected, &actual);
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < expected.len() || j < actual.len() {
        let both = i < expected.len() && j < actual.len();
        if both && expected[i] == actual[j] {
            push(&mut text, ' ', expected[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == actual.len() || i < expected.len() && common[i + 1][j] >= common[i][j + 1] {
            push(&mut text, '-', expected[i]);
            i += 1;
        } else {
            push(&mut text, '+', actual[j]);
            j += 1;
        }
    }
    text
}

/// How many lines the texts from line `i` and `j` on have in common.
fn common_lines(expected: &[&str], actual: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; actual.len() + 1]; expected.len() + 1];
    for i in (0..expected.len()).rev() {
        for j in (0..actual.len()).rev() {
            common[i][j] = if expected[i] == actual[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    common
}

fn push(text: &mut String, sign: char, line: &str) {
    text.push(sign);
    text.push_str(line);
    if !line.ends_with('\n') {
        text.push_str("\n\\ no newline at the end\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_are_marked() {
        assert_eq!(diff("a\nb\nc\n", "a\nc\nd\n"), " a\n-b\n c\n+d\n");
        assert_eq!(diff("a", "a\n"), "-a\n\\ no newline at the end\n+a\n");
        assert_eq!(diff("", ""), "");
    }
}
