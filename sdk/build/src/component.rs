//! What can be read off a component without running it, and the manifest within.

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::{ComponentSection as _, CustomSection, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::DecodedWasm;

/// The custom section with the author's manifest: the text of `plugin.toml`.
const MANIFEST: &str = "weir:manifest";

/// The interfaces of a component, such as `weir:plugin/reactor@0.1.0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surface {
    /// What it offers.
    pub exports: Vec<String>,
    /// What it needs.
    pub imports: Vec<String>,
}

/// Reads the interfaces of `component`. Fails if it is not a component, or not a valid one.
pub fn surface(component: &[u8]) -> Result<Surface> {
    ensure!(Parser::is_component(component), "it is not a component");
    let decoded = wit_component::decode(component).context("it is not a component")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        bail!("it holds interfaces, and no code");
    };
    let world = &resolve.worlds[world];
    let names = |items: &mut dyn Iterator<Item = _>| {
        items.map(|key| resolve.name_world_key(key)).collect::<Vec<_>>()
    };
    Ok(Surface {
        exports: names(&mut world.exports.keys()),
        imports: names(&mut world.imports.keys()),
    })
}

/// `component` with this manifest in it.
pub fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    let mut whole = component.to_vec();
    let section = CustomSection { name: MANIFEST.into(), data: manifest.as_bytes().into() };
    section.append_to_component(&mut whole);
    whole
}

/// The manifest in `component`; of several, the last.
pub fn manifest(component: &[u8]) -> Result<Option<String>> {
    let mut found = None;
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.context("it is not a component")? {
            // Those of what it is made of are not its own.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == MANIFEST => {
                let text = String::from_utf8(section.data().to_vec());
                found = Some(text.context("its manifest is no text")?);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// `module` without what debuggers read, which is many times its size; the names of its
/// functions stay.
pub(crate) fn without_debug_sections(module: &[u8]) -> Result<Vec<u8>> {
    let mut kept = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.context("it is not WebAssembly")?;
        if matches!(&payload, Payload::CustomSection(it) if it.name().starts_with(".debug_")) {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let (from, to) = (usize::try_from(range.start)?, usize::try_from(range.end)?);
            kept.section(&RawSection { id, data: &module[from..to] });
        }
    }
    Ok(kept.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component: nothing but its version.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_manifest_is_found_again() {
        assert_eq!(manifest(EMPTY).unwrap(), None);
        let whole = with_manifest(&with_manifest(EMPTY, "old"), "[plugin]");
        assert_eq!(manifest(&whole).unwrap().as_deref(), Some("[plugin]"));
        assert_eq!(surface(&whole).unwrap(), Surface::default());
    }

    #[test]
    fn what_debuggers_read_is_left_out() {
        let mut module = wasm_encoder::Module::new();
        let section = |name: &'static str| CustomSection { name: name.into(), data: b"x".into() };
        module.section(&section(".debug_line")).section(&section("name"));
        let mut expected = wasm_encoder::Module::new();
        expected.section(&section("name"));
        assert_eq!(without_debug_sections(&module.finish()).unwrap(), expected.finish());
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(surface(b"\0asm\x01\0\0\0").is_err());
        assert!(surface(b"text").is_err());
        assert!(manifest(b"text").is_err());
    }
}
