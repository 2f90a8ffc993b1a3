//! Which vector instructions the hot loops are compiled to. What they compute does not depend on it: every sum has its
//! lanes from the data alone, and a fused multiply-add is one wherever it runs.

use std::sync::atomic::{AtomicBool, Ordering};

use pulp::{Arch, NullaryFnOnce};

static BASELINE: AtomicBool = AtomicBool::new(false);

/// From now on this process computes as a machine would that has none but the baseline's instructions: slowly, to show
/// that the bits are the same.
pub fn force_baseline_instructions() {
    BASELINE.store(true, Ordering::Relaxed);
}

/// Runs `work`, compiled for the best vector instructions that this machine has. What it calls must be
/// `inline(always)`, or it is compiled without them.
#[inline]
pub(crate) fn dispatch<W: NullaryFnOnce>(work: W) -> W::Output {
    match BASELINE.load(Ordering::Relaxed) {
        true => baseline(work),
        false => Arch::new().dispatch(work),
    }
}

/// Runs `work` without any instruction that not every machine has.
#[inline(never)]
pub(crate) fn baseline<W: NullaryFnOnce>(work: W) -> W::Output {
    work.call()
}
