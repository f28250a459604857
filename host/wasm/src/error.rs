//! Why a plugin could not be used, and what became of one that failed.

use std::{fmt, io, path::PathBuf, time::Duration};

/// Why a component cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than [`crate::COMPONENT_BYTES`].
    #[error("load {}: it is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// What would be taken.
        limit: u64,
    },
    /// Native code is not taken from anyone: it would run outside the sandbox.
    #[error(
        "load {}: it is precompiled code, which weir makes for itself only; give the .wasm it was made from",
        path.display()
    )]
    Precompiled {
        /// Which.
        path: PathBuf,
    },
    /// A core module, or no WebAssembly at all.
    #[error("load {}: {reason}", path.display())]
    NotAComponent {
        /// Which.
        path: PathBuf,
        /// What it is, and what to do.
        reason: String,
    },
    /// A component of no world that weir runs, or of more than one.
    #[error("load {plugin}: {reason}")]
    World {
        /// Which.
        plugin: String,
        /// What it exports, and what was expected.
        reason: String,
    },
    /// Imports that no world has.
    #[error("load {plugin}: it needs what weir does not offer to {worlds}: {imports}")]
    Imports {
        /// Which.
        plugin: String,
        /// "a policy", or "a policy and a guard".
        worlds: String,
        /// Their names.
        imports: String,
    },
    /// The compiler refuses it: it is damaged, or needs a proposal that is off.
    #[error("compile {plugin}: {reason}")]
    Compile {
        /// Which.
        plugin: String,
        /// The compiler's words.
        reason: String,
    },
    /// Code compiled into this program does not fit its engine. Our own bug.
    #[error("use the built-in plugin {plugin}: {reason}")]
    Builtin {
        /// Which.
        plugin: String,
        /// The engine's words.
        reason: String,
    },
    /// The engine cannot run on this machine.
    #[error("start the WebAssembly engine: {0}")]
    Engine(String),
    /// The cache of compiled code cannot be trusted.
    #[error("use the cache {}: {reason}", directory.display())]
    Cache {
        /// Where.
        directory: PathBuf,
        /// What is wrong with it, and the remedy.
        reason: String,
    },
}

/// What became of a plugin that could not go on. Whoever gets this drops the plugin.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The guest ran into a limit, did what WebAssembly forbids, or a host function it
    /// called has a bug.
    #[error("{0}")]
    Trapped(Box<Report>),
    /// The guest said so itself, on purpose.
    #[error("{plugin}: {call} failed: {message}")]
    Refused {
        /// Which plugin.
        plugin: String,
        /// `init`, `handle`, `weigh` or `judge`.
        call: &'static str,
        /// The guest's words.
        message: String,
        /// Whether the same call may be tried again, with back-off.
        retryable: bool,
    },
    /// The plugin does not fit what it was to be used for.
    #[error("failed to {0}")]
    Unusable(#[from] Error),
}

/// One trap, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The instance.
    pub plugin: String,
    /// What was called: `init`, `handle`, `weigh`, `judge`, `run`, or `start` for its
    /// making.
    pub call: &'static str,
    /// In plain words: "used more than 64 MiB of memory".
    pub reason: String,
    /// The guest's functions, innermost first, by their names in the source.
    pub frames: Vec<String>,
    /// What it logged last, oldest first: the text of a panic among it; and where it was, if it
    /// said so.
    pub last_words: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} failed: {}", self.plugin, self.call, self.reason)?;
        for line in &self.last_words {
            write!(f, "\n  it said: {line}")?;
        }
        for frame in &self.frames {
            write!(f, "\n  at {frame}")?;
        }
        Ok(())
    }
}

/// A limit of [`crate::Limits`] that a guest ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("used more than {} of memory (limit memory_bytes)", Size(*.0))]
    Memory(usize),
    #[error("used more than {0} table elements (limit table_elements)")]
    Tables(usize),
    #[error("used more than {0:?} of processor time (limit cpu)")]
    Cpu(Duration),
    #[error("took longer than {0:?} (limit wall)")]
    Wall(Duration),
}

/// A number of bytes, in the largest unit that leaves it whole.
pub(crate) struct Size(pub(crate) usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes != 0 && bytes % (1 << 20) == 0 => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes != 0 && bytes % (1 << 10) == 0 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}
