//! Schedulers: how IPVS picks a real server for a new connection.

use crate::ServiceFlags;

/// What a weight means to a scheduler. With every one of them 0 is "no new connections".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightMeaning {
    /// Share of new connections. Steer freely.
    Share,
    /// Share, once no server is idle. A ramp hardly shows.
    IdleFirst,
    /// 0 or not 0, nothing between.
    OnOff,
    /// Share of a hash table: changes other than to and from 0 move clients, and with `sh`
    /// even those do.
    HashSlots,
    /// The highest takes all; with `ovf` it limits active connections too.
    Priority,
    /// Looked at by nobody: `none`, which schedules nothing.
    Ignored,
    /// A scheduler weir does not know. Do not steer it.
    Unknown,
}

/// How sure it is that the kernel has a scheduler. IPVS has no way to ask; only adding a
/// service proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Part of the kernel image.
    BuiltIn,
    /// Its module is loaded.
    Loaded,
    /// A module file is there; the kernel loads it when first used.
    Loadable,
    /// Known to weir, not found here: a service with it will likely fail.
    Absent,
    /// There was no way to tell.
    Unknown,
}

/// One scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduler {
    /// Kernel name.
    pub name: String,
    /// Whether this kernel has it.
    pub availability: Availability,
    /// What real servers' weights mean to it.
    pub weight: WeightMeaning,
    /// The flags it interprets, with the names they have in commands.
    pub named_flags: Vec<(ServiceFlags, &'static str)>,
}

/// Every scheduler of the kernel up to Linux 6.12, with what its weights mean
/// (`net/netfilter/ipvs/ip_vs_*.c`), in the order of their names.
pub const KNOWN: [(&str, WeightMeaning); 15] = [
    ("dh", WeightMeaning::OnOff),
    ("fo", WeightMeaning::Priority),
    ("lblc", WeightMeaning::Share),
    ("lblcr", WeightMeaning::Share),
    ("lc", WeightMeaning::OnOff),
    ("mh", WeightMeaning::HashSlots),
    ("none", WeightMeaning::Ignored),
    ("nq", WeightMeaning::IdleFirst),
    ("ovf", WeightMeaning::Priority),
    ("rr", WeightMeaning::OnOff),
    ("sed", WeightMeaning::Share),
    ("sh", WeightMeaning::HashSlots),
    ("twos", WeightMeaning::Share),
    ("wlc", WeightMeaning::Share),
    ("wrr", WeightMeaning::Share),
];

impl WeightMeaning {
    /// What weights mean to the scheduler with this kernel name.
    pub fn of(scheduler: &str) -> Self {
        KNOWN
            .iter()
            .find(|(name, _)| *name == scheduler)
            .map_or(Self::Unknown, |&(_, meaning)| meaning)
    }
}

/// The flags that the scheduler with this kernel name interprets, by their names in
/// commands.
pub fn named_flags(scheduler: &str) -> Vec<(ServiceFlags, &'static str)> {
    match scheduler {
        "sh" => {
            vec![(ServiceFlags::SCHEDULER_1, "sh-fallback"), (ServiceFlags::SCHEDULER_2, "sh-port")]
        }
        "mh" => {
            vec![(ServiceFlags::SCHEDULER_1, "mh-fallback"), (ServiceFlags::SCHEDULER_2, "mh-port")]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedulers_stand_in_the_order_of_their_names() {
        assert!(KNOWN.is_sorted_by(|(left, _), (right, _)| left < right));
    }

    #[test]
    fn weights_mean_what_the_scheduler_makes_of_them() {
        assert_eq!(WeightMeaning::of("wrr"), WeightMeaning::Share);
        assert_eq!(WeightMeaning::of("sh"), WeightMeaning::HashSlots);
        assert_eq!(WeightMeaning::of("WRR"), WeightMeaning::Unknown);
    }

    #[test]
    fn only_hashing_schedulers_name_flags() {
        for (name, _) in KNOWN {
            let flags = named_flags(name);
            assert_eq!(flags.is_empty(), !matches!(name, "sh" | "mh"), "{name}");
            assert!(flags.iter().all(|(_, flag)| flag.starts_with(name)));
        }
    }
}
