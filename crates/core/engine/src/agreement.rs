//! The agreement of the two ends on which of them has the machine.
//!
//! ```text
//!   source                                        destination
//!   -------------------------------------------   ------------------------------------------
//!   stops the machine
//!   sends memory, the devices, PING (ready)  -->   loads them, puts the devices in place
//!                                            <--   PONG, or SHUT with an error
//!   no return: sends EOF                     -->   no return: the machine is here
//!                                                  makes it durable
//!                                            <--   SHUT 0, or SHUT with an error
//!   lets go of the machine                         starts it
//! ```
//!
//! EOF is the only message that gives the machine away. The destination starts nothing before EOF.
//! The source resumes nothing after it, unless the receiver reports that it does not have the
//! machine: a destination by SHUT, a command by its exit status. A cancel takes effect before EOF
//! and is refused after it. If the connection breaks between EOF and the final answer, the source
//! cannot know the outcome, and leaves the machine stopped.
//!
//! A QEMU destination answers each PING after it has loaded what came before, and starts the
//! machine at EOF. So the source need not know which kind of destination it has. A destination of
//! this engine recognises by [`READY_PING`] a source that keeps this order. A QEMU source may
//! resume the machine after EOF, so the destination's write of SHUT checks that the source still
//! listens.
//!
//! The test `agreement` tries every order of these steps, with a cancel, a broken connection or a
//! killed end at any moment.

/// The number of the PING that asks whether the destination has loaded everything before EOF. The
/// PINGs of the passes, and QEMU's own, have small numbers.
pub(crate) const READY_PING: u32 = 0x4c52_4459;
