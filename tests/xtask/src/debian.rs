//! Programs from Debian that tests need: tools for the host, peers for the guest.

use std::{fs, path::PathBuf};

use anyhow::Result;

use crate::{apt, cache::Cache};

/// The suite of everything but the kernels: the oldest that is supported, because its
/// programs run on every newer system too.
const SUITE: &str = "bookworm";

/// For the host: what fits a kernel to this system, and the first program of a guest.
const TOOLS: &[&str] = &["busybox-static", "patchelf"];

/// Programs and their libraries, laid over the host's root in a guest.
#[derive(Clone, Copy)]
pub(crate) struct Peers {
    name: &'static str,
    packages: &'static [&'static str],
}

/// The original ipvsadm, module loading and network set-up.
pub(crate) const PEERS: Peers = Peers {
    name: "peers",
    packages: &[
        "iproute2",
        "ipvsadm",
        "kmod",
        "libbpf1",
        "libbsd0",
        "libcap2",
        "libcap2-bin",
        "libdb5.3",
        "libelf1",
        "libkmod2",
        "libmd0",
        "libmnl0",
        "libnl-3-200",
        "libnl-genl-3-200",
        "libpopt0",
        "libssl3",
        "libtirpc3",
        "libxtables12",
    ],
};

/// What weir's checks are measured against.
pub(crate) const KEEPALIVED: Peers = Peers {
    name: "keepalived",
    packages: &[
        "keepalived",
        "libglib2.0-0",
        "libnftnl11",
        "libpci3",
        "libpcre2-8-0",
        "libsensors5",
        "libsnmp40",
        "libsystemd0",
        "libwrap0",
    ],
};

/// What weir's forwarder is measured against.
pub(crate) const HAPROXY: Peers = Peers {
    name: "haproxy",
    packages: &[
        "haproxy",
        "libcrypt1",
        "liblua5.3-0",
        "libopentracing-c-wrapper0",
        "libopentracing1",
        "libpcre2-8-0",
        "libssl3",
        "libsystemd0",
    ],
};

/// Returns the tree of tools for the host.
pub(crate) fn tools(cache: &Cache, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    tree(cache, "tools", TOOLS, say)
}

/// Returns the tree with Python's installer, for systems that have Python without it.
pub(crate) fn pip(cache: &Cache, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    tree(cache, "pip", &["python3-pip"], say)
}

/// Returns the tree of `peers`.
pub(crate) fn peers(cache: &Cache, peers: Peers, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    tree(cache, peers.name, peers.packages, say)
}

fn tree(
    cache: &Cache,
    name: &str,
    packages: &[&str],
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf> {
    let recipe = format!("{SUITE} {}\n", packages.join(" "));
    cache.entry(name, &recipe, |fresh, path| {
        say(&format!("fetching {name}: {}", packages.join(", ")));
        let got = apt::unpack(SUITE, packages, fresh)?;
        fs::write(fresh.join(".packages"), got.join("\n"))?;
        say(&format!("got {} in {}", got.join(", "), path.display()));
        Ok(())
    })
}
