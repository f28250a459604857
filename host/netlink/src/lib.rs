//! The kernel's IPVS, over generic netlink: [`Netlink`] implements [`weir_ipvs::Ipvs`].
//!
//! `message` alone translates between attributes and weir's words, `errno` alone turns
//! numbers into errors, `socket` alone knows sequence numbers. Above them stand the parts
//! of the trait: `open`, `apply`, `read`, and what the kernel tells in files only:
//! `connections`, `totals`, `schedulers`.
//!
//! Invariants: one socket, no threads, no runtime. A call has all its answers when it
//! returns. Netlink is spoken nowhere else in weir.
//!
//! Files below `/proc` and the socket belong to one network namespace, that of the thread:
//! use a [`Netlink`] on a thread of the namespace in which it was opened.

mod apply;
mod connections;
mod errno;
mod message;
mod open;
mod read;
mod schedulers;
mod socket;
mod sockopt;
mod totals;

pub use errno::{of_change as refusal, of_read as read_refusal};
#[doc(hidden)]
pub use message::decode_anything;
pub use open::{Autoload, Netlink};
