//! Things that come and go, named so that a name is never taken for another's.

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

/// Things by [`Key`]. Slots are used again, the most recently freed first.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Arena<T> {
    #[cfg(test)]
    pub(crate) const SLOT_BYTES: usize = size_of::<Slot<T>>();

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = u32::try_from(self.slots.len()).expect("memory ends before slots do");
            self.slots.push(Slot { generation: 0, value: None });
            slot
        });
        let free = &mut self.slots[slot as usize];
        free.value = Some(value);
        Key { slot, generation: free.generation }
    }

    /// Frees a slot in use.
    pub(crate) fn remove(&mut self, slot: u32) -> T {
        let used = &mut self.slots[slot as usize];
        used.generation = used.generation.wrapping_add(1);
        self.free.push(slot);
        used.value.take().expect(IN_USE)
    }

    /// Whether the thing that the key was given for is still there.
    pub(crate) fn contains(&self, key: Key) -> bool {
        self.slots
            .get(key.slot as usize)
            .is_some_and(|slot| slot.generation == key.generation && slot.value.is_some())
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.slot as usize)?;
        slot.value.as_ref().filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.value.as_mut().filter(|_| slot.generation == key.generation)
    }

    /// The key of a slot in use.
    pub(crate) fn key(&self, slot: u32) -> Key {
        Key { slot, generation: self.slots[slot as usize].generation }
    }

    /// What is in use, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.slots).filter_map(|(slot, it)| Some((slot, it.value.as_ref()?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// By slot, for those who know it to be in use.
impl<T> std::ops::Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        self.slots[slot as usize].value.as_ref().expect(IN_USE)
    }
}

impl<T> std::ops::IndexMut<u32> for Arena<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        self.slots[slot as usize].value.as_mut().expect(IN_USE)
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
}
