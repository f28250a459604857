//! Words that were meant, for those that were mistyped.

/// The word of `known` that `word` could be mistyped: `_` for `-`, or two letters'
/// difference.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.replace('_', "-");
    let near = known.iter().map(|it| (distance(&word, it), *it));
    // Of short words two letters are nearly all.
    let near = near.filter(|(distance, it)| *distance <= 2 && *distance < it.len().min(word.len()));
    near.min_by_key(|(distance, _)| *distance).map(|(_, it)| it)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, a) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (index, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[index + 1];
            row[index + 1] = changed.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, &["interval", "fast", "log-lines", "to"]), expected, "{word}");
    }

    #[test]
    fn a_mistyped_word_is_recognised() {
        check("intervall", Some("interval"));
        check("fats", Some("fast"));
        check("log_lines", Some("log-lines"));
        check("x", None);
        check("weight", None);
    }
}
