//! Timers of many things, by number: set and moved in constant time, fired in order.
//!
//! A hierarchical wheel: each level has 64 slots, each as long as a whole turn of the level
//! below. A timer lies in the slot that is the first to differ, from the top, between now
//! and its time, and comes down a level whenever its slot begins. Setting it later than its
//! slot begins only notes the new time, so that a packet costs a store.

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_MASK: u64 = SLOTS as u64 - 1;
/// Enough for any tick of 64 bits.
const LEVELS: usize = 11;
const NONE: u32 = u32::MAX;

/// Timers of things numbered from 0, densely.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Up to here all has been fired.
    now: u64,
    /// The first timer of every slot, level by level.
    heads: [[u32; SLOTS]; LEVELS],
    /// Which slots of each level hold timers.
    occupied: [u64; LEVELS],
    timers: Vec<Timer>,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    /// When it is to fire.
    expires: u64,
    /// When its slot begins. [`NEVER`] if it lies in none.
    begins: u64,
    next: u32,
    previous: u32,
    level: u8,
    slot: u8,
}

#[cfg(test)]
pub(super) const BYTES: usize = size_of::<Timer>();
const NEVER: u64 = u64::MAX;

impl Default for Wheel {
    fn default() -> Self {
        Self { now: 0, heads: [[NONE; SLOTS]; LEVELS], occupied: [0; LEVELS], timers: Vec::new() }
    }
}

impl Wheel {
    /// Makes `timer` fire at `expires`, but not before the tick after now.
    pub(super) fn set(&mut self, timer: u32, expires: u64) {
        let index = timer as usize;
        if index >= self.timers.len() {
            self.timers.resize(index + 1, Timer::IDLE);
        }
        let expires = expires.max(self.now + 1);
        let set = &mut self.timers[index];
        set.expires = expires;
        if set.begins <= expires {
            return;
        }
        if set.begins != NEVER {
            self.unlink(timer);
        }
        self.link(timer);
    }

    /// When it is to fire.
    pub(super) fn expires(&self, timer: u32) -> u64 {
        self.timers[timer as usize].expires
    }

    /// Makes a timer that was set fire no more.
    pub(super) fn clear(&mut self, timer: u32) {
        if self.timers[timer as usize].begins != NEVER {
            self.unlink(timer);
        }
    }

    /// The tick of the next thing to do; nothing fires before.
    pub(super) fn deadline(&self) -> Option<u64> {
        let level = self.occupied.iter().position(|occupied| *occupied != 0)?;
        Some(self.begin(level, self.occupied[level].trailing_zeros()))
    }

    /// Comes to `tick`, which is not after the next deadline, and returns the timers that
    /// fire; they are set no more.
    pub(super) fn advance(&mut self, tick: u64) -> Vec<u32> {
        let mut fired = Vec::new();
        // Slots of several levels may begin with the same tick.
        while let Some(deadline) = self.deadline().filter(|deadline| *deadline <= tick) {
            let level = self.occupied.iter().position(|it| *it != 0).expect("there is a deadline");
            let slot = self.occupied[level].trailing_zeros() as usize;
            self.now = deadline;
            self.occupied[level] &= !(1 << slot);
            let mut timer = std::mem::replace(&mut self.heads[level][slot], NONE);
            while timer != NONE {
                let taken = &mut self.timers[timer as usize];
                let next = taken.next;
                taken.begins = NEVER;
                if taken.expires <= deadline {
                    fired.push(timer);
                } else {
                    self.link(timer);
                }
                timer = next;
            }
        }
        self.now = self.now.max(tick);
        fired
    }

    fn link(&mut self, timer: u32) {
        let expires = self.timers[timer as usize].expires;
        let level = ((self.now ^ expires) | 1).ilog2() / SLOT_BITS;
        let shift = level * SLOT_BITS;
        let slot = expires >> shift & SLOT_MASK;
        let (level, slot) = (narrow(level.into()), narrow(slot));
        let head = &mut self.heads[usize::from(level)][usize::from(slot)];
        let next = std::mem::replace(head, timer);
        if next != NONE {
            self.timers[next as usize].previous = timer;
        }
        self.occupied[usize::from(level)] |= 1 << slot;
        let begins = expires >> shift << shift;
        self.timers[timer as usize] = Timer { expires, begins, next, previous: NONE, level, slot };
    }

    fn unlink(&mut self, timer: u32) {
        let taken = &mut self.timers[timer as usize];
        taken.begins = NEVER;
        let Timer { next, previous, .. } = *taken;
        let (level, slot) = (usize::from(taken.level), usize::from(taken.slot));
        if next != NONE {
            self.timers[next as usize].previous = previous;
        }
        if previous != NONE {
            self.timers[previous as usize].next = next;
        } else {
            self.heads[level][slot] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << slot);
            }
        }
    }

    /// When a slot begins. It lies in the turn that its level is in, ahead of now.
    fn begin(&self, level: usize, slot: u32) -> u64 {
        let level = u32::try_from(level).expect("there are few");
        let turn = u64::MAX.checked_shl((level + 1) * SLOT_BITS).unwrap_or(0);
        (self.now & turn) | u64::from(slot) << (level * SLOT_BITS)
    }
}

/// A level or a slot: both are few.
fn narrow(number: u64) -> u8 {
    u8::try_from(number).expect("levels and slots are few")
}

impl Timer {
    const IDLE: Self =
        Self { expires: 0, begins: NEVER, next: NONE, previous: NONE, level: 0, slot: 0 };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::Random;

    /// The wheel does what a sorted map does, whatever is set, moved and cleared.
    #[test]
    fn timers_fire_at_their_tick_and_never_before() {
        let mut random = Random::new(7);
        let mut below = |end: u64| random.next() % end;
        let (mut wheel, mut expected) = (Wheel::default(), BTreeMap::new());
        let mut now = 0;
        for _ in 0..200_000 {
            let timer = u32::try_from(below(500)).unwrap();
            match below(10) {
                0 => {
                    if expected.remove(&timer).is_some() {
                        wheel.clear(timer);
                    }
                }
                1..8 => {
                    let reach = 1 << below(20);
                    let expires = now + below(reach);
                    wheel.set(timer, expires);
                    assert_eq!(wheel.expires(timer), expires.max(now + 1));
                    expected.insert(timer, expires.max(now + 1));
                }
                _ => {
                    let reach = 1 << below(12);
                    now = pass(&mut wheel, &mut expected, now + below(reach));
                }
            }
        }
        let end = *expected.values().max().unwrap();
        pass(&mut wheel, &mut expected, end);
        assert!(expected.is_empty());
        assert_eq!(wheel.deadline(), None);
    }

    /// Advances from deadline to deadline.
    fn pass(wheel: &mut Wheel, expected: &mut BTreeMap<u32, u64>, until: u64) -> u64 {
        while let Some(tick) = wheel.deadline().filter(|tick| *tick <= until) {
            assert!(expected.values().all(|expires| *expires >= tick), "one was passed over");
            for timer in wheel.advance(tick) {
                assert_eq!(expected.remove(&timer), Some(tick));
            }
        }
        assert!(expected.values().all(|expires| *expires > until), "one is overdue");
        assert!(wheel.advance(until).is_empty());
        until
    }

    #[test]
    fn a_timer_set_later_stays_where_it_is() {
        let mut wheel = Wheel::default();
        wheel.set(0, 100);
        let deadline = wheel.deadline().unwrap();
        wheel.set(0, 5000);
        assert_eq!(wheel.deadline(), Some(deadline), "a packet costs a store");
        assert!(wheel.advance(deadline).is_empty());
        wheel.set(0, u64::MAX);
        assert!(wheel.advance(1 << 60).is_empty());
        assert_eq!(wheel.advance(u64::MAX), [0]);
    }
}
