//! Spans and events for the crate `tracing`, with the feature of that name. Without it both macros
//! expand to nothing.
//!
//! A span is one phase of a migration, on its thread: `connect`, `activate`, `iterate`,
//! `switch_over`, `complete` at the source; `wait`, `load`, `confirm` at the destination. The events
//! are each change of status (INFO) and each pass over memory (DEBUG). None is emitted with a lock of
//! the engine held but perhaps the BQL, as QEMU's trace points are.

/// Enters the span of a phase, and leaves it at the end of the block.
#[cfg(feature = "tracing")]
macro_rules! phase {
    ($name:literal) => {
        let _entered = ::tracing::info_span!($name).entered();
    };
}

/// Emits an event, given as `tracing::event!` takes it.
#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $($fields:tt)+) => {
        ::tracing::event!(::tracing::Level::$level, $($fields)+)
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! phase {
    ($name:literal) => {};
}

#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($($fields:tt)+) => {};
}
