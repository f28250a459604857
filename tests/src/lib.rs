//! What the tests share: namespaces, programs to run and compare, and the kernel's
//! table read without any code of the project, so that no mistake can hide itself.
//!
//! Everything panics when something fails that is not the thing under test.

pub mod cases;
pub mod director;
pub mod engine;
pub mod fixture;
pub mod frame;
pub mod guest;
pub mod lab;
pub mod links;
pub mod namespace;
pub mod narrator;
pub mod netlink;
pub mod program;
pub mod random;
pub mod shell;
pub mod shrink;
pub mod table;
pub mod tap;
pub mod text;
