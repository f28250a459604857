//! Which schedulers this kernel has. It cannot be asked; its modules can be looked at.

use std::fs;

use weir_ipvs::{
    Availability, Scheduler,
    scheduler::{KNOWN, named_flags},
};

/// The scheduler that is part of IPVS itself.
const NONE: &str = "none";

/// Every scheduler that weir knows.
pub(crate) fn read() -> Vec<Scheduler> {
    let modules = Modules::read();
    KNOWN
        .iter()
        .map(|&(name, weight)| Scheduler {
            name: name.to_owned(),
            availability: modules.availability(name),
            weight,
            named_flags: named_flags(name),
        })
        .collect()
}

/// What is known of the kernel's modules; files that cannot be read are none.
#[derive(Debug, Default)]
struct Modules {
    /// `/proc/modules`.
    loaded: Option<String>,
    /// `modules.builtin`.
    built_in: Option<String>,
    /// `modules.dep`.
    loadable: Option<String>,
}

impl Modules {
    fn read() -> Self {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let list =
            |name| fs::read_to_string(format!("/lib/modules/{}/{name}", release.trim())).ok();
        Self {
            loaded: fs::read_to_string("/proc/modules").ok(),
            built_in: list("modules.builtin"),
            loadable: list("modules.dep"),
        }
    }

    fn availability(&self, scheduler: &str) -> Availability {
        if scheduler == NONE {
            return Availability::BuiltIn;
        }
        let module = format!("ip_vs_{scheduler}");
        let loaded = self.loaded.iter().flat_map(|text| text.lines());
        if loaded.filter_map(|line| line.split(' ').next()).any(|name| name == module) {
            return Availability::Loaded;
        }
        if self.built_in.as_ref().is_some_and(|list| lists(list, &module)) {
            return Availability::BuiltIn;
        }
        match &self.loadable {
            Some(list) if lists(list, &module) => Availability::Loadable,
            // Only both lists together name every module that there is.
            Some(_) if self.built_in.is_some() => Availability::Absent,
            _ => Availability::Unknown,
        }
    }
}

/// Whether one line begins with the file of this module: `kernel/net/ip_vs_rr.ko.xz: ...`.
fn lists(list: &str, module: &str) -> bool {
    list.lines().any(|line| {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        file.split('.').next() == Some(module)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADED: &str = "ip_vs_wlc 12288 0 - Live 0x0000000060c5d000\nip_vs 176128 2 ip_vs_wlc";
    const BUILT_IN: &str = "kernel/net/netfilter/ipvs/ip_vs_lc.ko\nkernel/fs/ext4/ext4.ko";
    const LOADABLE: &str = "kernel/net/netfilter/ipvs/ip_vs.ko: kernel/lib/libcrc32c.ko
kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: kernel/net/netfilter/ipvs/ip_vs.ko.xz
kernel/net/netfilter/ipvs/ip_vs_wlc.ko: kernel/net/netfilter/ipvs/ip_vs.ko
kernel/net/netfilter/ipvs/ip_vs_lblcr.ko.zst: kernel/net/netfilter/ipvs/ip_vs.ko";

    fn check(modules: &Modules, expected: &[(&str, Availability)]) {
        for (scheduler, availability) in expected {
            assert_eq!(modules.availability(scheduler), *availability, "{scheduler}");
        }
    }

    #[test]
    fn the_strongest_sign_counts() {
        let modules = Modules {
            loaded: Some(LOADED.to_owned()),
            built_in: Some(BUILT_IN.to_owned()),
            loadable: Some(LOADABLE.to_owned()),
        };
        check(
            &modules,
            &[
                ("none", Availability::BuiltIn),
                ("wlc", Availability::Loaded),
                ("lc", Availability::BuiltIn),
                ("rr", Availability::Loadable),
                ("lblcr", Availability::Loadable),
                ("lblc", Availability::Absent),
                ("twos", Availability::Absent),
            ],
        );
    }

    #[test]
    fn without_lists_there_is_no_telling() {
        let loaded = Some(LOADED.to_owned());
        check(
            &Modules { loaded, ..Modules::default() },
            &[("wlc", Availability::Loaded), ("rr", Availability::Unknown)],
        );
        check(
            &Modules { loadable: Some(LOADABLE.to_owned()), ..Modules::default() },
            &[("rr", Availability::Loadable), ("lc", Availability::Unknown)],
        );
        check(
            &Modules::default(),
            &[("none", Availability::BuiltIn), ("rr", Availability::Unknown)],
        );
    }
}
