//! Netlink messages as bytes: read and written with no way to fail loudly.

/// A message under construction. What does not fit is left out, and noticed.
pub(crate) struct Writer<'a> {
    bytes: &'a mut [u8],
    length: usize,
    pub(crate) overflown: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, length: 0, overflown: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Forgets what was written from there on.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = length;
        self.overflown = false;
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if end > self.bytes.len() {
            self.overflown = true;
            return;
        }
        for (slot, byte) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *slot = *byte;
        }
        self.length = end;
    }

    /// Appends a netlink message; `body` writes what follows the header.
    pub(crate) fn message(&mut self, header: &Header, body: impl FnOnce(&mut Self)) {
        let start = self.length;
        self.put(&[0; 4]);
        self.put(&header.kind.to_ne_bytes());
        self.put(&header.flags.to_ne_bytes());
        self.put(&header.sequence.to_ne_bytes());
        self.put(&header.port.to_ne_bytes());
        body(self);
        let length = u32::try_from(self.length - start).unwrap_or(0);
        self.patch(start, &length.to_ne_bytes());
    }

    /// Appends an attribute.
    pub(crate) fn attribute(&mut self, kind: u16, payload: &[u8]) {
        self.nest(kind, |out| out.put(payload));
    }

    /// Appends an attribute whose payload `body` writes.
    pub(crate) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.length;
        self.put(&[0; 2]);
        self.put(&kind.to_ne_bytes());
        body(self);
        let length = u16::try_from(self.length - start).unwrap_or(0);
        self.patch(start, &length.to_ne_bytes());
        let padding = self.length.next_multiple_of(4) - self.length;
        self.put([0; 3].get(..padding).unwrap_or_default());
    }

    fn patch(&mut self, start: usize, bytes: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(start).zip(bytes) {
            *slot = *byte;
        }
    }
}

/// What precedes every message.
pub(crate) struct Header {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) port: u32,
}

/// The messages of one send: header, and what follows it.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    core::iter::from_fn(move || {
        let length = number(bytes, 0)? as usize;
        let header = Header {
            kind: half(bytes, 4)?,
            flags: half(bytes, 6)?,
            sequence: number(bytes, 8)?,
            port: number(bytes, 12)?,
        };
        let body = bytes.get(16..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header, body))
    })
}

/// The payload of the first attribute of that kind.
pub(crate) fn find(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(half(bytes, 0)?);
        let kind = half(bytes, 2)? & 0x3fff;
        let payload = bytes.get(4..length)?;
        if kind == wanted {
            return Some(payload);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|it| u32::from_ne_bytes(*it))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|it| u16::from_ne_bytes(*it))
}
