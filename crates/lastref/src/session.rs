//! A machine's migration object from its making to its last reference, for the main thread.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use migration::bql::BqlUnlocked;
use migration::{
    CommandError, Direction, Endpoint, Host, Life, LifeEvent, MigrationObject, MigrationParameters,
    Observer,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::Failure;

/// How long the thread of a migration that is over may take to let go of the object. It has
/// nothing to wait for, so this is only reached if it hangs.
const LET_GO: Duration = Duration::from_secs(5);

/// The main thread with a published migration object.
pub(crate) struct Session {
    pub(crate) thread: BqlUnlocked,
    object: MigrationObject,
    pub(crate) direction: Direction,
    pub(crate) observer: Observer,
    life: Life,
    /// Set by Ctrl-C and its like.
    pub(crate) interrupted: Arc<AtomicBool>,
}

impl Session {
    pub(crate) fn new(
        mut thread: BqlUnlocked,
        host: Host,
        direction: Direction,
    ) -> Result<Self, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))
                .map_err(Failure::set_up("a signal handler"))?;
        }
        let mut bql = thread.lock();
        let object = migration::object_init(&mut bql, host)?;
        let (Some(observer), Some(life)) =
            (migration::observer(&bql, direction), migration::life(&bql))
        else {
            return Err(CommandError::NoObject.into());
        };
        drop(bql);
        Ok(Session { thread, object, direction, observer, life, interrupted })
    }

    pub(crate) fn begin(
        &mut self,
        endpoint: Endpoint,
        parameters: MigrationParameters,
    ) -> Result<(), Failure> {
        let mut bql = self.thread.lock();
        migration::set_parameters(&bql, parameters)?;
        match self.direction {
            Direction::Outgoing => migration::migrate(&mut bql, endpoint)?,
            Direction::Incoming => migration::migrate_incoming(&mut bql, endpoint)?,
        }
        Ok(())
    }

    pub(crate) fn cancel(&mut self) {
        migration::cancel(&mut self.thread.lock(), self.direction);
    }

    /// Shuts the migration object down and tells its life; `None` if its thread does not let
    /// go of it.
    pub(crate) fn end(mut self) -> (BqlUnlocked, Option<Vec<LifeEvent>>) {
        let retired = migration::shutdown(self.object, &mut self.thread.lock());
        drop(retired);
        let gone = self.life.wait_until_dropped(&mut self.thread, LET_GO);
        (self.thread, gone.then(|| self.life.events()))
    }
}
