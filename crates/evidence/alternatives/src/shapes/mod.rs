//! The shapes, a file each.

mod arc_swap;
mod end_state;
mod null_checks;
mod object_lock;
mod once_lock;
mod pointer_mutex;
mod rcu;
mod single_pointer;
mod two_pointers;
mod weak;

pub use arc_swap::ArcSwap;
pub use end_state::{Bql, EndState};
pub use null_checks::NullChecks;
pub use object_lock::ObjectLock;
pub use once_lock::SetOnce;
pub use pointer_mutex::PointerMutex;
pub use rcu::Rcu;
pub use single_pointer::SinglePointer;
pub use two_pointers::TwoPointers;
pub use weak::WeakReference;

use crate::memory::Memory;
use crate::shape::Shape;

/// A shape by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// [`SinglePointer`].
    SinglePointer,
    /// [`NullChecks`].
    NullChecks,
    /// [`TwoPointers`].
    TwoPointers,
    /// [`PointerMutex`].
    PointerMutex,
    /// [`ObjectLock`].
    ObjectLock,
    /// [`Rcu`].
    Rcu,
    /// [`WeakReference`].
    Weak,
    /// [`ArcSwap`].
    ArcSwap,
    /// [`SetOnce`].
    OnceLock,
    /// [`EndState`].
    EndState,
}

impl Name {
    /// Every shape, in the order of the tables.
    pub const ALL: [Name; 10] = [
        Name::SinglePointer,
        Name::NullChecks,
        Name::TwoPointers,
        Name::PointerMutex,
        Name::ObjectLock,
        Name::Rcu,
        Name::Weak,
        Name::ArcSwap,
        Name::OnceLock,
        Name::EndState,
    ];

    /// As the documentation and the file call it.
    pub fn name(self) -> &'static str {
        match self {
            Name::SinglePointer => "single_pointer",
            Name::NullChecks => "null_checks",
            Name::TwoPointers => "two_pointers",
            Name::PointerMutex => "pointer_mutex",
            Name::ObjectLock => "object_lock",
            Name::Rcu => "rcu",
            Name::Weak => "weak",
            Name::ArcSwap => "arc_swap",
            Name::OnceLock => "once_lock",
            Name::EndState => "end_state",
        }
    }

    /// Calls the visitor with the shape of this name.
    pub fn visit<M: Memory, V: Visitor<M>>(self, visitor: V) -> V::Output {
        match self {
            Name::SinglePointer => visitor.shape::<SinglePointer<M>>(),
            Name::NullChecks => visitor.shape::<NullChecks<M>>(),
            Name::TwoPointers => visitor.shape::<TwoPointers<M>>(),
            Name::PointerMutex => visitor.shape::<PointerMutex<M>>(),
            Name::ObjectLock => visitor.shape::<ObjectLock<M>>(),
            Name::Rcu => visitor.shape::<Rcu<M>>(),
            Name::Weak => visitor.shape::<WeakReference<M>>(),
            Name::ArcSwap => visitor.shape::<ArcSwap<M>>(),
            Name::OnceLock => visitor.shape::<SetOnce<M>>(),
            Name::EndState => visitor.shape::<EndState<M>>(),
        }
    }
}

/// What to do with a shape.
pub trait Visitor<M: Memory> {
    /// What comes out.
    type Output;
    /// Does it.
    fn shape<S: Shape<M>>(self) -> Self::Output;
}

/// Device introspection where an object enters itself nowhere: `object_new`, `object_unref`.
fn make_and_drop<M: Memory>(memory: &M, serial: u32) {
    let object = memory.allocate(serial);
    // SAFETY: the object was made here and nobody else has its address.
    unsafe { memory.free(object) };
}
