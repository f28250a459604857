//! The time, as a fake host has it.

use super::look;

pub fn wall() -> u64 {
    look(|it| it.wall)
}

pub fn monotonic() -> u64 {
    look(|it| it.monotonic)
}

pub fn utc_offset() -> i32 {
    look(|it| it.utc_offset)
}
