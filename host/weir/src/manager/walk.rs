//! The look at the whole table for edits by others, again and again: part by part, so that of a
//! big table nothing waits for all.
//!
//! What is looked at meanwhile for another reason, and all that is written is looked at first,
//! is passed over: the walk may show it as it was before.

use std::time::Duration;

use weir_ipvs::{Error, Fields, Ipvs, TableEntry};

use super::{Manager, Now};

/// How often it begins.
const EVERY: Duration = Duration::from_secs(10);

/// Services that are looked at before the manager looks for events again. One takes some 10 us,
/// in a guest kernel 60. In tests so few that their tables take several turns, too.
const WALKED_AT_ONCE: usize = if cfg!(test) { 2 } else { 128 };

impl Manager {
    /// Has the next walk begin when the usual time has passed; one that is under way ends.
    pub(super) fn walk_later(&mut self, now: Now) {
        self.walk = None;
        (self.next_poll, self.next_walk) = (Duration::MAX, now.monotonic.saturating_add(EVERY));
    }

    /// Looks at the next part of the table, and undoes what others edited of it where that is
    /// ours to undo.
    pub(super) fn walk_on(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        if let Err(error) = self.look_on(now, ipvs) {
            self.walk = None;
            return self.trouble(now, "read the table", &error);
        }
        if self.walk.is_some() {
            return self.write(now, ipvs);
        }
        self.no_trouble("read the table");
        self.write_all(now, ipvs);
    }

    /// Takes the next part in; after the last there is no walk any more.
    fn look_on(&mut self, now: Now, ipvs: &mut dyn Ipvs) -> Result<(), Error> {
        if self.walk.is_none() {
            self.walk_later(now);
            self.walk = Some(ipvs.walk(Fields::BUT_STATS)?);
            self.world.refresh(ipvs);
            self.begin_look();
        }
        for _ in 0..WALKED_AT_ONCE {
            let Some(walk) = &mut self.walk else { break };
            match walk.next().transpose()? {
                Some(entry) => self.pass(now, entry),
                None => {
                    self.walk = None;
                    self.end_look(now);
                }
            }
        }
        Ok(())
    }

    fn pass(&mut self, now: Now, mut entry: TableEntry) {
        let claim = self.claims.get(&entry.service.config.key);
        if claim.is_none_or(|it| it.look < self.look) {
            self.world.add_stats(&mut entry);
            self.take_in(now, entry);
        }
    }
}
