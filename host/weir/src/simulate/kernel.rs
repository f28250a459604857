//! The table as everyone but the packets sees it: the embedded core, whose answers can be
//! made to fail, and which remembers what weir wrote.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use weir_embedded::Embedded;
use weir_ipvs::{
    Change, Connections, Error, Failure, Fields, Info, Ipvs, OnFailure, Scheduler, Scope, Snapshot,
    Stats, SyncDaemon, Timeouts,
};

use super::scenario::{Calls, KernelFault};

/// See the module.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// For packets and time.
    pub(crate) core: Embedded,
    faults: Vec<KernelFault>,
    written: Vec<Change>,
}

impl Kernel {
    pub(crate) fn new(core: Embedded) -> Self {
        Self { core, faults: Vec::new(), written: Vec::new() }
    }

    /// Makes calls fail from now on.
    pub(crate) fn fail(&mut self, fault: KernelFault) {
        self.faults.push(fault);
    }

    /// Makes no call fail any more.
    pub(crate) fn recover(&mut self) {
        self.faults.clear();
    }

    /// The changes that succeeded since this was last asked.
    pub(crate) fn take_written(&mut self) -> Vec<Change> {
        mem::take(&mut self.written)
    }

    /// Lends it out as [`Shared`] while `use_it` runs.
    pub(crate) fn lend<T>(&mut self, use_it: impl FnOnce(Shared) -> T) -> T {
        let placeholder = Self::new(Embedded::new(self.core.settings().clone()));
        let lent = Arc::new(Mutex::new(mem::replace(self, placeholder)));
        let result = use_it(Shared(Arc::clone(&lent)));
        let lent = Arc::into_inner(lent).expect("what borrowed it was dropped");
        *self = lent.into_inner().unwrap_or_else(PoisonError::into_inner);
        result
    }

    /// The errno with which a call fails that `is_meant` says a fault is about.
    fn fault(&mut self, is_meant: impl Fn(Calls) -> bool) -> Option<i32> {
        let at = self.faults.iter().position(|it| is_meant(it.calls))?;
        let fault = &mut self.faults[at];
        let errno = fault.errno;
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                self.faults.remove(at);
            }
        }
        Some(errno)
    }

    fn change(&mut self, change: &Change) -> Result<(), Error> {
        let calls = match change {
            Change::AddService(_) => Some(Calls::AddService),
            Change::EditService(_) => Some(Calls::EditService),
            Change::DeleteService(_) => Some(Calls::DeleteService),
            Change::AddServer(..) => Some(Calls::AddServer),
            Change::EditServer(..) => Some(Calls::EditServer),
            Change::DeleteServer(_) => Some(Calls::DeleteServer),
            _ => None,
        };
        if let Some(errno) = self.fault(|it| it == Calls::Changes || Some(it) == calls) {
            return Err(weir_netlink::refusal(change, errno));
        }
        match self.core.apply(std::slice::from_ref(change), OnFailure::Stop).pop() {
            Some(failure) => Err(failure.error),
            None => Ok(()),
        }
    }
}

impl Ipvs for Kernel {
    fn info(&mut self) -> Result<Info, Error> {
        self.core.info()
    }

    fn read(&mut self, scope: Scope, fields: Fields) -> Result<Snapshot, Error> {
        match self.fault(|it| it == Calls::Reads) {
            Some(errno) => Err(weir_netlink::read_refusal(errno)),
            None => self.core.read(scope, fields),
        }
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (step, change) in changes.iter().enumerate() {
            match self.change(change) {
                Ok(()) => self.written.push(change.clone()),
                Err(error) => {
                    failures.push(Failure { step, error });
                    if on_failure == OnFailure::Stop {
                        break;
                    }
                }
            }
        }
        failures
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        self.core.totals()
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.core.timeouts()
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.core.daemons()
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        self.core.schedulers()
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        self.core.connections()
    }
}

/// A [`Kernel`] that is lent out.
pub(crate) struct Shared(Arc<Mutex<Kernel>>);

impl Shared {
    fn get<T>(&self, call: impl FnOnce(&mut Kernel) -> T) -> T {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ipvs for Shared {
    fn info(&mut self) -> Result<Info, Error> {
        self.get(Kernel::info)
    }

    fn read(&mut self, scope: Scope, fields: Fields) -> Result<Snapshot, Error> {
        self.get(|it| it.read(scope, fields))
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        self.get(|it| it.apply(changes, on_failure))
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        self.get(Kernel::totals)
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.get(Kernel::timeouts)
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.get(Kernel::daemons)
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        self.get(Kernel::schedulers)
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        self.get(Kernel::connections)
    }
}
