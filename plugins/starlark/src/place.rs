//! Where a script is: for what stops it without saying where.
//!
//! An interpreter that is out of steps, or a host that stops the whole plugin, knows no
//! line of the script. So the statement under way is remembered, and who asks for more
//! memory than there can be says so while it still can.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::RefCell,
};

use starlark::{
    codemap::{FileSpan, FileSpanRef},
    eval::{BeforeStmtFuncDyn, Evaluator},
};
use weir_sdk::policy::log;

use crate::problem;

/// Bytes that no script gets at once: half of what a policy may use by default.
const TOO_MANY_BYTES: usize = 32 << 20;

thread_local! {
    static STATEMENT: RefCell<Option<FileSpan>> = const { RefCell::new(None) };
}

/// The statement under way.
pub(crate) fn statement() -> Option<FileSpan> {
    STATEMENT.with_borrow(Clone::clone)
}

/// Another call begins.
pub(crate) fn forget() {
    STATEMENT.set(None);
}

/// Sees every statement before it is run.
pub(crate) struct Watch;

impl BeforeStmtFuncDyn<'_> for Watch {
    fn call<'v>(
        &mut self,
        span: FileSpanRef<'_>,
        _: bool,
        _: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<()> {
        STATEMENT.set(Some(span.to_file_span()));
        Ok(())
    }
}

struct Allocator;

#[cfg_attr(target_family = "wasm", global_allocator)]
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "tests have the system's"))]
static ALLOCATOR: Allocator = Allocator;

impl Allocator {
    /// Says that the plugin is about to be stopped for this.
    #[cold]
    fn complain(bytes: usize) {
        if let Some(span) = statement() {
            let line = problem::with_line(&span, &format!("it needs {bytes} bytes at once"));
            log::write(log::Level::Error, &line, &[]);
        }
    }
}

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > TOO_MANY_BYTES {
            Self::complain(layout.size());
        }
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > TOO_MANY_BYTES {
            Self::complain(size);
        }
        // SAFETY: the caller's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
