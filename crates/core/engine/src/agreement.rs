//! How the two ends agree who has the machine.
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
//! EOF is the one message that gives the machine away: the destination starts nothing before it,
//! and the source lets nothing go on after it, unless whoever took the stream says that he does not
//! have the machine: a destination by SHUT, a command by its exit status. A cancel is heard until
//! then and refused after. If the connection breaks between EOF and the last word, the source
//! cannot know; it leaves the machine stopped.
//!
//! A destination of QEMU answers each PING once it has loaded what came before, and takes EOF as
//! the word to start. So the source needs not know whom it talks to. A destination of ours knows
//! by [`READY_PING`] that its source keeps this order; that of QEMU may let the machine go on after
//! EOF, and is asked again by the write of SHUT whether it still listens.
//!
//! The test `agreement` looks at every order of these steps with a cancel, a broken connection and
//! a killed end at any moment.

/// The number of the PING that asks whether everything but EOF was taken. The passes before have
/// small numbers, and so have QEMU's own.
pub(crate) const READY_PING: u32 = 0x4c52_4459;
