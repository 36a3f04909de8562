//! The migration object of the program, from its creation to its last reference.

use std::time::Duration;

use migration::bql::BqlUnlocked;
use migration::{
    CommandError, Direction, Endpoint, Host, Life, LifeEvent, MigrationCapabilities, MigrationInfo,
    MigrationObject, MigrationParameters, MigrationStatus, Observer,
};

use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// Maximum wait for the thread of an ended migration to drop its count. It has nothing to wait for,
/// so only a hang reaches this.
const LET_GO: Duration = Duration::from_secs(5);

/// Refresh interval for people.
const REFRESH: Duration = Duration::from_millis(100);

/// The main thread with a published migration object.
pub(crate) struct Session {
    pub(crate) thread: BqlUnlocked,
    object: MigrationObject,
    pub(crate) direction: Direction,
    pub(crate) observer: Observer,
    /// Interval at which a wait checks for signals and the display is refreshed.
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

    /// Starts the migration, with `channels` of multifd if there are any.
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

    /// Waits for one refresh interval, or until `done`; cancels if the program was asked to stop.
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

    /// Shuts the migration object down and returns its life. The end is missing if its thread does
    /// not drop its count.
    pub(crate) fn end(mut self) -> (BqlUnlocked, Vec<LifeEvent>) {
        let retired = migration::shutdown(self.object, &mut self.thread.lock());
        retired.give_back(&mut self.thread);
        self.life.wait_until_dropped(&mut self.thread, LET_GO);
        (self.thread, self.life.events())
    }
}
