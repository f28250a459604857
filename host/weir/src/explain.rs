//! Why a weight is what it is, and why it changed. Pure.
//!
//! Every weight is decided from a list of words, which is kept. What changed between the
//! list of the last write and the one of this is the cause of this: nobody has to remember
//! to note it down.

use std::time::Duration;

use crate::{
    formula::{Says, Word, decider},
    plan::Decision,
};

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

/// What of `after` is new since `before`, or gone, and made the difference. `detail` is what
/// checks saw last. None = nothing did.
///
/// What decides alone made it, or the end of what did; only where nothing does is it the base, or
/// the gravest of what steers.
pub(crate) fn cause(
    now: Duration,
    before: &Decision,
    after: &Decision,
    detail: &str,
) -> Option<Cause> {
    let (decided, decides) = (decider(&before.words), decider(&after.words));
    let base = (before.base != after.base)
        .then(|| Cause::own(format!("base weight {}, was {}", after.base, before.base)));
    if let Some(word) = decides.filter(|it| !is_in(&before.words, it)) {
        return Some(said_anew(word, &before.words));
    }
    if base.is_some() && after.base == 0 && decides.is_none_or(|it| it.says == Says::Drain) {
        return base;
    }
    if let Some(word) = decided.filter(|it| !is_in(&after.words, it)) {
        return Some(no_longer_said(word, now, decides, detail));
    }
    let said = after.words.iter().filter(|it| !is_in(&before.words, it));
    let said = said.map(|it| (is_reached(after, it), it, said_anew(it, &before.words)));
    let gone = before.words.iter().filter(|it| !is_in(&after.words, it));
    let gone = gone.map(|it| (is_reached(before, it), it, no_longer_said(it, now, None, detail)));
    let counts = |it: &Word| match (decided, decides) {
        (None, None) => it.says.steers() || matches!(it.says, Says::Base(_)),
        // Both or neither end drains that stand.
        (Some(_), Some(_)) => false,
        _ => it.says == Says::Lifted,
    };
    let words = said.chain(gone).filter(|(_, it, _)| counts(it));
    let gravest = words.min_by_key(|(is_reached, it, _)| (!is_reached, it.says.rank()));
    match (gravest, base) {
        (Some((true, _, cause)), _) => Some(cause),
        (_, Some(base)) if decided.is_none() && decides.is_none() => Some(base),
        (gravest, _) => gravest.map(|it| it.2),
    }
}

fn is_in(words: &[Word], word: &Word) -> bool {
    words.iter().any(|it| it.who == word.who && it.says == word.says)
}

/// Whether this is the floor or the cap that the weight is at.
fn is_reached(decision: &Decision, word: &Word) -> bool {
    match word.says {
        Says::Floor(weight) | Says::Cap(weight) => decision.goal == Some(weight.max(1)),
        _ => false,
    }
}

fn said_anew(word: &Word, before: &[Word]) -> Cause {
    let Word { who, says, reason, .. } = word;
    let mut same = before.iter().filter(|it| it.who == word.who);
    let reason = match same.find(|it| it.says.rank() == says.rank()) {
        _ if !says.steers() => reason.clone(),
        Some(before) => format!("{says}, was {}: {reason}", before.says),
        None => format!("{says}: {reason}"),
    };
    Cause { who: who.clone(), reason }
}

/// It ended; what `decides` in its place, or what checks say, is told with it.
fn no_longer_said(word: &Word, now: Duration, decides: Option<&Word>, detail: &str) -> Cause {
    let Word { who, says, reason, .. } = word;
    let is_of_policy = ![Word::WEIR, Word::OPERATOR, Word::AGENT].contains(&who.as_str());
    let then = match decides {
        Some(word) => word.reason.as_str(),
        // Of what agents say, or policies steer by, checks know nothing.
        None if who == Word::AGENT || (is_of_policy && says.steers()) => "",
        None => detail,
    };
    let is_over = word.until.is_some_and(|it| it <= now);
    let reason = match (is_over, is_of_policy, then) {
        (true, false, then) if then.is_empty() || says.steers() => format!("over: {reason}"),
        (true, false, then) => format!("over: {reason}; {then}"),
        (true, true, _) => format!("lease ended: {says}"),
        (false, false, "") => format!("no longer: {reason}"),
        (false, false, then) => format!("no longer: {reason}; {then}"),
        (false, true, "") => format!("{says} withdrawn"),
        (false, true, then) => format!("{says} withdrawn: {then}"),
    };
    Cause { who: who.clone(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check(&[scale(500)], &[], "latency: scale 500 withdrawn");
    }

    /// What is said of one server by each who may say something.
    fn words(text: &str) -> Vec<Word> {
        let says = |it: &str| match it {
            "drained" => word("operator", Says::Zero, "drained by root"),
            "gone" => word("operator", Says::Absent, "drained by root"),
            "maintained" => word("operator", Says::Zero, "in maintenance by root"),
            "frozen" => word("operator", Says::Frozen(Some(100)), "frozen by root"),
            "down" => word("health-weight", Says::Drain, "refused"),
            "canary" => word("canary", Says::Drain, "rolled back"),
            "lifted" => word("weir", Says::Lifted, "nothing else could serve"),
            "held" => word("weir", Says::Held(100), "panic: too few are up"),
            "found" => word("weir", Says::Held(100), "as found"),
            "sorry" => word("weir", Says::Absent, "no quorum"),
            "waits" => word("weir", Says::Zero, "waits for its first pass"),
            "ramp" => word("weir", Says::Ramp(100_000), "it came back"),
            "more" => word("weir", Says::Ramp(150_000), "it came back"),
            "agent-drain" => word("agent", Says::Zero, "it said drain"),
            "agent-half" => word("agent", Says::Agent(500_000), "it said 50%"),
            "half" => word("latency", Says::Scale(500), "slow"),
            "less" => word("latency", Says::Scale(400), "slow"),
            "cap-30" => word("business", Says::Cap(30), "at night"),
            "cap-20" => word("business", Says::Cap(20), "at night"),
            other => panic!("{other}"),
        };
        text.split_whitespace().map(says).collect()
    }

    fn check_words(before: &str, after: &str, expected: &str) {
        check(&words(before), &words(after), expected);
    }

    #[test]
    fn what_decides_alone_is_the_cause_whatever_else_changed() {
        check_words("down held", "drained down", "operator: drained by root");
        check_words("down held", "agent-drain down", "agent: it said drain");
        check_words("down held", "drained down held", "-");
        check_words("found", "down", "health-weight: refused");
        check_words("ramp half", "half down", "health-weight: refused");
        check_words("half agent-half", "agent-drain", "agent: it said drain");
        check_words("down", "sorry", "weir: no quorum");
        check_words("", "waits maintained", "weir: waits for its first pass");
        check_words("drained", "drained gone", "operator: drained by root");
    }

    #[test]
    fn what_ended_is_told_with_what_decides_now() {
        check_words("down held", "down", "weir: no longer: panic: too few are up; refused");
        check_words("frozen", "", "operator: no longer: frozen by root; passed");
        check_words("frozen down", "down", "operator: no longer: frozen by root; refused");
        let drained = "operator: no longer: frozen by root; drained by root";
        check_words("frozen drained down", "drained down", drained);
        check_words("drained", "ramp", "operator: no longer: drained by root; passed");
        check_words(
            "maintained waits",
            "waits",
            "operator: no longer: in maintenance by root; \
                                                  waits for its first pass",
        );
        check_words("sorry", "ramp", "weir: no longer: no quorum; passed");
        check_words("agent-drain", "", "agent: no longer: it said drain");
        check_words("agent-half", "", "agent: no longer: it said 50%");
        check_words("down", "ramp agent-half", "health-weight: drain withdrawn: passed");
    }

    #[test]
    fn drains_are_lifted_and_followed_again() {
        check_words("canary", "canary lifted", "weir: nothing else could serve");
        let followed = "weir: no longer: nothing else could serve; passed";
        check_words("canary lifted half", "canary less", followed);
        let ramped = "weir: slow start 15%, was slow start 10%: it came back";
        check_words("ramp", "more canary lifted", ramped);
    }

    #[test]
    fn the_cap_that_is_reached_is_the_cause_and_no_other() {
        let check = |before: (&str, u32), after: (&str, u32), expected: &str| {
            let decision = |(text, goal): (&str, u32)| Decision {
                words: words(text),
                goal: Some(goal),
                ..Decision::default()
            };
            let cause = cause(NOW, &decision(before), &decision(after), "passed").unwrap();
            assert_eq!(format!("{}: {}", cause.who, cause.reason), expected);
        };
        let capped = "business: cap 20, was cap 30: at night";
        check(("less cap-30", 30), ("half cap-20", 20), capped);
        check(("half cap-30", 30), ("less", 40), "business: cap 30 withdrawn");
        let scaled = "latency: scale 400, was scale 500: slow";
        check(("half cap-30", 25), ("less cap-20", 19), scaled);
    }

    #[test]
    fn the_base_is_the_cause_where_nothing_decides_alone() {
        let check = |before: (u32, &str), after: (u32, &str), expected: &str| {
            let decision = |(base, text): (u32, &str)| Decision {
                base,
                words: words(text),
                ..Decision::default()
            };
            let cause = cause(NOW, &decision(before), &decision(after), "passed");
            let reason = cause.map_or_else(|| "-".to_owned(), |it| it.reason);
            assert_eq!(reason, expected);
        };
        check((100, "ramp"), (50, "more"), "base weight 50, was 100");
        check((100, "down held"), (0, "down"), "base weight 0, was 100");
        check((100, "down"), (50, ""), "drain withdrawn: passed");
        // Someone else set another base while it was down.
        check((100, "down"), (50, "down agent-half"), "-");
        check((100, ""), (0, "drained"), "drained by root");
    }

    #[test]
    fn what_ended_by_itself_is_told_so() {
        let leased = Word { until: Some(NOW), ..word("latency", Says::Cap(3), "busy") };
        check(&[leased], &[], "latency: lease ended: cap 3");
        let over = Word { until: Some(NOW), ..word("weir", Says::Zero, "flapping") };
        check(&[over], &[], "weir: over: flapping; passed");
        let down = word("health-weight", Says::Drain, "refused");
        let doubt = word("weir", Says::Frozen(Some(100)), "half of all ceased to pass");
        let doubt = Word { until: Some(NOW), ..doubt };
        let followed = "weir: over: half of all ceased to pass; refused";
        check(&[doubt, down.clone()], &[down], followed);
        let ramp = Word { until: Some(NOW), ..word("weir", Says::Ramp(950_000), "it came back") };
        check(&[ramp], &[], "weir: over: it came back");
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
