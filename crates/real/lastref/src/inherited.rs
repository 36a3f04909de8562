//! The descriptor of `fd:N`, which the process inherited.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use migration::{Endpoint, Uri};

/// Makes the endpoint for `uri`. For `fd:N` it takes ownership of the descriptor.
///
/// # Errors
///
/// If there is no descriptor N.
///
/// # Safety
///
/// Call it once, before the program opens anything: then the process inherited every descriptor
/// above 2, and none has an owner yet.
pub(crate) unsafe fn endpoint(uri: &Uri) -> io::Result<Endpoint> {
    let Uri::Fd(number) = *uri else {
        return Ok(uri.clone().into());
    };
    let fd = match number {
        0 => io::stdin().as_fd().try_clone_to_owned()?,
        1 => io::stdout().as_fd().try_clone_to_owned()?,
        2 => io::stderr().as_fd().try_clone_to_owned()?,
        // SAFETY: by this function's contract.
        _ => unsafe { take(number)? },
    };
    Ok(Endpoint::with_fd(uri.clone(), fd))
}

/// Takes ownership of an open descriptor.
///
/// # Safety
///
/// If the descriptor is open, nothing owns it.
unsafe fn take(number: RawFd) -> io::Result<OwnedFd> {
    // Reading the link shows whether the descriptor is open, without using it.
    std::fs::read_link(format!("/proc/self/fd/{number}")).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            io::Error::from(rustix::io::Errno::BADF)
        } else {
            error
        }
    })?;
    // SAFETY: it is open, and by this function's contract nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
