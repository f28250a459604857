//! Timers of many things, by number: set and moved in constant time, fired in order.
//!
//! A hierarchical wheel: each level has 64 slots, each as long as a whole turn of the level
//! below. A timer lies in the slot that is the first to differ, from the top, between now
//! and its time, and comes down a level whenever its slot begins. Setting it later than its
//! slot begins only notes the new time, so that a packet costs a store.
//!
//! What it knows of a thing is kept with the thing.

use crate::arena::Arena;

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_MASK: u64 = SLOTS as u64 - 1;
/// Enough for any tick of 64 bits.
const LEVELS: usize = 11;
const NONE: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

/// The timers of the things in an arena.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Up to here all has been fired.
    now: u64,
    /// The first timer of every slot, level by level.
    heads: [[u32; SLOTS]; LEVELS],
    /// Which slots of each level hold timers.
    occupied: [u64; LEVELS],
}

/// The timer of a thing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timer {
    /// When it is to fire.
    expires: u64,
    /// When its slot begins. [`NEVER`] if it lies in none.
    begins: u64,
    next: u32,
    previous: u32,
    level: u8,
    slot: u8,
}

impl Timer {
    /// One that is not set.
    pub(super) const IDLE: Self =
        Self { expires: 0, begins: NEVER, next: NONE, previous: NONE, level: 0, slot: 0 };

    /// When it is to fire.
    pub(super) fn expires(&self) -> u64 {
        self.expires
    }
}

impl Default for Wheel {
    fn default() -> Self {
        Self { now: 0, heads: [[NONE; SLOTS]; LEVELS], occupied: [0; LEVELS] }
    }
}

impl Wheel {
    /// Makes a thing's timer fire at `expires`, but not before the tick after now.
    pub(super) fn set<T: AsMut<Timer>>(&mut self, things: &mut Arena<T>, thing: u32, expires: u64) {
        let expires = expires.max(self.now + 1);
        let timer = things[thing].as_mut();
        timer.expires = expires;
        if timer.begins <= expires {
            return;
        }
        self.clear(things, thing);
        self.link(things, thing);
    }

    /// Makes a thing's timer fire no more.
    pub(super) fn clear<T: AsMut<Timer>>(&mut self, things: &mut Arena<T>, thing: u32) {
        let timer = things[thing].as_mut();
        if timer.begins == NEVER {
            return;
        }
        timer.begins = NEVER;
        let Timer { next, previous, level, slot, .. } = *timer;
        if next != NONE {
            things[next].as_mut().previous = previous;
        }
        if previous != NONE {
            things[previous].as_mut().next = next;
            return;
        }
        self.heads[usize::from(level)][usize::from(slot)] = next;
        if next == NONE {
            self.occupied[usize::from(level)] &= !(1 << slot);
        }
    }

    /// The tick of the next thing to do; nothing fires before.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.next_slot().map(|(begins, ..)| begins)
    }

    /// Comes to `tick`, and returns the things whose timers fire; they are set no more.
    pub(super) fn advance<T: AsMut<Timer>>(
        &mut self,
        things: &mut Arena<T>,
        tick: u64,
    ) -> Vec<u32> {
        let mut fired = Vec::new();
        // Slots of several levels may begin with the same tick.
        while let Some((begins, level, slot)) = self.next_slot().filter(|next| next.0 <= tick) {
            self.now = begins;
            self.occupied[level] &= !(1 << slot);
            let mut thing = std::mem::replace(&mut self.heads[level][slot], NONE);
            while thing != NONE {
                let timer = things[thing].as_mut();
                let next = timer.next;
                timer.begins = NEVER;
                if timer.expires <= begins {
                    fired.push(thing);
                } else {
                    self.link(things, thing);
                }
                thing = next;
            }
        }
        self.now = self.now.max(tick);
        fired
    }

    fn link<T: AsMut<Timer>>(&mut self, things: &mut Arena<T>, thing: u32) {
        let expires = things[thing].as_mut().expires;
        let level = ((self.now ^ expires) | 1).ilog2() / SLOT_BITS;
        let shift = level * SLOT_BITS;
        let (level, slot) = (narrow(level.into()), narrow(expires >> shift & SLOT_MASK));
        let head = &mut self.heads[usize::from(level)][usize::from(slot)];
        let next = std::mem::replace(head, thing);
        if next != NONE {
            things[next].as_mut().previous = thing;
        }
        self.occupied[usize::from(level)] |= 1 << slot;
        let begins = expires >> shift << shift;
        *things[thing].as_mut() = Timer { expires, begins, next, previous: NONE, level, slot };
    }

    /// When the next slot begins, its level, and its number. It lies in the turn that its
    /// level is in, ahead of now; that of a lower level comes first.
    fn next_slot(&self) -> Option<(u64, usize, usize)> {
        let level = self.occupied.iter().position(|occupied| *occupied != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        let shift = SLOT_BITS * u32::from(narrow(level as u64));
        let turn = u64::MAX.checked_shl(shift + SLOT_BITS).unwrap_or(0);
        let begins = (self.now & turn) | u64::from(slot) << shift;
        Some((begins, level, slot as usize))
    }
}

/// A level or a slot: both are few.
fn narrow(number: u64) -> u8 {
    u8::try_from(number).expect("levels and slots are few")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::Random;

    struct Thing(Timer);

    impl AsMut<Timer> for Thing {
        fn as_mut(&mut self) -> &mut Timer {
            &mut self.0
        }
    }

    fn things(count: usize) -> Arena<Thing> {
        let mut things = Arena::default();
        for _ in 0..count {
            things.insert(Thing(Timer::IDLE));
        }
        things
    }

    /// The wheel does what a sorted map does, whatever is set, moved and cleared.
    #[test]
    fn timers_fire_at_their_tick_and_never_before() {
        let mut random = Random::new(7);
        let mut below = |end: u64| random.next() % end;
        let (mut wheel, mut things) = (Wheel::default(), things(500));
        let (mut expected, mut now) = (BTreeMap::new(), 0);
        for _ in 0..200_000 {
            let thing = u32::try_from(below(500)).unwrap();
            match below(10) {
                0 => {
                    wheel.clear(&mut things, thing);
                    expected.remove(&thing);
                }
                1..8 => {
                    let reach = 1 << below(20);
                    let expires = now + below(reach);
                    wheel.set(&mut things, thing, expires);
                    assert_eq!(things[thing].0.expires(), expires.max(now + 1));
                    expected.insert(thing, expires.max(now + 1));
                }
                _ => {
                    let reach = 1 << below(12);
                    now += below(reach);
                    pass(&mut wheel, &mut things, &mut expected, now);
                }
            }
        }
        let end = *expected.values().max().unwrap();
        pass(&mut wheel, &mut things, &mut expected, end);
        assert!(expected.is_empty());
        assert_eq!(wheel.deadline(), None);
    }

    /// Advances from deadline to deadline.
    fn pass(
        wheel: &mut Wheel,
        things: &mut Arena<Thing>,
        expected: &mut BTreeMap<u32, u64>,
        until: u64,
    ) {
        while let Some(tick) = wheel.deadline().filter(|tick| *tick <= until) {
            assert!(expected.values().all(|expires| *expires >= tick), "one was passed over");
            for thing in wheel.advance(things, tick) {
                assert_eq!(expected.remove(&thing), Some(tick));
            }
        }
        assert!(expected.values().all(|expires| *expires > until), "one is overdue");
        assert!(wheel.advance(things, until).is_empty());
    }

    #[test]
    fn a_timer_set_later_stays_where_it_is() {
        let (mut wheel, mut things) = (Wheel::default(), things(1));
        wheel.set(&mut things, 0, 100);
        let deadline = wheel.deadline().unwrap();
        wheel.set(&mut things, 0, 5000);
        assert_eq!(wheel.deadline(), Some(deadline), "a packet costs a store");
        assert!(wheel.advance(&mut things, deadline).is_empty());
        wheel.set(&mut things, 0, 1 << 62);
        assert!(wheel.advance(&mut things, 1 << 60).is_empty());
        assert_eq!(wheel.advance(&mut things, 1 << 62), [0]);
    }
}
