//! Keys and leases held across processes, by locks of the kernel, which go when their process does.
//!
//! A key is a byte of the file `<database>.locks`, at the place of its hash; the file stays empty. The lock is one of the
//! open file (`F_OFD_SETLK`), of which a process has one: the kernel tells processes apart by it, and [`Holds`] tells
//! those of one process apart. It works between processes that see one kernel, so also between containers on one volume.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use sha2::{Digest as _, Sha256};

use super::super::{Error, Hold, HoldMode, Lease};

/// The holds of one process on one database.
#[derive(Debug)]
pub(super) struct Holds {
    path: PathBuf,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Opened by the first hold.
    file: Option<File>,
    held: HashMap<libc::off_t, Held>,
}

/// How this process has a byte. The lock of the kernel goes with the last who shares it.
#[derive(Clone, Copy, Debug)]
enum Held {
    Shared(usize),
    Exclusive,
}

#[derive(Debug)]
struct Guard {
    holds: Arc<Holds>,
    place: libc::off_t,
}

impl Holds {
    pub(super) fn of(database: &Path) -> Holds {
        Holds { path: database.with_added_extension("locks"), table: Mutex::default() }
    }

    pub(super) fn hold(self: &Arc<Holds>, key: &str, mode: HoldMode) -> Result<Option<Hold>, Error> {
        let held = self.try_hold(place_of(key), mode).map_err(|source| failed("hold a key of the store", source))?;
        Ok(held.map(Hold::new))
    }

    fn try_hold(self: &Arc<Holds>, place: libc::off_t, mode: HoldMode) -> io::Result<Option<Guard>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Table { file, held } = &mut *table;
        match (held.entry(place), mode) {
            (Entry::Occupied(mut entry), HoldMode::Shared) => match entry.get_mut() {
                Held::Shared(count) => *count += 1,
                Held::Exclusive => return Ok(None),
            },
            (Entry::Occupied(_), HoldMode::Exclusive) => return Ok(None),
            (Entry::Vacant(entry), mode) => {
                let file = match file {
                    Some(file) => file,
                    None => file.insert(open_private(&self.path)?),
                };
                let (kind, now_held) = match mode {
                    HoldMode::Shared => (libc::F_RDLCK, Held::Shared(1)),
                    HoldMode::Exclusive => (libc::F_WRLCK, Held::Exclusive),
                };
                match set_lock(file, place, kind) {
                    Ok(()) => {}
                    Err(Errno::EAGAIN | Errno::EACCES) => return Ok(None),
                    Err(error) => return Err(error.into()),
                }
                entry.insert(now_held);
            }
        }
        Ok(Some(Guard { holds: self.clone(), place }))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut table = self.holds.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Held::Shared(count @ 2..)) = table.held.get_mut(&self.place) {
            *count -= 1;
            return;
        }
        table.held.remove(&self.place);
        let Some(file) = &table.file else { return };
        if let Err(error) = set_lock(file, self.place, libc::F_UNLCK) {
            tracing::error!(%error, "cannot let go of a key of the store: restart to free it");
        }
    }
}

/// One byte, and never the last that there is: its end must be a number too.
fn place_of(key: &str) -> libc::off_t {
    let hash = Sha256::digest(key);
    let start = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    libc::off_t::try_from(start >> 2).unwrap_or_default()
}

fn set_lock(file: &File, place: libc::off_t, kind: libc::c_int) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock_of(place, kind))).map(|_| ())
}

fn lock_of(place: libc::off_t, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: place,
        l_len: 1,
        // What the kernel asks for with locks of the open file.
        l_pid: 0,
    }
}

/// The byte of a lease's file that is locked for as long as the lease is had.
const LEASED: libc::off_t = 0;
/// The byte that is locked while somebody takes a lease and says who it is, or reads who has it.
const SPOKEN_OF: libc::off_t = 1;

pub(super) fn lease(database: &Path, what: &'static str, holder: &str) -> Result<Lease, Error> {
    let failed = |source| failed("take a lease of the store", source);
    let path = database.with_added_extension(format!("{what}.lock"));
    let mut file = open_private(&path).map_err(failed)?;
    // Nobody is met between having the lease and having said so.
    wait_for_lock(&file, SPOKEN_OF).map_err(failed)?;
    match set_lock(&file, LEASED, libc::F_WRLCK) {
        Ok(()) => {}
        Err(Errno::EAGAIN | Errno::EACCES) => {
            let holder = std::fs::read(&path).map_err(failed)?;
            return Err(Error::Held { what, holder: String::from_utf8_lossy(&holder).trim().to_owned() });
        }
        Err(error) => return Err(failed(error.into())),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{holder}")).map_err(failed)?;
    set_lock(&file, SPOKEN_OF, libc::F_UNLCK).map_err(|error| failed(error.into()))?;
    Ok(Lease::new(file))
}

fn wait_for_lock(file: &File, place: libc::off_t) -> io::Result<()> {
    let lock = lock_of(place, libc::F_WRLCK);
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&lock)) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

fn failed(attempt: &'static str, source: io::Error) -> Error {
    Error::Access { attempt, source: source.into() }
}
