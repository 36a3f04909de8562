//! Attacks on the engine by safe, public calls, and by a peer that the test plays.

mod bombs;
mod clean_up;
mod cont_releases;
mod description;
mod exec_relay;
mod fuzz;
mod growth;
mod held;
mod late_cancel;
mod multifd_after_ready;
mod possession;
mod settled;
mod stop_panics;
