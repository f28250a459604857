//! Where kernel tests may run, and what they find there.

use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// The original, as the guest has it.
pub const ORIGINAL: &str = "/usr/sbin/ipvsadm";

/// The modules that tests take for granted.
const MODULES: [&str; 17] = [
    "ip_vs",
    "ip_vs_dh",
    "ip_vs_fo",
    "ip_vs_lblc",
    "ip_vs_lblcr",
    "ip_vs_lc",
    "ip_vs_mh",
    "ip_vs_nq",
    "ip_vs_ovf",
    "ip_vs_pe_sip",
    "ip_vs_rr",
    "ip_vs_sed",
    "ip_vs_sh",
    "ip_vs_wlc",
    "ip_vs_wrr",
    "dummy",
    "tun",
];

/// Fails unless the test runs where it may do as it likes with namespaces and modules.
///
/// Kernel tests run one after the other, however many threads there are: while services come
/// and go in one namespace, a listing of another may show a service twice, or not at all.
#[must_use = "others wait only as long as it is held"]
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    check_guest();
    // A test that failed left nothing that another could see.
    RUNNING.write().unwrap_or_else(PoisonError::into_inner)
}

/// The same for a test that takes long for it waits, and whose tables are small: a listing of a
/// few services is read at once, so that such tests run together.
#[must_use = "others wait only as long as it is held"]
pub fn together() -> RwLockReadGuard<'static, ()> {
    check_guest();
    RUNNING.read().unwrap_or_else(PoisonError::into_inner)
}

static RUNNING: RwLock<()> = RwLock::new(());

fn check_guest() {
    assert!(
        env::var_os("WEIR_KERNEL_TESTS").is_some_and(|it| it == "1"),
        "kernel tests run in a guest kernel: use `cargo xtask test`, or `--skip kernel:: --skip no_ip_vs::`"
    );
}

/// Loads everything of IPVS, so that no test depends on which one ran before.
pub fn load_modules() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let status = Command::new("modprobe").arg("-a").args(MODULES).status();
        let status = status.expect("the guest has modprobe");
        assert!(status.success(), "modprobe -a {}: {status}", MODULES.join(" "));
    });
}

/// The program that is to behave as ipvsadm: `$WEIR_BIN_IPVSADM`, by which the tests can
/// be tried on the original itself, or else weir.
pub fn ipvsadm() -> PathBuf {
    match env::var_os("WEIR_BIN_IPVSADM") {
        Some(path) => path.into(),
        None => weir(),
    }
}

/// Whether another program is tested in weir's place.
pub fn stands_in() -> bool {
    env::var_os("WEIR_BIN_IPVSADM").is_some()
}

/// The weir to be tested: `$WEIR_BIN`, or the one that was built next to this test.
pub fn weir() -> PathBuf {
    let path = env::var_os("WEIR_BIN").map_or_else(beside_this_test, PathBuf::from);
    assert!(
        path.is_file(),
        "no weir at {}: build it with `cargo build -p weir`, or name it in WEIR_BIN",
        path.display()
    );
    path
}

fn beside_this_test() -> PathBuf {
    let test = env::current_exe().expect("/proc is mounted");
    let deps = test.parent().expect("a program lies in a directory");
    deps.parent().expect("the target directory is above").join("weir")
}
