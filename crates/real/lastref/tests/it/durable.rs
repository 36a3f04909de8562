//! What is confirmed is durable: the source is told that the machine is at the destination when its
//! file has its name there, and hears it if that cannot be.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use test_support::address::{Address, Transport};
use test_support::program::Program;
use test_support::qemu::{self, Qemu, ReturnPath};
use test_support::site::Site;

use crate::support::lastref::{assert_failed, lastref};

const SIZE: u64 = 4 << 20;

/// Somebody who owns nothing here.
const NOBODY: u32 = 65534;

/// How the place of the receiver's FILE becomes one where there can be no such file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoilt {
    /// FILE is a folder by now.
    Folder,
    /// The folder of FILE has gone.
    Gone,
    /// FILE is somebody else's by now, in a folder with the sticky bit.
    Sticky,
}

impl Spoilt {
    /// Those that can be had: only root can be somebody else.
    fn kinds() -> Vec<Spoilt> {
        let mut kinds = vec![Spoilt::Folder, Spoilt::Gone];
        if rustix::process::geteuid().is_root() {
            kinds.push(Spoilt::Sticky);
        } else {
            println!("SKIPPED: a folder with the sticky bit, since this is not root");
        }
        kinds
    }

    fn before(self, file: &Path) {
        let folder = file.parent().expect("a file in a folder");
        fs::create_dir(folder).expect("a new folder");
        if self == Spoilt::Sticky {
            fs::set_permissions(folder, Permissions::from_mode(0o1777)).expect("our own folder");
        }
    }

    fn during(self, file: &Path) {
        match self {
            Spoilt::Folder => fs::create_dir(file).expect("a new folder"),
            Spoilt::Gone => {
                fs::remove_dir_all(file.parent().expect("a file in a folder")).expect("our own");
            }
            Spoilt::Sticky => fs::write(file, "somebody else's").expect("a file"),
        }
    }
}

/// A receiver that waits, in a place that was spoilt meanwhile.
fn receiver(site: &Site, spoilt: Spoilt, address: &Address) -> (Program, PathBuf) {
    // Where everybody may look for it.
    let file = site.scratch().join("folder/ram");
    spoilt.before(&file);
    let arguments = ["receive", "--ram", file.to_str().expect("a path of words"), "--memory", "4M"];
    let uri = address.uri();
    let mut command = lastref(arguments.into_iter().chain([uri.as_str()]), None);
    if spoilt == Spoilt::Sticky {
        fs::set_permissions(site.scratch(), Permissions::from_mode(0o777)).expect("our own folder");
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut receiver = Program::start("lastref-receive", command, site.scratch());
    address.wait_for_listener(&mut receiver);
    spoilt.during(&file);
    (receiver, file)
}

fn site() -> Site {
    let site = Site::new(SIZE);
    fs::write(site.source_ram(), vec![7; SIZE as usize]).expect("a file");
    site
}

#[test]
fn the_source_is_told_when_what_it_sent_cannot_be_kept() {
    for transport in [Transport::Unix, Transport::Tcp] {
        for spoilt in Spoilt::kinds() {
            let site = site();
            let address = Address::new(transport, &site);
            let (receiver, file) = receiver(&site, spoilt, &address);
            let ram = site.source_ram();
            let arguments = ["send", "--ram", ram.to_str().expect("a path of words")];
            let command = lastref(arguments.into_iter().chain([address.uri().as_str()]), None);
            let sent = Program::start("lastref-send", command, site.scratch()).finish();
            assert_failed(&sent, &["the destination reports that it could not load the stream"]);
            let received = receiver.finish();
            assert_failed(&received, &["the machine has come and cannot be kept here"]);
            assert!(!file.is_file() || spoilt == Spoilt::Sticky, "{spoilt:?}");
            if spoilt == Spoilt::Sticky {
                assert_eq!(fs::read_to_string(&file).expect("as it was"), "somebody else's");
                let names = fs::read_dir(file.parent().expect("a folder")).expect("a folder");
                assert_eq!(names.count(), 1, "nothing else is left");
            }
        }
    }
}

#[test]
fn a_qemu_source_with_a_return_path_is_told_too() {
    for qemu in [qemu::find(), qemu::find_new()].into_iter().flatten() {
        for spoilt in Spoilt::kinds() {
            let site = site();
            let address = Address::new(Transport::Unix, &site);
            let (receiver, _) = receiver(&site, spoilt, &address);
            let mut source = Qemu::source(&qemu, &site, SIZE, ReturnPath::On);
            source.migrate(&address.uri());
            assert_failed(&receiver.finish(), &["cannot be kept here"]);
            source.wait_for_status("failed");
        }
    }
}
