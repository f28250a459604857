//! Which of many things have a hash: chains that grow one at a time.
//!
//! Linear hashing (Litwin, 1980): whenever there are more things than chains, one chain is
//! split in two, in turn. So a table of a million grows as a small one does, without the
//! pause of a doubling.

const NONE: u32 = u32::MAX;

/// Things numbered from 0, densely, by hash; in a chain the newest comes first.
#[derive(Debug)]
pub(super) struct Chains {
    heads: Vec<u32>,
    links: Vec<Link>,
    count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    hash: u32,
    next: u32,
}

#[cfg(test)]
pub(super) const BYTES: usize = size_of::<Link>() + size_of::<u32>();

impl Default for Chains {
    fn default() -> Self {
        Self { heads: vec![NONE], links: Vec::new(), count: 0 }
    }
}

impl Chains {
    /// Adds a thing that is not there.
    pub(super) fn insert(&mut self, thing: u32, hash: u32) {
        let index = thing as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, Link { hash: 0, next: NONE });
        }
        let chain = self.chain(hash);
        let next = std::mem::replace(&mut self.heads[chain], thing);
        self.links[index] = Link { hash, next };
        self.count += 1;
        if self.count > self.heads.len() {
            self.split();
        }
    }

    /// Removes a thing that is there.
    pub(super) fn remove(&mut self, thing: u32) {
        let Link { hash, next } = self.links[thing as usize];
        let chain = self.chain(hash);
        if self.heads[chain] == thing {
            self.heads[chain] = next;
        } else {
            let mut before = self.heads[chain];
            while self.links[before as usize].next != thing {
                before = self.links[before as usize].next;
            }
            self.links[before as usize].next = next;
        }
        self.count -= 1;
    }

    /// The things with this hash, newest first.
    pub(super) fn iter(&self, hash: u32) -> impl Iterator<Item = u32> {
        let mut thing = self.heads[self.chain(hash)];
        std::iter::from_fn(move || {
            while thing != NONE {
                let (found, link) = (thing, self.links[thing as usize]);
                thing = link.next;
                if link.hash == hash {
                    return Some(found);
                }
            }
            None
        })
    }

    /// The chain of a hash: as many of its low bits as name a chain that there is.
    fn chain(&self, hash: u32) -> usize {
        let mask = self.heads.len().next_power_of_two() - 1;
        let chain = hash as usize & mask;
        if chain < self.heads.len() { chain } else { chain & (mask >> 1) }
    }

    /// Splits the chain whose turn it is between itself and a new one.
    fn split(&mut self) {
        let new = self.heads.len();
        let old = new - (1 << new.ilog2());
        self.heads.push(NONE);
        let mut thing = std::mem::replace(&mut self.heads[old], NONE);
        let mut tails = [(old, NONE), (new, NONE)];
        while thing != NONE {
            let Link { hash, next } = self.links[thing as usize];
            let (chain, tail) = &mut tails[usize::from(self.chain(hash) == new)];
            match *tail {
                NONE => self.heads[*chain] = thing,
                tail => self.links[tail as usize].next = thing,
            }
            *tail = thing;
            self.links[thing as usize].next = NONE;
            thing = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Chains find what a plain list of pairs does, in its order.
    #[test]
    fn things_are_found_by_hash_newest_first() {
        let mut random = Random::new(11);
        let mut below = |end: u32| u32::try_from(random.next() % u64::from(end)).unwrap();
        let (mut chains, mut expected) = (Chains::default(), Vec::<(u32, u32)>::new());
        for _ in 0..20_000 {
            let thing = below(3000);
            match expected.iter().position(|(it, _)| *it == thing) {
                Some(position) => {
                    chains.remove(thing);
                    expected.remove(position);
                }
                None => {
                    // Few hashes, so that some are shared, of which some differ at the top only.
                    let hash = below(400) << (below(2) * 23);
                    chains.insert(thing, hash);
                    expected.insert(0, (thing, hash));
                }
            }
            let hash = below(400);
            let found: Vec<_> = chains.iter(hash).collect();
            let listed = expected.iter().filter(|(_, it)| *it == hash).map(|(thing, _)| *thing);
            assert!(listed.eq(found.iter().copied()), "{hash}");
        }
    }

    #[test]
    fn chains_stay_short_as_they_grow() {
        let (mut chains, mut random) = (Chains::default(), Random::new(3));
        for thing in 0..100_000 {
            chains.insert(thing, u32::try_from(random.next() >> 32).unwrap());
        }
        assert_eq!(chains.heads.len(), 100_000);
        let length = |mut thing| {
            let mut length = 0;
            while thing != NONE {
                length += 1;
                thing = chains.links[thing as usize].next;
            }
            length
        };
        let longest = chains.heads.iter().map(|head| length(*head)).max().unwrap();
        assert!(longest < 20, "{longest}");
    }
}
