//! Connections and persistence templates, as they are shown to people.

use crate::Endpoint;

/// One entry of the connection table, as the kernel prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The kernel's word: `TCP`, `UDP`, `SCTP`, `IP` (templates of marks).
    pub protocol: String,
    /// Port 0 for templates.
    pub client: Endpoint,
    /// For templates of marks the address is the mark.
    pub virtual_address: Endpoint,
    /// Its family may differ from the client's.
    pub server: Endpoint,
    /// The kernel's word: `ESTABLISHED`, `NONE`, `UDP`.
    pub state: String,
    /// Seconds, rounded down.
    pub expires_in: u32,
    /// Persistence engine and its data, such as a Call-ID: any bytes, one word.
    pub engine: Option<(String, Vec<u8>)>,
}
