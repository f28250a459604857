//! Where a script is: for what stops it without saying where.
//!
//! An interpreter that is out of steps, or a host that stops the whole plugin, knows no
//! line of the script. So the statement under way is remembered, and the host told of it while
//! that can still be done: now and then in a call that takes long, and when more memory is asked
//! for than there can be.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::{Cell, RefCell},
};

use starlark::{
    codemap::{FileSpan, FileSpanRef},
    eval::{BeforeStmtFuncDyn, Evaluator},
};
use weir_sdk::policy::log;

use crate::problem;

/// Bytes that no script gets at once: half of what a policy may use by default.
const TOO_MANY_BYTES: usize = 32 << 20;

/// Statements between two of which the host is told: that takes as long as some ten of them, and
/// most calls have fewer.
const TOLD_EVERY: u32 = 64;

thread_local! {
    static STATEMENT: RefCell<Option<FileSpan>> = const { RefCell::new(None) };
    /// Statements of this call so far.
    static COUNT: Cell<u32> = const { Cell::new(0) };
    static IS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// The statement under way.
pub(crate) fn statement() -> Option<FileSpan> {
    STATEMENT.with_borrow(Clone::clone)
}

/// Another call begins.
pub(crate) fn forget() {
    STATEMENT.set(None);
    COUNT.set(0);
}

/// Tells the host where the script is, for its report should it stop the plugin there.
pub(crate) fn tell() {
    if let Some(span) = statement() {
        say(problem::here(&span));
    }
}

/// The call is over: what goes wrong from here on is at no line of the script.
pub(crate) fn leave() {
    if IS_TOLD.replace(false) {
        log::write(log::Level::Trace, "", &[]);
    }
}

/// Without a message: nobody reads it but who is told why the plugin was stopped.
fn say(place: String) {
    log::write(log::Level::Trace, "", &[("at".to_owned(), place)]);
    IS_TOLD.set(true);
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
        COUNT.set(COUNT.get().wrapping_add(1));
        if COUNT.get().is_multiple_of(TOLD_EVERY) {
            tell();
        }
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
            say(problem::with_line(&span, &format!("it needs {bytes} bytes at once")));
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
