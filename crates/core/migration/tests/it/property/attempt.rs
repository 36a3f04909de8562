//! What the model knows of one direction's last migration.

use std::os::unix::net::UnixStream;

use engine::transitions::{Here, transitions};
use migration::MigrationStatus::{
    Active, Cancelled, Cancelling, Completed, Device, Failed, None as Nothing, PreSwitchover, Setup,
};
use migration::{Direction, MigrationStatus, Observer, error_chain};

/// What a migration meets at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Outgoing: there is nobody. Incoming: there is no such folder.
    Nowhere,
    /// Outgoing: has caught up and says nothing else, so that nothing is confirmed. Incoming:
    /// sends nothing.
    Silent,
    /// Outgoing: takes everything. Incoming: closes the connection.
    Quick,
    /// Incoming only: does not connect.
    Late,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Cancel,
    Fail,
}

/// What the model knows of one direction's last migration.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) direction: Direction,
    /// As last seen.
    pub(crate) status: MigrationStatus,
    pub(crate) peer: Peer,
    /// A notifier will not let it begin.
    pub(crate) refused: bool,
    /// It waits for `migrate-continue` at the end.
    pub(crate) pauses: bool,
    pub(crate) continued: bool,
    pub(crate) stop: Option<Stop>,
    /// The first word of a device.
    pub(crate) word: Option<String>,
    /// It came before the thread could say anything.
    pub(crate) word_was_first: bool,
    /// The BQL was not released since the command.
    pub(crate) fresh: bool,
    /// It was stopped when it was fresh.
    pub(crate) stillborn: bool,
    pub(crate) _end: Option<UnixStream>,
}

impl Attempt {
    pub(crate) fn none(direction: Direction) -> Self {
        Attempt {
            direction,
            status: Nothing,
            peer: Peer::Nowhere,
            refused: false,
            pauses: false,
            continued: false,
            stop: None,
            word: None,
            word_was_first: false,
            fresh: false,
            stillborn: false,
            _end: None,
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.status.is_running()
    }

    pub(crate) fn stop(&mut self, stop: Stop) {
        if self.stop.is_none() {
            self.stop = Some(stop);
            self.stillborn = self.fresh;
            if stop == Stop::Cancel {
                self.status = Cancelling;
            }
        }
    }

    /// How it ends if nobody stops it.
    pub(crate) fn by_itself(&self) -> Option<MigrationStatus> {
        let outgoing = self.direction == Direction::Outgoing;
        match self.peer {
            _ if outgoing && self.refused => Some(Failed),
            Peer::Nowhere => Some(Failed),
            Peer::Quick if !outgoing => Some(Failed),
            Peer::Quick if self.pauses && !self.continued => None,
            Peer::Quick => Some(Completed),
            Peer::Silent | Peer::Late => None,
        }
    }

    /// How it can end from now on, if nobody does anything more.
    pub(crate) fn ends(&self) -> Vec<MigrationStatus> {
        let stopped = match self.stop {
            Some(Stop::Cancel) => Some(Cancelled),
            Some(Stop::Fail) => Some(Failed),
            None => None,
        };
        match (stopped, self.by_itself()) {
            // A cancel comes too late, if it was not there from the beginning. A word that comes
            // too late is not taken.
            (Some(Cancelled), Some(Completed)) if !self.stillborn => vec![Cancelled, Completed],
            // Its thread needs no BQL to fail, only to show that.
            (Some(Cancelled), Some(Failed)) => vec![Cancelled, Failed],
            (Some(stopped), _) => vec![stopped],
            (None, by_itself) => by_itself.into_iter().collect(),
        }
    }

    /// What it may be seen in now; `released` says whether the BQL was since it was last seen.
    pub(crate) fn possible(&self, released: bool) -> Vec<MigrationStatus> {
        let mut possible = vec![self.status];
        if !self.runs() {
            return possible;
        }
        let outgoing = self.direction == Direction::Outgoing;
        let connects = self.peer != Peer::Nowhere && self.peer != Peer::Late && !self.refused;
        // The request to stop is seen before the first byte goes, and not before one comes.
        if connects && self.status != Cancelling && !(outgoing && (self.stillborn || self.fresh)) {
            let mut last = self.status;
            if last == Setup {
                last = Active;
                possible.push(last);
            }
            if outgoing && released {
                if last == Active && self.pauses {
                    last = PreSwitchover;
                    possible.push(last);
                }
                if last == Active || last == PreSwitchover && self.continued {
                    possible.push(Device);
                }
            }
        }
        if released {
            possible.extend(self.ends());
        }
        possible
    }

    #[track_caller]
    pub(crate) fn see(&mut self, observer: &Observer, released: bool) {
        self.fresh &= !released;
        let possible = self.possible(released);
        let seen = observer.status();
        assert!(possible.contains(&seen), "{seen} is not among {possible:?}: {self:?}");
        self.status = seen;
        if !self.runs() && seen != Nothing {
            let error = observer.error().map(|error| error_chain(&*error));
            let expected = self.expected_errors();
            let matches = |expected: &Option<String>| match (&error, expected) {
                (Some(error), Some(expected)) => error.starts_with(expected),
                (error, expected) => error == expected,
            };
            assert!(expected.iter().any(matches), "{error:?}, not {expected:?}: {self:?}");
            assert_claimed(self.direction, &observer.history());
        }
    }

    /// How the text of its error may begin, when it is over: the first is kept, and a
    /// migration that fails by itself may do so before a word or a cancel reaches it.
    pub(crate) fn expected_errors(&self) -> Vec<Option<String>> {
        let outgoing = self.direction == Direction::Outgoing;
        let word = self.word.as_ref().map(|word| format!("a device reports: {word}"));
        if self.status == Completed {
            return vec![None];
        }
        if self.word_was_first {
            return vec![word];
        }
        let own = match self.peer {
            Peer::Nowhere if outgoing => Some("cannot connect to unix:/nowhere/"),
            _ if self.refused => Some("migration was refused at setup: not now"),
            Peer::Nowhere => Some("cannot wait for a migration at unix:/nowhere/"),
            Peer::Quick if !outgoing => Some("the migration stream cannot be loaded"),
            _ => None,
        };
        let stillborn = outgoing && self.stillborn && self.status == Cancelled;
        let own = own.filter(|_| !stillborn);
        let cancelled = (self.stop == Some(Stop::Cancel)).then_some("cancelled");
        let of_thread = own.into_iter().chain(cancelled).map(str::to_owned);
        of_thread.chain(word).map(Some).collect()
    }
}

/// Every step is one that the tables claim.
#[track_caller]
pub(crate) fn assert_claimed(direction: Direction, history: &[MigrationStatus]) {
    for pair in history.windows(2) {
        let claimed = transitions(direction).iter().any(|row| {
            (row.from, row.to) == (pair[0].name(), pair[1].name())
                && !matches!(row.here, Here::Not(_))
        });
        assert!(claimed, "{direction:?}: {history:?}");
    }
}
