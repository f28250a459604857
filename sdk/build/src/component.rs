//! What can be read off a component without running it, and what its author put into it.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::{ComponentSection as _, CustomSection, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::DecodedWasm;

/// The custom section with the author's manifest: the text of `plugin.toml`.
const MANIFEST: &str = "weir:manifest";

/// The custom section with the JSON Schema of its settings.
const SCHEMA: &str = "weir:settings";

/// Bytes of each of them, at most.
pub const SECTION_BYTES: u64 = 64 << 10;

/// What a component begins with (the component model's `Binary.md`).
const PREAMBLE: &[u8; 8] = b"\0asm\x0d\0\x01\0";

/// The section that may hold anything.
const CUSTOM: u8 = 0;

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
    with_section(component, MANIFEST, manifest)
}

/// `component` with this JSON Schema of its settings in it.
pub fn with_schema(component: &[u8], schema: &str) -> Vec<u8> {
    with_section(component, SCHEMA, schema)
}

fn with_section(component: &[u8], name: &str, text: &str) -> Vec<u8> {
    let mut whole = component.to_vec();
    let section = CustomSection { name: name.into(), data: text.as_bytes().into() };
    section.append_to_component(&mut whole);
    whole
}

/// The manifest in `component`; of several, the last. Fails if it is not a component.
pub fn manifest(component: impl Read + Seek) -> Result<Option<String>> {
    section(component, MANIFEST)
}

/// The JSON Schema of its settings in `component`; of several, the last. Fails if it is not a
/// component. Little of it is read, however large it is.
pub fn schema(component: impl Read + Seek) -> Result<Option<String>> {
    section(component, SCHEMA)
}

/// The text of a custom section, which is the component's own and not of what it is made of.
fn section(mut component: impl Read + Seek, wanted: &str) -> Result<Option<String>> {
    let no_component = || "it is not a component";
    let end = component.seek(SeekFrom::End(0))?;
    component.rewind()?;
    let mut preamble = [0; PREAMBLE.len()];
    component.read_exact(&mut preamble).with_context(no_component)?;
    ensure!(preamble == *PREAMBLE, no_component());
    let mut found = None;
    while component.stream_position()? < end {
        let id = byte(&mut component)?;
        let size = u64::from(number(&mut component)?);
        let next = component.stream_position()? + size;
        ensure!(next <= end, "it is cut off: it is not a whole component");
        if id == CUSTOM {
            let length = number(&mut component)?;
            if u64::from(length) == wanted.len() as u64 {
                let mut name = vec![0; wanted.len()];
                component.read_exact(&mut name)?;
                if name == wanted.as_bytes() {
                    let left = next.saturating_sub(component.stream_position()?);
                    ensure!(
                        left <= SECTION_BYTES,
                        "its {wanted} is larger than {SECTION_BYTES} bytes"
                    );
                    let mut text = String::new();
                    let read = (&mut component).take(left).read_to_string(&mut text);
                    read.with_context(|| format!("its {wanted} is no text"))?;
                    found = Some(text);
                }
            }
        }
        component.seek(SeekFrom::Start(next))?;
    }
    Ok(found)
}

fn byte(from: &mut impl Read) -> Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// A number as WebAssembly writes it: LEB128, of 32 bits.
fn number(from: &mut impl Read) -> Result<u32> {
    let mut number = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = byte(from)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(number).context("it is not a component");
        }
    }
    bail!("it is not a component")
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
    use std::io::Cursor;

    use super::*;

    /// The smallest component: nothing but its version.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_manifest_is_found_again() {
        let read = |component: &[u8]| manifest(Cursor::new(component)).unwrap();
        assert_eq!(read(EMPTY), None);
        let whole = with_schema(&with_manifest(EMPTY, "old"), "{}");
        let whole = with_manifest(&whole, "[plugin]");
        assert_eq!(read(&whole).as_deref(), Some("[plugin]"));
        assert_eq!(schema(Cursor::new(&whole)).unwrap().as_deref(), Some("{}"));
        assert_eq!(surface(&whole).unwrap(), Surface::default());
    }

    #[test]
    fn what_is_within_is_not_its_own() {
        let inner = with_manifest(EMPTY, "inner");
        let mut whole = EMPTY.to_vec();
        RawSection { id: 4, data: &inner }.append_to_component(&mut whole);
        assert_eq!(manifest(Cursor::new(&whole)).unwrap(), None);
        whole.extend(&with_manifest(EMPTY, "outer")[EMPTY.len()..]);
        assert_eq!(manifest(Cursor::new(&whole)).unwrap().as_deref(), Some("outer"));
    }

    #[test]
    fn what_is_cut_off_too_large_or_no_text_is_refused() {
        let refused =
            |component: &[u8]| format!("{:#}", manifest(Cursor::new(component)).unwrap_err());
        let whole = with_manifest(EMPTY, "[plugin]");
        for length in (0..whole.len()).filter(|it| *it != EMPTY.len()) {
            refused(&whole[..length]);
        }
        let large = "x".repeat(usize::try_from(SECTION_BYTES).unwrap() + 1);
        assert!(refused(&with_manifest(EMPTY, &large)).contains("larger than 65536 bytes"));
        let mut section = EMPTY.to_vec();
        CustomSection { name: MANIFEST.into(), data: b"\xff".into() }
            .append_to_component(&mut section);
        assert!(refused(&section).starts_with("its weir:manifest is no text"));
        let endless = [EMPTY, &[0, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
        assert!(refused(&endless).contains("it is not a component"));
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
        assert!(manifest(Cursor::new(b"text")).is_err());
    }
}
