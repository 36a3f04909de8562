//! claim: export.marker-names-the-lock
//! Uses a place of one marker as a place of its supertype.

use biglock::{Lock, StdMutex};
use exported::Exported;

struct Named<T>(T);
type General = for<'a> fn(&'a ());
type Special = fn(&'static ());
impl<T: 'static> Lock for Named<T> {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = {
        static MUTEX: StdMutex = StdMutex::new();
        &MUTEX
    };
}
type Place<T> = &'static Exported<String, Named<T>>;

fn coerce<T: 'static>(place: Place<T>) -> Place<T> {
    place
}

fn main() {}
