//! The core as its drivers see it.

#![expect(clippy::unwrap_used, reason = "tests, whose helpers the exception for tests leaves out")]

mod scheduler_vectors;
