//! What happened, an event a line.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

/// `GET`: lines, each an [`Event`]: what happened lately.
pub(crate) const EVENTS: &str = "/v1/events";
/// `GET`: the same, the last ten of them and then what happens, without end.
pub(crate) const FOLLOW: &str = "/v1/events/follow";

/// Something that happened. Its kinds are listed in `report/events.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Of this run of weir, without gaps.
    pub(crate) number: u64,
    /// RFC 3339, in UTC.
    pub(crate) at: String,
    /// `trace`, `debug`, `info`, `warn`, `error`.
    pub(crate) level: String,
    /// A stable word.
    pub(crate) event: String,
    pub(crate) fields: Fields,
}

/// What it is about, by stable words, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The value of one.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|it| it.0 == key).map(|it| it.1.as_str())
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
