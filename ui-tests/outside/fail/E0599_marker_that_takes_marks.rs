//! claim: face.dirty-log-has-one-reader
//! Takes marks out of the log that a writer has.
use machine::Marker;

fn take(marker: &Marker, page: usize) -> bool {
    marker.store(page, || ());
    marker.take_written(&mut |_| ()); //~ E0599 take_written
    marker.is_needed()
}

fn main() {}
