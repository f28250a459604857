//! Things that come and go, named so that a name is never taken for another's.
//!
//! They lie in segments, and the lowest that has room is used first. So a million grow
//! without the pause of a copy, and when most of them have gone, what is left gathers where
//! it takes no more memory than it needs.

use std::collections::BTreeSet;

/// Where a thing lies, and how many lay there before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) slot: u32,
    generation: u32,
}

impl Key {
    /// A key of nothing, ever.
    pub(crate) const NONE: Self = Self { slot: u32::MAX, generation: u32::MAX };
}

/// Slots of a segment.
pub(crate) const SEGMENT: u32 = 1024;

/// Things by [`Key`].
#[derive(Debug)]
pub(crate) struct Arena<T> {
    segments: Vec<Segment<T>>,
    /// Which of them have room.
    open: BTreeSet<u32>,
}

/// Up to [`SEGMENT`] slots, of which memory is had only for those that were ever in use.
#[derive(Debug)]
struct Segment<T> {
    slots: Vec<Slot<T>>,
    /// Those that are free again.
    free: Vec<u16>,
    /// What its slots begin with: none of them had a higher one, before the memory of an
    /// empty segment was given back.
    first_generation: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { segments: Vec::new(), open: BTreeSet::new() }
    }
}

impl<T> Arena<T> {
    #[cfg(test)]
    pub(crate) const SLOT_BYTES: usize = size_of::<Slot<T>>();

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let number = self.open.first().copied().unwrap_or_else(|| self.add_segment());
        let segment = &mut self.segments[number as usize];
        let (at, generation) = segment.insert(value);
        if segment.is_full() {
            self.open.remove(&number);
        }
        Key { slot: number * SEGMENT + u32::from(at), generation }
    }

    /// Frees a slot in use.
    pub(crate) fn remove(&mut self, slot: u32) -> T {
        let (number, at) = place(slot);
        if self.segments[number as usize].is_full() {
            self.open(number);
        }
        let segment = &mut self.segments[number as usize];
        let value = segment.remove(at);
        // The one that is used next keeps its memory.
        if segment.is_empty() && self.open.first() != Some(&number) {
            segment.give_back();
        }
        value
    }

    /// Whether the thing that the key was given for is still there.
    pub(crate) fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let (number, at) = place(key.slot);
        let slot = self.segments.get(number as usize)?.slots.get(usize::from(at))?;
        slot.value.as_ref().filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (number, at) = place(key.slot);
        let slot = self.segments.get_mut(number as usize)?.slots.get_mut(usize::from(at))?;
        slot.value.as_mut().filter(|_| slot.generation == key.generation)
    }

    /// The key of a slot in use.
    pub(crate) fn key(&self, slot: u32) -> Key {
        let (number, at) = place(slot);
        let generation = self.segments[number as usize].slots[usize::from(at)].generation;
        Key { slot, generation }
    }

    /// What is in use, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).map_while(|number| self.segment(number)).flatten()
    }

    /// What is in use in one segment, by slot; none = there are fewer segments.
    pub(crate) fn segment(&self, number: u32) -> Option<impl Iterator<Item = (u32, &T)>> {
        let slots = &self.segments.get(number as usize)?.slots;
        let numbered = (number * SEGMENT..).zip(slots);
        Some(numbered.filter_map(|(slot, it)| Some((slot, it.value.as_ref()?))))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Slots that there is memory for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.segments.iter().map(|it| it.slots.capacity()).sum()
    }

    /// Makes room known. One that was the next to be used, and is so no more, need not keep
    /// its memory.
    fn open(&mut self, number: u32) {
        let before = self.open.first().copied().filter(|it| number < *it);
        if let Some(before) = before.map(|it| &mut self.segments[it as usize])
            && before.is_empty()
        {
            before.give_back();
        }
        self.open.insert(number);
    }

    fn add_segment(&mut self) -> u32 {
        let number = u32::try_from(self.segments.len()).expect("memory ends before slots do");
        self.segments.push(Segment { slots: Vec::new(), free: Vec::new(), first_generation: 0 });
        self.open.insert(number);
        number
    }
}

impl<T> Segment<T> {
    fn insert(&mut self, value: T) -> (u16, u32) {
        let at = self.free.pop().unwrap_or_else(|| {
            if self.slots.is_empty() {
                self.slots.reserve_exact(SEGMENT as usize);
            }
            let generation = self.first_generation;
            self.slots.push(Slot { generation, value: None });
            u16::try_from(self.slots.len() - 1).expect("a segment is small")
        });
        let slot = &mut self.slots[usize::from(at)];
        slot.value = Some(value);
        (at, slot.generation)
    }

    fn remove(&mut self, at: u16) -> T {
        let slot = &mut self.slots[usize::from(at)];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(at);
        slot.value.take().expect(IN_USE)
    }

    /// Gives back the memory of one that is empty.
    fn give_back(&mut self) {
        let generations = self.slots.iter().map(|slot| slot.generation);
        self.first_generation = generations.max().unwrap_or(self.first_generation);
        self.slots = Vec::new();
        self.free = Vec::new();
    }

    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_full(&self) -> bool {
        self.len() == SEGMENT as usize
    }
}

/// The segment of a slot, and its place there.
fn place(slot: u32) -> (u32, u16) {
    (slot / SEGMENT, u16::try_from(slot % SEGMENT).expect("a segment is small"))
}

/// By slot, for those who know it to be in use.
impl<T> std::ops::Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        let (number, at) = place(slot);
        let slot = &self.segments[number as usize].slots[usize::from(at)];
        slot.value.as_ref().expect(IN_USE)
    }
}

impl<T> std::ops::IndexMut<u32> for Arena<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        let (number, at) = place(slot);
        let slot = &mut self.segments[number as usize].slots[usize::from(at)];
        slot.value.as_mut().expect(IN_USE)
    }
}

const IN_USE: &str = "a slot is known only while it is in use";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_one_thing_for_ever() {
        let mut arena = Arena::default();
        let first = arena.insert("first");
        assert_eq!(arena.get(first), Some(&"first"));
        assert_eq!(arena.remove(first.slot), "first");
        let second = arena.insert("second");
        assert_eq!(second.slot, first.slot, "slots are used again");
        assert_eq!(arena.get(first), None);
        assert!(!arena.contains(first));
        assert_eq!(arena.get_mut(second), Some(&mut "second"));
        assert_eq!((arena.key(second.slot), arena.len()), (second, 1));
        assert_eq!(arena.get(Key::NONE), None);
    }

    #[test]
    fn what_has_gone_takes_its_memory_along_and_its_names_are_not_used_again() {
        const COUNT: u32 = 10 * SEGMENT;
        let mut arena = Arena::default();
        let first: Vec<Key> = (0..COUNT).map(|it| arena.insert(it)).collect();
        assert_eq!((arena.len(), arena.capacity()), (COUNT as usize, COUNT as usize));
        // One of a hundred stays, all over.
        let (stays, goes): (Vec<&Key>, Vec<&Key>) = first.iter().partition(|it| it.slot % 100 == 0);
        for key in goes {
            arena.remove(key.slot);
        }
        // They go one by one, and those that come in their places find room below.
        for old in &stays {
            let value = arena.remove(old.slot);
            arena.insert(value);
        }
        assert_eq!(arena.len(), stays.len());
        assert_eq!(arena.capacity(), SEGMENT as usize);
        let again: Vec<Key> = (0..COUNT).map(|it| arena.insert(it)).collect();
        assert!(first.iter().all(|it| !arena.contains(*it)));
        assert!(again.iter().all(|it| arena.contains(*it)));
        assert_eq!(arena.iter().count(), arena.len());
    }
}
