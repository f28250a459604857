//! `weir:host/state`: what a policy remembers for good, staged until its handler returns ok.
//!
//! Grant: `state`. The host holds the entries; a call sees those of its view, under what it
//! staged itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
};

use crate::{
    Entries,
    bindings::state::{Error, Host},
    limits::{STATE_ENTRY_BYTES, STATE_KEY_BYTES},
    state::PolicyState,
};

impl Host for PolicyState {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.entry(&key).map(<[u8]>::to_vec))
    }

    fn set(&mut self, entries: Vec<(String, Vec<u8>)>) -> wasmtime::Result<Result<(), Error>> {
        if !self.handling {
            return Ok(Err(Error::OutsideHandler));
        }
        if entries.iter().any(|(key, _)| !(1..=STATE_KEY_BYTES).contains(&key.len())) {
            let longest = u32::try_from(STATE_KEY_BYTES).unwrap_or(u32::MAX);
            return Ok(Err(Error::KeyLength(longest)));
        }
        let mut noted = self.noted.clone();
        noted.extend(entries.into_iter().map(|(key, value)| (key, Some(value))));
        if bytes(&self.view.state, &noted) > self.grant.state_bytes {
            return Ok(Err(Error::Quota(self.grant.state_bytes as u64)));
        }
        self.noted = noted;
        Ok(Ok(()))
    }

    fn remove(&mut self, keys: Vec<String>) -> wasmtime::Result<()> {
        for key in keys.into_iter().filter(|_| self.handling) {
            if self.view.state.contains_key(&key) {
                self.noted.insert(key, None);
            } else {
                self.noted.remove(&key);
            }
        }
        Ok(())
    }

    fn keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<String>> {
        let start = match &after {
            Some(after) if *after >= prefix => Excluded(after.as_str()),
            _ => Included(prefix.as_str()),
        };
        let kept = self.view.state.range::<str, _>((start, Unbounded)).map(|(key, _)| key);
        let noted = self.noted.range::<str, _>((start, Unbounded)).map(|(key, _)| key);
        let kept = kept.take_while(|it| it.starts_with(&prefix));
        let all: BTreeSet<&String> =
            kept.chain(noted.take_while(|it| it.starts_with(&prefix))).collect();
        let there = all.into_iter().filter(|it| self.entry(it).is_some());
        Ok(there.take(limit as usize).cloned().collect())
    }
}

impl PolicyState {
    fn entry(&self, key: &str) -> Option<&[u8]> {
        match self.noted.get(key) {
            Some(noted) => noted.as_deref(),
            None => self.view.state.get(key).map(Vec::as_slice),
        }
    }
}

/// What all entries take, once these changes are made.
fn bytes(entries: &Entries, changes: &BTreeMap<String, Option<Vec<u8>>>) -> usize {
    let unchanged = entries.iter().filter(|(key, _)| !changes.contains_key(*key));
    let changed = changes.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    let each = unchanged.chain(changed);
    each.map(|(key, value)| key.len() + value.len() + STATE_ENTRY_BYTES).sum()
}
