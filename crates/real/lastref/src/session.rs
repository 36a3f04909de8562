//! A machine's migration object from its making to its last reference, for the main thread.

use std::time::Duration;

use migration::bql::BqlUnlocked;
use migration::{
    CommandError, Direction, Endpoint, Host, Life, LifeEvent, MigrationCapabilities, MigrationInfo,
    MigrationObject, MigrationParameters, MigrationStatus, Observer,
};

use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// How long the thread of a migration that is over may take to let go of the object. It has
/// nothing to wait for, so this is only reached if it hangs.
const LET_GO: Duration = Duration::from_secs(5);

/// Often enough for people.
const REFRESH: Duration = Duration::from_millis(100);

/// The main thread with a published migration object.
pub(crate) struct Session {
    pub(crate) thread: BqlUnlocked,
    object: MigrationObject,
    pub(crate) direction: Direction,
    pub(crate) observer: Observer,
    /// How often a wait looks at signals, and a display is brought up to date.
    pub(crate) refresh: Duration,
    pub(crate) downtime_limit: Duration,
    life: Life,
    interrupt: Interrupt,
}

impl Session {
    pub(crate) fn new(
        mut thread: BqlUnlocked,
        host: Host,
        direction: Direction,
        interrupt: Interrupt,
    ) -> Result<Self, Failure> {
        let mut bql = thread.lock();
        let object = migration::object_init(&mut bql, host)?;
        let (Some(observer), Some(life)) =
            (migration::observer(&bql, direction), migration::life(&bql))
        else {
            return Err(CommandError::NoObject.into());
        };
        drop(bql);
        Ok(Session {
            thread,
            object,
            direction,
            observer,
            refresh: REFRESH,
            downtime_limit: Duration::MAX,
            life,
            interrupt,
        })
    }

    /// Begins to migrate, over `channels` of multifd if there are to be any.
    pub(crate) fn begin(
        &mut self,
        endpoint: Endpoint,
        channels: Option<u8>,
        mut parameters: MigrationParameters,
    ) -> Result<(), Failure> {
        let mut bql = self.thread.lock();
        if let Some(channels) = channels {
            parameters.multifd_channels = channels;
            let capabilities =
                MigrationCapabilities { multifd: true, ..migration::capabilities(&bql) };
            migration::set_capabilities(&bql, capabilities)?;
        }
        self.downtime_limit = parameters.downtime_limit;
        migration::set_parameters(&bql, parameters)?;
        match self.direction {
            Direction::Outgoing => migration::migrate(&mut bql, endpoint)?,
            Direction::Incoming => migration::migrate_incoming(&mut bql, endpoint)?,
        }
        Ok(())
    }

    /// Waits a little, or until `done`; cancels if the program was asked to stop.
    pub(crate) fn wait(
        &mut self,
        done: impl Fn(MigrationStatus, &MigrationInfo) -> bool,
    ) -> MigrationStatus {
        let status = self.observer.wait(&mut self.thread, self.refresh, done);
        if self.interrupt.is_asked() {
            migration::cancel(&mut self.thread.lock(), self.direction);
        }
        status
    }

    /// Shuts the migration object down and tells its life; without its end, if its thread does
    /// not let go of it.
    pub(crate) fn end(mut self) -> (BqlUnlocked, Vec<LifeEvent>) {
        let retired = migration::shutdown(self.object, &mut self.thread.lock());
        retired.give_back(&mut self.thread);
        self.life.wait_until_dropped(&mut self.thread, LET_GO);
        (self.thread, self.life.events())
    }
}
