//! Plugins that are loaded: compiled code, linked to what its world may import.

use std::fmt;

use wasmtime::{Engine, component::Component};

use crate::{
    Error,
    release::{Linking, RELEASES, Release, Roles, Runs, Start},
    state::CommandState,
};

/// The shapes of plugins. One may have several, but for [`World::Command`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Reacts to events; changes weights through statements.
    Policy,
    /// A policy that owns services, or asks others by HTTP.
    Controller,
    /// Weighs the real servers of a service.
    Weigher,
    /// Judges planned changes.
    Guard,
    /// Asks a server how it is.
    Checker,
    /// A command line tool; may change all its caller may.
    Command,
}

impl World {
    const ALL: [Self; 6] =
        [Self::Policy, Self::Controller, Self::Weigher, Self::Guard, Self::Checker, Self::Command];

    /// Whether it is told of events: a controller is a policy that may do more.
    pub fn reacts(self) -> bool {
        matches!(self, Self::Policy | Self::Controller)
    }

    /// In one word, as `wit/` has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Controller => "controller",
            Self::Weigher => "weigher",
            Self::Guard => "guard",
            Self::Checker => "checker",
            Self::Command => "command",
        }
    }

    /// Some of them, in one word each: `policy, guard`.
    pub fn words(worlds: &[Self]) -> String {
        worlds.iter().map(|it| it.word()).collect::<Vec<_>>().join(", ")
    }

    /// Some of them, for people: `a policy and a guard`.
    pub fn list(worlds: &[Self]) -> String {
        worlds.iter().map(Self::to_string).collect::<Vec<_>>().join(" and ")
    }

    /// The interface it exports, without its version.
    fn export(self) -> &'static str {
        match self {
            Self::Policy | Self::Controller => "weir:plugin/reactor",
            Self::Weigher => "weir:plugin/weighing",
            Self::Guard => "weir:plugin/guarding",
            Self::Checker => "weir:plugin/checking",
            Self::Command => "weir:plugin/cli",
        }
    }

    /// What it may import, without versions; those that hold types alone included.
    fn imports(self) -> impl Iterator<Item = &'static str> {
        let (shared, own): (&[&str], &[&str]) = match self {
            Self::Policy => (&POLICY_IMPORTS, &[]),
            Self::Controller => (&POLICY_IMPORTS, &["weir:plugin/structure", "weir:host/http"]),
            Self::Weigher => (&[], &["weir:plugin/health-words"]),
            Self::Guard => (
                &[],
                &[
                    "weir:ipvs/table",
                    "weir:ipvs/operations",
                    "weir:plugin/health",
                    "weir:plugin/labels",
                    "weir:plugin/health-words",
                    "weir:host/config",
                ],
            ),
            Self::Checker => (&[], &["weir:host/probe"]),
            Self::Command => (
                &[],
                &[
                    "weir:ipvs/live",
                    "weir:ipvs/admin",
                    "weir:ipvs/connections",
                    "weir:ipvs/operations",
                    "weir:host/stdio",
                    "weir:host/names",
                ],
            ),
        };
        shared.iter().chain(own).chain(&COMMON_IMPORTS).copied()
    }
}

/// What every policy may import.
const POLICY_IMPORTS: [&str; 10] = [
    "weir:ipvs/table",
    "weir:plugin/intents",
    "weir:plugin/health",
    "weir:plugin/labels",
    "weir:plugin/events",
    "weir:plugin/failures",
    "weir:plugin/health-words",
    "weir:host/config",
    "weir:host/state",
    "weir:host/http-messages",
];

/// What all worlds may import.
const COMMON_IMPORTS: [&str; 11] = [
    "weir:host/log",
    "weir:host/clock",
    "weir:ipvs/addresses",
    "weir:ipvs/services",
    "weir:ipvs/real-servers",
    "weir:ipvs/schedulers",
    "weir:ipvs/snapshots",
    "weir:ipvs/stats",
    "weir:ipvs/timeouts",
    "weir:ipvs/sync",
    "weir:ipvs/errors",
];

/// Packages of WASI that are linked, granting nothing.
const WASI_IMPORTS: [&str; 6] =
    ["wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/", "wasi:filesystem/", "wasi:sockets/"];

/// What says which roles a plugin plays, without its version.
const ROLES: &str = "weir:plugin/roles";

/// What a controller has, and no other policy, without versions.
const CONTROLS: [&str; 2] = ["weir:plugin/structure", "weir:host/http"];

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.word())
    }
}

/// A plugin that is part of this program. Made by [`crate::builtin!`].
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) worlds: &'static [World],
    pub(crate) code: &'static [u8],
    /// The same, compiled to count instructions.
    pub(crate) metered: Option<&'static [u8]>,
    /// What both are compiled from.
    pub(crate) component: Option<&'static [u8]>,
}

impl Builtin {
    /// For [`crate::builtin!`].
    ///
    /// # Safety
    ///
    /// `code` must be what [`crate::precompile`] of this very version returned, unaltered:
    /// it is native code, and runs as such. The first that begins with a page, as
    /// [`crate::builtin!`] has it, runs where it lies; all others are copied.
    #[doc(hidden)]
    pub const unsafe fn embedded(
        name: &'static str,
        worlds: &'static [World],
        code: &'static [u8],
    ) -> Self {
        Self { name, worlds, code, metered: None, component: None }
    }

    /// For [`crate::builtin!`]: for simulations, too.
    ///
    /// # Safety
    ///
    /// As for [`Builtin::embedded`], with `metered` compiled to count instructions.
    #[doc(hidden)]
    pub const unsafe fn with_metered(self, metered: &'static [u8]) -> Self {
        Self { metered: Some(metered), ..self }
    }

    /// With the component itself, to be compiled when a simulation wants it: for what is too
    /// large to be carried twice.
    pub const fn with_component(self, component: &'static [u8]) -> Self {
        Self { component: Some(component), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// Compiled code that begins with a page, so that it can run where it lies.
#[doc(hidden)]
#[derive(Debug)]
#[repr(C)]
#[cfg_attr(target_arch = "aarch64", repr(align(0x1_0000)))]
#[cfg_attr(not(target_arch = "aarch64"), repr(align(0x1000)))]
pub struct PageAligned<B: ?Sized>(pub B);

/// Embeds what a build script made with [`precompile`](crate::precompile) and wrote to
/// `$file` in its `OUT_DIR`:
/// `const IPVSADM: Builtin = builtin!("ipvsadm", &[World::Command], "ipvsadm.cwasm");`
///
/// A second file, compiled with [`Metering::Instructions`](crate::Metering), lets the
/// plugin run in simulations.
#[macro_export]
macro_rules! builtin {
    ($name:literal, $worlds:expr, $file:literal, $metered:literal) => {{
        const METERED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/", $metered));
        // SAFETY: as below.
        unsafe { $crate::builtin!($name, $worlds, $file).with_metered(METERED) }
    }};
    ($name:literal, $worlds:expr, $file:literal) => {{
        static CODE: &$crate::PageAligned<[u8]> =
            &$crate::PageAligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $file)));
        // SAFETY: OUT_DIR is written by this package's own build script alone, so the code
        // is as trustworthy as the executable that it becomes a part of.
        unsafe { $crate::Builtin::embedded($name, $worlds, &CODE.0) }
    }};
}

/// A plugin, ready to be started any number of times.
pub struct Plugin {
    pub(crate) name: String,
    pub(crate) uses_wasi: bool,
    /// In the order of [`World::ALL`].
    pub(crate) worlds: Vec<World>,
    pub(crate) linked: Linked,
    pub(crate) cache_error: Option<Error>,
}

pub(crate) enum Linked {
    Command(Start<CommandState, dyn Runs>),
    Roles(Box<Roles>),
}

impl Plugin {
    /// Its name: of the file, without what follows the dot, or of the built-in.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it can be used for: at least one.
    pub fn worlds(&self) -> &[World] {
        &self.worlds
    }

    /// Whether it can be used for this.
    pub fn is(&self, world: World) -> bool {
        self.worlds.iter().any(|it| *it == world || (world == World::Policy && it.reacts()))
    }

    /// Whether its settings say which of its roles it plays, as with those that run scripts.
    pub fn chooses(&self) -> bool {
        self.roles().is_some_and(|it| it.chooser.is_some())
    }

    /// Why its compiled code could not be kept for the next time, if so.
    pub fn cache_error(&self) -> Option<&Error> {
        self.cache_error.as_ref()
    }

    /// Its roles, if it is no command.
    pub(crate) fn roles(&self) -> Option<&Roles> {
        match &self.linked {
            Linked::Roles(roles) => Some(roles),
            Linked::Command(_) => None,
        }
    }

    /// That this is not what it was to be used as.
    pub(crate) fn is_not(&self, expected: World) -> Error {
        let exports: Vec<&str> = self.worlds.iter().map(|it| it.export()).collect();
        Error::World {
            plugin: self.name.clone(),
            reason: format!("it is not {expected}: it exports {}", exports.join(", ")),
        }
    }

    /// Links a component to what its worlds may import.
    pub(crate) fn link(
        engine: &Engine,
        name: String,
        release: &Release,
        worlds: &[World],
        component: &Component,
    ) -> Result<Self, Error> {
        let uses_wasi = check_imports(engine, &name, release, worlds, component)?;
        let component_type = component.component_type();
        let chooses = component_type.exports(engine).any(|(name, _)| release.has(name, ROLES));
        let linking = Linking { engine, component, worlds, uses_wasi, chooses };
        let linked = if worlds == [World::Command] {
            (release.command)(&linking).map(Linked::Command)
        } else {
            (release.roles)(&linking).map(|roles| Linked::Roles(Box::new(roles)))
        };
        let linked = linked.map_err(|error| unfit(&name, release, worlds, &error))?;
        Ok(Self { name, uses_wasi, worlds: worlds.to_vec(), linked, cache_error: None })
    }
}

/// The worlds of a component and the release they are of, by the names of what it exports.
pub(crate) fn worlds(
    engine: &Engine,
    name: &str,
    component: &Component,
) -> Result<(&'static Release, Vec<World>), Error> {
    let component_type = component.component_type();
    let exports: Vec<&str> = component_type.exports(engine).map(|(name, _)| name).collect();
    let imports: Vec<&str> = component_type.imports(engine).map(|(name, _)| name).collect();
    let of_release = |release: &'static Release| {
        let has = |names: &[&str], interface| names.iter().any(|it| release.has(it, interface));
        let controls = CONTROLS.iter().any(|it| has(&imports, it));
        let is = |world: &World| {
            let is_it = !world.reacts() || (*world == World::Controller) == controls;
            is_it && has(&exports, world.export())
        };
        (release, World::ALL.into_iter().filter(is).collect::<Vec<_>>())
    };
    let listed = |release: &Release, worlds: &[World], joint: &str| {
        let each = worlds.iter().map(|it| format!("{it} ({})", release.name(it.export())));
        each.collect::<Vec<_>>().join(joint)
    };
    // A controller exports what a policy does.
    let exporting: Vec<World> =
        World::ALL.into_iter().filter(|it| *it != World::Controller).collect();
    let mut found: Vec<_> =
        RELEASES.iter().map(of_release).filter(|(_, worlds)| !worlds.is_empty()).collect();
    let reason = match &found[..] {
        [] => format!(
            "it is of no world, by what it should export: {}; it exports {}",
            listed(&RELEASES[0], &exporting, ", "),
            if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") }
        ),
        [(release, worlds)] if worlds.len() > 1 && worlds.contains(&World::Command) => {
            format!("it is {} in one; a command stands alone", listed(release, worlds, " and "))
        }
        [_] => return Ok(found.remove(0)),
        several => {
            let each = several.iter().map(|(release, worlds)| listed(release, worlds, " and "));
            let each = each.collect::<Vec<_>>().join(" and ");
            format!("it is {each} in one; all that a plugin exports is of one release")
        }
    };
    Err(Error::World { plugin: name.to_owned(), reason })
}

/// Refuses what is not offered to these `worlds`, all of it by name; whether it needs WASI.
fn check_imports(
    engine: &Engine,
    plugin: &str,
    release: &Release,
    worlds: &[World],
    component: &Component,
) -> Result<bool, Error> {
    let component_type = component.component_type();
    let imports: Vec<&str> = component_type.imports(engine).map(|(name, _)| name).collect();
    let is_wasi = |import: &&str| WASI_IMPORTS.iter().any(|prefix| import.starts_with(prefix));
    let is_offered = |import: &&str| {
        let mut ours = worlds.iter().flat_map(|it| it.imports());
        is_wasi(import) || ours.any(|interface| release.has(import, interface))
    };
    let unknown: Vec<&str> = imports.iter().copied().filter(|it| !is_offered(it)).collect();
    if unknown.is_empty() {
        return Ok(imports.iter().any(is_wasi));
    }
    Err(Error::Imports {
        plugin: plugin.to_owned(),
        worlds: World::list(worlds),
        imports: unknown.join(", "),
    })
}

/// It says that it is of these worlds, and does not have their types.
fn unfit(plugin: &str, release: &Release, worlds: &[World], error: &wasmtime::Error) -> Error {
    let worlds = World::list(worlds);
    Error::World {
        plugin: plugin.to_owned(),
        reason: format!("it is not {worlds} of {release}: {error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn check(world: World, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/worlds.wit");
        let text = fs::read_to_string(path).unwrap();
        let (_, after) = text.split_once(&format!("world {name} {{")).unwrap();
        let (body, _) = after.split_once('}').unwrap();
        for line in body.lines().filter_map(|line| line.trim().strip_prefix("import ")) {
            let interface = line.trim_end_matches(';').split('@').next().unwrap();
            let interface = if interface.contains(':') {
                interface.to_owned()
            } else {
                format!("weir:plugin/{interface}")
            };
            assert!(
                world.imports().any(|it| it == interface),
                "{name} imports {interface}, which is not offered"
            );
        }
    }

    #[test]
    fn what_the_worlds_import_is_offered() {
        for world in World::ALL {
            check(world, world.word());
        }
    }

    #[test]
    fn versions_are_told_apart() {
        for (name, expected) in [
            ("weir:host/log@0.1.0", true),
            ("weir:host/log@0.1.12", true),
            ("weir:host/log@0.2.0", false),
            ("weir:host/log@0.10.0", false),
            ("weir:host/log", false),
            ("weir:host/logs@0.1.0", false),
        ] {
            assert_eq!(RELEASES[0].has(name, "weir:host/log"), expected, "{name}");
        }
    }
}
