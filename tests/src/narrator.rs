//! A demonstration that tells what it does, checks every claim, and sums up.

use std::{
    io::{self, Write as _},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Tells a story, and counts which of its claims held.
pub struct Narrator {
    start: Instant,
    claims: Vec<(String, bool)>,
}

impl Default for Narrator {
    fn default() -> Self {
        Self { start: now(), claims: Vec::new() }
    }
}

impl Narrator {
    /// Begins the next step.
    pub fn step(&self, text: &str) {
        say(&format!("\n[{:5.1} s] {text}", self.elapsed().as_secs_f64()));
    }

    /// Says whether something that should hold does.
    pub fn check(&mut self, text: &str, holds: bool) {
        say(&format!("          {} {text}", if holds { "ok:" } else { "FAILED:" }));
        self.claims.push((text.to_owned(), holds));
    }

    /// How long it has been telling.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Sums up; the number of claims that did not hold.
    pub fn summary(&self, place: &str) -> usize {
        let failed: Vec<_> = self.claims.iter().filter(|(_, holds)| !holds).collect();
        say(&format!(
            "\n{} of {} checks held, in {:.0} s on {place}.",
            self.claims.len() - failed.len(),
            self.claims.len(),
            self.elapsed().as_secs_f64()
        ));
        for (text, _) in &failed {
            say(&format!("failed: {text}"));
        }
        failed.len()
    }
}

/// The time, for those who tell how long something took.
#[expect(clippy::disallowed_methods, reason = "a demonstration is a shell: it owns its clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Prints a line; lines of two threads do not mix.
pub fn say(text: &str) {
    static OUTPUT: Mutex<()> = Mutex::new(());
    let _guard = OUTPUT.lock();
    let _ = writeln!(io::stdout(), "{text}");
}
