//! Which of many things have a hash: chains that grow one at a time.
//!
//! Linear hashing (Litwin, 1980): whenever there are more things than chains, one chain is
//! split in two, in turn. So a table of a million grows as a small one does, without the
//! pause of a doubling.
//!
//! What a chain knows of a thing is kept with the thing.

use crate::arena::Arena;

const NONE: u32 = u32::MAX;

/// The things in an arena by hash; in a chain the newest comes first.
#[derive(Debug)]
pub(super) struct Chains {
    heads: Vec<u32>,
    count: usize,
}

/// The place of a thing in its chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    hash: u32,
    next: u32,
}

impl Link {
    /// The link of a thing with this hash, in no chain yet.
    pub(super) fn new(hash: u32) -> Self {
        Self { hash, next: NONE }
    }
}

impl Default for Chains {
    fn default() -> Self {
        Self { heads: vec![NONE], count: 0 }
    }
}

impl Chains {
    /// Adds a thing that is in no chain.
    pub(super) fn insert<T: AsMut<Link>>(&mut self, things: &mut Arena<T>, thing: u32) {
        let link = things[thing].as_mut();
        let chain = self.chain(link.hash);
        link.next = std::mem::replace(&mut self.heads[chain], thing);
        self.count += 1;
        if self.count > self.heads.len() {
            self.split(things);
        }
    }

    /// Removes a thing that is in its chain.
    pub(super) fn remove<T: AsMut<Link>>(&mut self, things: &mut Arena<T>, thing: u32) {
        let Link { hash, next } = *things[thing].as_mut();
        let chain = self.chain(hash);
        let mut before = self.heads[chain];
        if before == thing {
            self.heads[chain] = next;
        } else {
            while things[before].as_mut().next != thing {
                before = things[before].as_mut().next;
            }
            things[before].as_mut().next = next;
        }
        self.count -= 1;
    }

    /// The things with this hash, newest first.
    pub(super) fn iter<T: AsRef<Link>>(
        &self,
        things: &Arena<T>,
        hash: u32,
    ) -> impl Iterator<Item = u32> {
        let head = Some(self.heads[self.chain(hash)]).filter(|thing| *thing != NONE);
        let next = |thing: &u32| Some(things[*thing].as_ref().next).filter(|next| *next != NONE);
        std::iter::successors(head, next).filter(move |it| things[*it].as_ref().hash == hash)
    }

    /// The chain of a hash: as many of its low bits as name a chain that there is.
    fn chain(&self, hash: u32) -> usize {
        let mask = self.heads.len().next_power_of_two() - 1;
        let chain = hash as usize & mask;
        if chain < self.heads.len() { chain } else { chain & (mask >> 1) }
    }

    /// Splits the chain whose turn it is between itself and a new one.
    fn split<T: AsMut<Link>>(&mut self, things: &mut Arena<T>) {
        let new = self.heads.len();
        let old = new - (1 << new.ilog2());
        self.heads.push(NONE);
        let mut thing = std::mem::replace(&mut self.heads[old], NONE);
        let mut tails = [(old, NONE), (new, NONE)];
        while thing != NONE {
            let Link { hash, next } = *things[thing].as_mut();
            let (chain, tail) = &mut tails[usize::from(self.chain(hash) == new)];
            match *tail {
                NONE => self.heads[*chain] = thing,
                tail => things[tail].as_mut().next = thing,
            }
            *tail = thing;
            things[thing].as_mut().next = NONE;
            thing = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    struct Thing(Link);

    impl AsRef<Link> for Thing {
        fn as_ref(&self) -> &Link {
            &self.0
        }
    }

    impl AsMut<Link> for Thing {
        fn as_mut(&mut self) -> &mut Link {
            &mut self.0
        }
    }

    /// Chains find what a plain list of pairs does, in its order.
    #[test]
    fn things_are_found_by_hash_newest_first() {
        let mut random = Random::new(11);
        let mut below = |end: u32| u32::try_from(random.next() % u64::from(end)).unwrap();
        let (mut chains, mut things) = (Chains::default(), Arena::default());
        let mut expected = Vec::<(u32, u32)>::new();
        for _ in 0..20_000 {
            if below(2000) < u32::try_from(expected.len()).unwrap() {
                let (thing, _) = expected.remove(below(1 << 20) as usize % expected.len());
                chains.remove(&mut things, thing);
                things.remove(thing);
            } else {
                // Few hashes, so that some are shared; some differ at the top only.
                let hash = below(400) << (below(2) * 23);
                let thing = things.insert(Thing(Link::new(hash))).slot;
                chains.insert(&mut things, thing);
                expected.insert(0, (thing, hash));
            }
            let hash = below(400);
            let found: Vec<_> = chains.iter(&things, hash).collect();
            let listed = expected.iter().filter(|(_, it)| *it == hash).map(|(thing, _)| *thing);
            assert!(listed.eq(found.iter().copied()), "{hash}");
        }
    }

    #[test]
    fn chains_stay_short_as_they_grow() {
        let (mut chains, mut things) = (Chains::default(), Arena::default());
        let mut random = Random::new(3);
        for _ in 0..100_000 {
            let hash = u32::try_from(random.next() >> 32).unwrap();
            let thing = things.insert(Thing(Link::new(hash))).slot;
            chains.insert(&mut things, thing);
        }
        assert_eq!(chains.heads.len(), 100_000);
        let length = |head: u32| {
            let next = |thing: &u32| Some(things[*thing].0.next).filter(|next| *next != NONE);
            std::iter::successors(Some(head).filter(|it| *it != NONE), next).count()
        };
        let longest = chains.heads.iter().map(|head| length(*head)).max().unwrap();
        assert!(longest < 20, "{longest}");
    }
}
