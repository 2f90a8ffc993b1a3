//! [`LimitedPool`]: the memory of the engine's operators. Those that can go on with a file of theirs do so; an operator that can't
//! ends the query, and the error says whose limit it was.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

use crate::error::{DataError, DataErrorKind};

/// An account of at most this part of the limit is always granted: whoever gets nothing at all can't even go on with a file.
const ALWAYS_PART: usize = 32;

/// Shares what is not held out evenly among the accounts that can go on with a file and have something. (Datafusion's own
/// fair pool counts those that have nothing, too: with many threads that leaves too little for a sort.)
#[derive(Debug)]
pub(super) struct LimitedPool {
    limit: usize,
    owner: String,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    /// Of them by accounts that can't go on with a file.
    firmly: usize,
    /// Accounts that can, and have something.
    sharing: usize,
}

impl LimitedPool {
    pub(super) fn new(limit: usize, owner: &str) -> Self {
        Self {
            limit,
            owner: owner.to_string(),
            taken: Mutex::default(),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an account may have so much more.
    fn has_room(&self, taken: &Taken, account: &MemoryReservation, more: usize) -> bool {
        let wanted = account.size().saturating_add(more);
        if wanted <= self.limit / ALWAYS_PART {
            return true;
        }
        if taken.bytes.saturating_add(more) > self.limit {
            return false;
        }
        let sharing = taken.sharing + usize::from(account.size() == 0);
        !account.consumer().can_spill() || wanted <= self.limit.saturating_sub(taken.firmly) / sharing.max(1)
    }

    fn refusal(&self, account: &MemoryReservation, more: usize) -> DataFusionError {
        let message = format!(
            "the query needs more memory than there is: {} asks for {} beside its {}, and the worker's limit is {}, of \
             which datasets hold a part",
            account.consumer().name(),
            in_mib(more),
            in_mib(account.size()),
            in_mib(self.limit),
        );
        let error = DataError::new(DataErrorKind::Memory, message)
            .at(&self.owner)
            .hint("raise --memory-limit, use more workers, or let the query hold less");
        // Operators that have files know this kind of error, and use them.
        DataFusionError::ResourcesExhausted(error.marked())
    }
}

impl fmt::Display for LimitedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "limited to {}, {} taken",
            in_mib(self.limit),
            in_mib(self.reserved())
        )
    }
}

impl Taken {
    fn grow(&mut self, account: &MemoryReservation, more: usize) {
        self.bytes = self.bytes.saturating_add(more);
        match account.consumer().can_spill() {
            true => self.sharing += usize::from(account.size() == 0 && more > 0),
            false => self.firmly = self.firmly.saturating_add(more),
        }
    }

    /// The account has given it back already.
    fn shrink(&mut self, account: &MemoryReservation, less: usize) {
        self.bytes = self.bytes.saturating_sub(less);
        match account.consumer().can_spill() {
            true if account.size() == 0 => self.sharing = self.sharing.saturating_sub(1),
            true => {}
            false => self.firmly = self.firmly.saturating_sub(less),
        }
    }
}

impl MemoryPool for LimitedPool {
    fn name(&self) -> &str {
        "limited"
    }

    fn grow(&self, account: &MemoryReservation, more: usize) {
        self.taken().grow(account, more);
    }

    fn shrink(&self, account: &MemoryReservation, less: usize) {
        self.taken().shrink(account, less);
    }

    fn try_grow(&self, account: &MemoryReservation, more: usize) -> Result<()> {
        let mut taken = self.taken();
        if !self.has_room(&taken, account, more) {
            return Err(self.refusal(account, more));
        }
        taken.grow(account, more);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.taken().bytes
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

fn in_mib(bytes: usize) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::MemoryConsumer;

    use super::*;

    const MIB: usize = 1 << 20;

    fn pool(limit: usize) -> Arc<dyn MemoryPool> {
        Arc::new(LimitedPool::new(limit, "http://here/"))
    }

    fn account(pool: &Arc<dyn MemoryPool>, can_spill: bool) -> MemoryReservation {
        let consumer = MemoryConsumer::new("HashJoinInput").with_can_spill(can_spill);
        consumer.register(pool)
    }

    #[test]
    fn a_query_that_needs_too_much_is_told_the_limit() {
        let pool = pool(3 * MIB);
        let account = account(&pool, false);
        account.try_grow(2 * MIB).unwrap();
        let error = account.try_grow(2 * MIB).unwrap_err();
        assert!(matches!(error, DataFusionError::ResourcesExhausted(_)));
        let error = DataError::from(error.context("while joining"));
        assert_eq!(error.kind, DataErrorKind::Memory);
        assert!(
            error.message.contains("HashJoinInput asks for 2.00 MiB"),
            "{error}"
        );
        assert!(
            error.message.contains("the worker's limit is 3.00 MiB"),
            "{error}"
        );
        assert_eq!(error.location.as_deref(), Some("http://here/"));
        assert!(error.hint.unwrap().contains("--memory-limit"));
    }

    #[test]
    fn those_that_can_spill_share_what_is_left() {
        let pool = pool(64 * MIB);
        let firm = account(&pool, false);
        firm.try_grow(16 * MIB).unwrap();
        let [one, other, idle] = [(); 3].map(|()| account(&pool, true));
        one.try_grow(48 * MIB).unwrap();
        assert!(one.try_grow(1).is_err());
        // A little is granted to whoever comes; more has to wait until the first has given back what is above its share.
        other.try_grow(2 * MIB).unwrap();
        assert!(other.try_grow(1).is_err());
        one.free();
        one.try_grow(24 * MIB).unwrap();
        other.try_grow(22 * MIB).unwrap();
        assert!(one.try_grow(1).is_err() && other.try_grow(1).is_err());
        assert_eq!((pool.reserved(), idle.size()), (64 * MIB, 0));
        drop((one, other, firm));
        idle.try_grow(64 * MIB).unwrap();
        drop(idle);
        assert_eq!(pool.reserved(), 0);
    }
}
