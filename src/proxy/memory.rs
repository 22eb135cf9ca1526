//! How short memory is. What is held is looked at again and again, and also whenever so much has come from peers that it
//! may be another state: a flood does not wait for the next look.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, TryLockError};

/// What a worker lets come before it tells the others.
const TELLS: u32 = 64 * 1024;

/// How short memory is, and who is turned away for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// New connections, and those on which nothing is asked.
    Connections,
    /// New requests as well, and whoever keeps others waiting; other requests that are under way go on.
    Requests,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How short memory is.
    pub pressure: Pressure,
    /// So many bytes may come before it is to be looked at again.
    pub room: u64,
}

/// Looks at what the process holds, when memory was so short until now.
pub type LookAtMemory = Box<dyn Fn(Pressure) -> Look + Send + Sync>;

/// How short memory is, for all workers.
pub(crate) struct Memory {
    pressure: AtomicU8,
    room: AtomicI64,
    look: Mutex<LookAtMemory>,
}

impl Memory {
    pub(crate) fn new(look: LookAtMemory) -> Arc<Self> {
        Arc::new(Self { pressure: AtomicU8::default(), room: AtomicI64::new(i64::MAX), look: Mutex::new(look) })
    }

    /// Looks, unless somebody does already.
    pub(crate) fn look(&self) -> Pressure {
        let look = match self.look.try_lock() {
            Ok(look) => look,
            Err(TryLockError::Poisoned(look)) => look.into_inner(),
            Err(TryLockError::WouldBlock) => return self.pressure(),
        };
        let found = look(self.pressure());
        self.pressure.store(found.pressure as u8, Relaxed);
        self.room.store(i64::try_from(found.room).unwrap_or(i64::MAX), Relaxed);
        found.pressure
    }

    pub(crate) fn pressure(&self) -> Pressure {
        match self.pressure.load(Relaxed) {
            0 => Pressure::None,
            1 => Pressure::Connections,
            _ => Pressure::Requests,
        }
    }

    /// Whether there is memory for another connection.
    pub(crate) fn takes_connections(&self) -> bool {
        self.pressure() < Pressure::Connections
    }

    /// Whether there is memory for another request.
    pub(crate) fn takes_requests(&self) -> bool {
        self.pressure() < Pressure::Requests
    }

    /// So many bytes are held that were not when it was looked at last, or may be.
    pub(crate) fn came(&self, bytes: u32) {
        if self.room.fetch_sub(bytes.into(), Relaxed) <= i64::from(bytes) {
            self.look();
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("pressure", &self.pressure()).finish_non_exhaustive()
    }
}

/// What has come to one worker. Only ever used on its thread.
#[derive(Debug)]
pub(crate) struct Meter {
    memory: Arc<Memory>,
    came: AtomicU32,
}

impl Meter {
    pub(crate) fn new(memory: Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { memory, came: AtomicU32::new(0) })
    }

    pub(crate) fn pressure(&self) -> Pressure {
        self.memory.pressure()
    }

    /// As [`Memory::came`], at the cost of a store.
    pub(crate) fn came(&self, bytes: usize) {
        let came = self.came.load(Relaxed).saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if came < TELLS {
            self.came.store(came, Relaxed);
        } else {
            self.came.store(0, Relaxed);
            self.memory.came(came);
        }
    }
}

#[cfg(test)]
impl Memory {
    /// One that is as short as that.
    pub(crate) fn of(pressure: Pressure) -> Arc<Self> {
        let memory = Self::new(Box::new(move |_| Look { pressure, room: u64::MAX }));
        memory.look();
        memory
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn it_is_looked_at_when_as_much_has_come_as_there_was_room_for_and_not_before() {
        let looks = Arc::new(AtomicUsize::new(0));
        let count = looks.clone();
        let memory = Memory::new(Box::new(move |_| {
            let pressure = if count.fetch_add(1, Relaxed) == 0 { Pressure::None } else { Pressure::Requests };
            Look { pressure, room: 200_000 }
        }));
        memory.look();
        let meters = [Meter::new(memory.clone()), Meter::new(memory.clone())];
        for meter in &meters {
            meter.came(65_000);
            meter.came(1_000);
        }
        assert_eq!((looks.load(Relaxed), memory.takes_requests()), (1, true), "132,000 bytes");
        meters[0].came(100_000);
        assert_eq!((looks.load(Relaxed), memory.takes_requests()), (2, false), "232,000 bytes");
        meters[1].came(100_000);
        assert_eq!(looks.load(Relaxed), 2, "room was found anew");
    }
}
