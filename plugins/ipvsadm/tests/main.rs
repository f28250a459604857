//! Whole invocations, run natively against a table in memory: what the recorded cases of
//! the original do not show. Those are run where an IPVS is to be had, see `weir-tests`.

#[cfg(test)]
mod kernel;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod listings;
