//! claim: export.unwinds-like-its-object
//! Retires an object with guarded data inside in a closure whose panic is caught.

use std::panic::UnwindSafe;

use bql::{Bql, BqlGuarded};
use exported::Publication;

struct Device(BqlGuarded<String>, String);
type Object = Device;

fn require_unwind_safe<T: UnwindSafe>(_: T) {}

fn end(publication: Publication<Object, Bql>) {
    require_unwind_safe(publication); //~ E0277 catch_unwind
}

fn main() {}
