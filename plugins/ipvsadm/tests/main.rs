//! Whole invocations, run natively against a table in memory: the recorded cases of the
//! original, and what they do not show.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod listings;
#[cfg(test)]
mod shell;
