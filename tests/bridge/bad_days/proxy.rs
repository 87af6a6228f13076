//! What stands between the program and its directory, and can go wrong at a message that a story chooses.
//!
//! It knows of LDAP how one message follows another and what kind of operation each is (RFC 4511 §4.1.1, §5.1), and
//! passes everything on as it comes until then.

use std::io::{self, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Messages of a kind, by their tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    /// What asks for a change: modify, add, delete, rename.
    Changes,
    /// The answers to those.
    Changed,
    /// What asks for entries.
    Searches,
    /// Entries that are shown.
    Entries,
    /// Extended requests, such as those that begin and end a transaction.
    Extended,
}

impl Messages {
    fn has(self, tag: u8) -> bool {
        match self {
            Messages::Changes => matches!(tag, 0x66 | 0x68 | 0x4a | 0x6c),
            Messages::Changed => matches!(tag, 0x67 | 0x69 | 0x6b | 0x6d),
            Messages::Searches => tag == 0x63,
            Messages::Entries => tag == 0x64,
            Messages::Extended => tag == 0x77,
        }
    }
}

/// What happens to the message that was chosen, and to all that come after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// The connections break, and no new one is made: the server was stopped.
    Cut,
    /// Nothing passes until [`Proxy::release`].
    Hold,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Passing,
    Held,
    Gone,
}

/// What is waited for, and how far it is.
struct Watch {
    state: State,
    chosen: Messages,
    at: usize,
    seen: usize,
}

struct Shared {
    watch: Mutex<Watch>,
    changed: Condvar,
    mishap: Mishap,
    open: Mutex<Vec<TcpStream>>,
}

pub(super) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Before the directory at `ldap_url`. The mishap happens at the message of that number, the first being 1.
    pub(super) fn start(ldap_url: &str, chosen: Messages, at: usize, mishap: Mishap) -> Self {
        let target = ldap_url.trim_start_matches("ldap://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the proxy");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            watch: Mutex::new(Watch { state: State::Passing, chosen, at, seen: 0 }),
            changed: Condvar::new(),
            mishap,
            open: Mutex::default(),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.is_gone() {
                    return;
                }
                let Ok(server) = TcpStream::connect(&target) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    accepting.open.lock().unwrap().push(from.try_clone().expect("a socket"));
                    let shared = accepting.clone();
                    std::thread::spawn(move || {
                        shared.pass_on(&from, &to).ok();
                        to.shutdown(Shutdown::Both).ok();
                        from.shutdown(Shutdown::Both).ok();
                    });
                }
            }
        });
        Self { address, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Before the directory, and in nobody's way until [`Proxy::expect`].
    pub(super) fn idle(ldap_url: &str) -> Self {
        Self::start(ldap_url, Messages::Changes, usize::MAX, Mishap::Hold)
    }

    /// Lets the mishap happen at the next message of a kind.
    pub(super) fn expect(&self, chosen: Messages) {
        *self.shared.watch.lock().unwrap() = Watch { state: State::Passing, chosen, at: 1, seen: 0 };
    }

    pub(super) fn is_holding(&self) -> bool {
        self.shared.watch.lock().unwrap().state == State::Held
    }

    /// Lets everything pass from now on.
    pub(super) fn release(&self) {
        self.shared.turn(State::Passing);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.turn(State::Gone);
        // The listener notices when somebody comes.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn is_gone(&self) -> bool {
        self.watch.lock().unwrap().state == State::Gone
    }

    fn turn(&self, state: State) {
        let gone = state == State::Gone;
        self.watch.lock().unwrap().state = state;
        self.changed.notify_all();
        if gone {
            for socket in self.open.lock().unwrap().drain(..) {
                socket.shutdown(Shutdown::Both).ok();
            }
        }
    }

    fn pass_on(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        loop {
            let message = read_message(&mut from)?;
            self.look_at(operation(&message));
            let watch = self.watch.lock().unwrap();
            let held = |watch: &mut Watch| watch.state == State::Held;
            if self.changed.wait_while(watch, held).unwrap().state == State::Gone {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            to.write_all(&message)?;
        }
    }

    /// Counts a message, and lets the mishap happen at the one that was chosen.
    fn look_at(&self, tag: u8) {
        let mut watch = self.watch.lock().unwrap();
        if !watch.chosen.has(tag) {
            return;
        }
        watch.seen += 1;
        let is_it = watch.seen == watch.at;
        drop(watch);
        match self.mishap {
            Mishap::Cut if is_it => self.turn(State::Gone),
            Mishap::Hold if is_it => self.turn(State::Held),
            Mishap::Cut | Mishap::Hold => {}
        }
    }
}

/// A whole message: a tag, a length of one byte or more (X.690 §8.1.3), and so many bytes.
fn read_message(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 2];
    from.read_exact(&mut message)?;
    let mut length = usize::from(message[1]);
    if length >= 0x80 {
        let mut digits = vec![0; length & 0x7f];
        from.read_exact(&mut digits)?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        message.extend(digits);
    }
    let start = message.len();
    message.resize(start + length, 0);
    from.read_exact(&mut message[start..])?;
    Ok(message)
}

/// The tag of the operation, which follows the number of the message.
fn operation(message: &[u8]) -> u8 {
    let start = if message[1] < 0x80 { 2 } else { 2 + usize::from(message[1] & 0x7f) };
    // The number is an integer of a few bytes.
    message[start + 2 + usize::from(message[start + 1])]
}
