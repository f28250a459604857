//! Why a weight is what it is, and why it changed. Pure.
//!
//! Every weight is decided from a list of words, which is kept. What changed between the
//! list of the last write and the one of this is the cause of this: nobody has to remember
//! to note it down.

use std::time::Duration;

use crate::{formula::Word, plan::Decision};

/// Why a weight changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Whose word it is; `weir` for the host's own.
    pub(crate) who: String,
    /// For people.
    pub(crate) reason: String,
}

impl Cause {
    /// weir's own.
    pub(crate) fn own(reason: impl Into<String>) -> Self {
        Self { who: Word::WEIR.to_owned(), reason: reason.into() }
    }
}

/// What of `after` is new since `before`, or gone; the gravest, if there is more. `detail`
/// is what checks saw last. None = nothing is.
pub(crate) fn cause(
    now: Duration,
    before: &Decision,
    after: &Decision,
    detail: &str,
) -> Option<Cause> {
    let is_in = |words: &[Word], word: &Word| {
        words.iter().any(|it| it.who == word.who && it.says == word.says)
    };
    let said = after.words.iter().filter(|it| !is_in(&before.words, it));
    let said = said.map(|it| (it, said_anew(it, &before.words)));
    let gone = before.words.iter().filter(|it| !is_in(&after.words, it));
    let gone = gone.map(|it| (it, no_longer_said(it, now, detail)));
    let gravest = said.chain(gone).min_by_key(|(it, _)| it.says.rank());
    if let Some((word, reason)) = gravest {
        return Some(Cause { who: word.who.clone(), reason });
    }
    (before.base != after.base)
        .then(|| Cause::own(format!("base weight {}, was {}", after.base, before.base)))
}

fn said_anew(word: &Word, before: &[Word]) -> String {
    let Word { says, reason, .. } = word;
    if !says.steers() {
        return reason.clone();
    }
    let mut same = before.iter().filter(|it| it.who == word.who);
    match same.find(|it| it.says.rank() == says.rank()) {
        Some(before) => format!("{says}, was {}: {reason}", before.says),
        None => format!("{says}: {reason}"),
    }
}

fn no_longer_said(word: &Word, now: Duration, detail: &str) -> String {
    let is_own = [Word::WEIR, Word::OPERATOR].contains(&word.who.as_str());
    match word.until {
        Some(until) if until <= now && is_own => format!("over: {}", word.reason),
        Some(until) if until <= now => format!("lease ended: {}", word.says),
        _ if is_own => format!("no longer: {}; {detail}", word.reason),
        _ => format!("{} withdrawn: {detail}", word.says),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::Says;

    const NOW: Duration = Duration::from_secs(100);

    fn word(who: &str, says: Says, reason: &str) -> Word {
        let since = Duration::ZERO;
        Word { who: who.into(), says, reason: reason.into(), since, until: None }
    }

    fn check(before: &[Word], after: &[Word], expected: &str) {
        let decision = |words: &[Word]| Decision { words: words.to_vec(), ..Decision::default() };
        let cause = cause(NOW, &decision(before), &decision(after), "passed");
        let shown = cause.map_or_else(|| "-".to_owned(), |it| format!("{}: {}", it.who, it.reason));
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_new_word_is_the_cause_by_its_reason() {
        let ramp = word("weir", Says::Ramp(100_000), "slow start");
        let both = [ramp, word("health-weight", Says::Drain, "refused")];
        check(&[], &both, "health-weight: refused");
        check(&both[..1], &both, "health-weight: refused");
        check(&both[1..], &both[..1], "health-weight: drain withdrawn: passed");
    }

    #[test]
    fn a_number_is_told_with_the_one_before() {
        let scale = |to| word("latency", Says::Scale(to), "slow");
        check(&[], &[scale(500)], "latency: scale 500: slow");
        check(&[scale(500)], &[scale(400)], "latency: scale 400, was scale 500: slow");
        check(&[scale(500)], &[], "latency: scale 500 withdrawn: passed");
    }

    #[test]
    fn what_ended_by_itself_is_told_so() {
        let leased = Word { until: Some(NOW), ..word("latency", Says::Cap(3), "busy") };
        check(&[leased], &[], "latency: lease ended: cap 3");
        let over = Word { until: Some(NOW), ..word("weir", Says::Zero, "flapping") };
        check(&[over], &[], "weir: over: flapping");
        check(
            &[word("weir", Says::Zero, "waits for its first pass")],
            &[],
            "weir: no longer: waits for its first pass; passed",
        );
    }

    #[test]
    fn without_other_words_it_is_the_base_or_nothing() {
        let decision = |base| Decision { base, ..Decision::default() };
        let found = cause(NOW, &decision(100), &decision(50), "").unwrap();
        assert_eq!(found, Cause::own("base weight 50, was 100"));
        check(&[], &[], "-");
    }
}
