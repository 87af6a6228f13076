//! What keeps others out for as long as it is kept, whichever store gave it.

use std::fmt;

/// Whom a hold keeps out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldMode {
    /// Those who want the key exclusively.
    Shared,
    /// Everybody else.
    Exclusive,
}

/// A key that is held; dropping it lets the key go.
pub struct Hold {
    _guard: Box<dyn Send + Sync>,
}

impl Hold {
    /// A hold that ends when the guard is dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Hold {
        Hold { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hold")
    }
}

/// A lease that is had; dropping it gives it up.
pub struct Lease {
    _guard: Box<dyn Send + Sync>,
}

impl Lease {
    /// A lease that ends when the guard is dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Lease {
        Lease { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lease")
    }
}
