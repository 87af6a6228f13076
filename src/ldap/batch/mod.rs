//! Group commit: changes that wait for each other are sent as one transaction, for which the server syncs its disk once.
//!
//! Whoever finds nobody sending starts a task that does, until nothing waits: first its own change, alone and at once, as
//! if there were no groups; meanwhile others wait, and go together. Not a second way to change the directory: what goes in
//! a transaction and how it is taken apart again is decided here, a single change is the [`Sender`](super::write::Sender)'s.
//!
//! Invariants: each change gets one answer, its own; a transaction that was refused has changed nothing, and its changes
//! are sent once more, alone in the end. A waiting request that goes away takes nothing with it. Two changes of one
//! entry, or of an entry and one above it that is added, never stand in one transaction.

mod own_connection;
mod transaction;

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use ldap3::LdapError;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use super::write::Writing;
use super::{Directory, Error};
use crate::directory::{Anchor, Change, Dn, Transactions, flavor};
use crate::telemetry::{self, Stopwatch, Up};
use own_connection::OwnConnection;
use transaction::{Channel, Ended, Failure};

/// How many changes are sent together at most.
const MOST_TOGETHER: usize = 64;
/// A change of more values goes alone: it takes long by itself, and all would wait for it.
const MOST_VALUES: usize = 200;
/// For how long no transaction is made after one of which nobody knows how it ended.
const AFTER_A_LOSS: Duration = Duration::from_secs(30);
/// For how long none is made where the server does not let us.
const WHERE_UNFIT: Duration = Duration::from_secs(300);
/// For how long a server that does not answer is waited for before the connection to it is closed: see [`transaction`].
const LONGEST: Duration = Duration::from_secs(600);

/// Whether changes that wait are sent together, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// They are.
    Used,
    /// The settings do not ask for what is not safe.
    Off,
    /// The server offers no transactions that can be used.
    NotOffered,
    /// The server does not show the bridge its own connection.
    Unseen,
    /// Overlays are on that do not take back what they did.
    Overlays(Vec<String>),
}

type Answer = Result<Option<Anchor>, Error>;

/// The changes that wait, and the connection for those that go together.
#[derive(Debug, Default)]
pub(super) struct Batches {
    queue: Mutex<Queue>,
    /// Held by who sends.
    channel: tokio::sync::Mutex<Option<Channel>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    is_sent: bool,
    /// Until when every change goes its own way.
    rests_until: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    change: Arc<Change>,
    answer: oneshot::Sender<Answer>,
    /// The request's, for what is logged on the way.
    span: Span,
}

/// The answer to a change that was handed over.
pub(super) struct Sent(oneshot::Receiver<Answer>);

impl Sent {
    pub(super) async fn ended(self, change: &Change) -> Answer {
        // Nobody answers when the program ends.
        self.0.await.unwrap_or_else(|_| Err(interrupted(change, lost())))
    }
}

impl Batches {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, pause: Duration) {
        self.queue().rests_until = Some(Instant::now() + pause);
    }

    /// Takes leave of the server, if nothing is under way or it ends soon.
    pub(super) async fn close(&self, patience: Duration) {
        if let Ok(mut channel) = timeout(patience, self.channel.lock()).await
            && let Some(channel) = channel.take()
        {
            channel.close().await;
        }
    }
}

impl Queue {
    /// Those that go next: in order, but for what must not go together.
    fn next(&mut self) -> Vec<Waiting> {
        let mut names = BTreeSet::new();
        let mut added: Vec<Dn> = Vec::new();
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        // Who does not wait any more asks for nothing: as if the request had ended before it came to that.
        for waiting in self.waiting.drain(..).filter(|waiting| !waiting.answer.is_closed()) {
            let dn = waiting.change.dn();
            let is_new = names.insert(dn.normalized());
            let is_below = added.iter().any(|above| dn.is_under(above));
            // What stays behind keeps what comes after it and is about the same entry behind too.
            if matches!(*waiting.change, Change::Add { .. }) {
                added.push(dn.clone());
            }
            if taken.len() < MOST_TOGETHER && is_new && !is_below {
                taken.push(waiting);
            } else {
                left.push_back(waiting);
            }
        }
        self.waiting = left;
        taken
    }
}

/// Whether a change can be taken back with others: a rename and a deletion have overlays act that do so in tasks of their
/// own (refint), or refuse it (memberof).
fn goes_with_others(change: &Change) -> bool {
    match change {
        Change::Add { attributes, .. } => attributes.values().map(Vec::len).sum::<usize>() <= MOST_VALUES,
        Change::Modify { modifications, .. } => {
            modifications.iter().map(|modification| modification.values.len()).sum::<usize>() <= MOST_VALUES
        }
        Change::Rename { .. } | Change::Delete { .. } => false,
    }
}

impl Directory {
    /// Hands a change over to be sent with others; `None` where it goes alone.
    pub(super) async fn wait_for_others(&self, change: &Change) -> Result<Option<Sent>, Error> {
        if self.pool.transactions() != Transactions::Unsafe || !goes_with_others(change) {
            return Ok(None);
        }
        if !self.profile().await?.flavor.transactions {
            return Ok(None);
        }
        let mut queue = self.batches.queue();
        if queue.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        let (answer, sent) = oneshot::channel();
        queue.waiting.push_back(Waiting { change: Arc::new(change.clone()), answer, span: Span::current() });
        if !queue.is_sent {
            queue.is_sent = true;
            let directory = Directory {
                pool: self.pool.clone(),
                anchor: self.anchor.clone(),
                profile: self.profile.clone(),
                batches: self.batches.clone(),
                rehearsal: None,
            };
            // Of its own, so that nothing breaks off when the request that began it does.
            tokio::spawn(Sending { directory: Arc::new(directory), is_done: false }.send_all());
        }
        Ok(Some(Sent(sent)))
    }

    /// Whether changes are sent together here.
    ///
    /// # Errors
    /// The directory is away.
    pub async fn grouping(&self) -> Result<Grouping, Error> {
        if self.pool.transactions() != Transactions::Unsafe {
            return Ok(Grouping::Off);
        }
        match self.open_channel().await? {
            Ok(channel) => {
                channel.close().await;
                Ok(Grouping::Used)
            }
            Err(reason) => Ok(reason),
        }
    }

    /// A connection for transactions, or why there is none.
    async fn open_channel(&self) -> Result<Result<Channel, Grouping>, Error> {
        let profile = self.profile().await?;
        let Some(monitor) = profile.monitor.as_ref().filter(|_| profile.flavor.transactions) else {
            return Ok(Err(if profile.flavor.transactions { Grouping::Unseen } else { Grouping::NotOffered }));
        };
        let mut ldap = self.pool.dedicated().await?;
        let looked = async {
            let Some(overlays) = own_connection::overlays(&mut ldap, monitor).await? else {
                return Ok(Err(Grouping::Unseen));
            };
            let strangers: Vec<String> = overlays.into_iter().filter(|overlay| !flavor::rolls_back(overlay)).collect();
            if !strangers.is_empty() {
                return Ok(Err(Grouping::Overlays(strangers)));
            }
            let own = OwnConnection::find(&mut ldap, monitor, self.pool.bind_dn()).await?;
            Ok(own.ok_or(Grouping::Unseen))
        };
        let looked: Result<_, LdapError> = match timeout(self.pool.timeout(), looked).await {
            Ok(looked) => looked,
            Err(elapsed) => Err(elapsed.into()),
        };
        let looked = looked.map_err(|source| Error::Interrupted {
            attempt: "search",
            dn: monitor.clone(),
            source: Box::new(source),
        })?;
        Ok(looked.map(|own| Channel::new(ldap, own)))
    }
}

/// Whoever sends what waits. However it ends, somebody else may send afterwards.
struct Sending {
    directory: Arc<Directory>,
    is_done: bool,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.is_done {
            // The program ends, or this has panicked: whoever waits hears that there is no answer.
            let mut queue = self.directory.batches.queue();
            queue.is_sent = false;
            queue.waiting.clear();
        }
    }
}

/// What a transaction came to.
enum Transacted {
    Made,
    /// Nothing was changed, because of these, as far as that is known.
    Refused(BTreeSet<usize>),
    /// Nothing was changed: it did not come to that.
    NotMade,
    /// There is no server to send anything to.
    Away(Error),
    /// The connection broke.
    Lost,
    /// The server did not answer in time.
    TimedOut,
}

impl Sending {
    async fn send_all(mut self) {
        while let Some(batch) = self.next() {
            match batch.len() {
                1 => self.send_each(batch).await,
                _ => self.send_together(batch).await,
            }
        }
    }

    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = self.directory.batches.queue();
        let batch = queue.next();
        if batch.is_empty() {
            // While the lock is held: who comes now starts another.
            queue.is_sent = false;
            self.is_done = true;
            return None;
        }
        Some(batch)
    }

    /// Sends changes as if there were no groups.
    async fn send_each(&self, batch: Vec<Waiting>) {
        let Writing::Sent(sender) = self.directory.writing() else {
            return;
        };
        let sender = &sender;
        let sent = batch.into_iter().map(|Waiting { change, answer, span }| async move {
            let sent = sender.send_alone(&change).instrument(span).await;
            let in_time = !sent.as_ref().is_err_and(Error::is_timeout);
            // Whoever asked may have gone.
            _ = answer.send(sent);
            in_time
        });
        if join_all(sent).await.contains(&false) {
            self.give_up_waiting().await;
        }
    }

    async fn send_together(&self, mut batch: Vec<Waiting>) {
        let mut is_first = true;
        loop {
            let began = Stopwatch::start();
            match self.transact(&batch).await {
                Transacted::Made => return self.answer_made(batch, began.elapsed()),
                Transacted::Refused(culprits) if is_first && !culprits.is_empty() => {
                    is_first = false;
                    let (culprits, rest) = split(batch, &culprits);
                    // It hears its own answer, and the others go without it.
                    self.send_each(culprits).await;
                    batch = rest;
                    if batch.len() < 2 {
                        return self.send_each(batch).await;
                    }
                }
                Transacted::Refused(_) | Transacted::NotMade => return self.send_each(batch).await,
                Transacted::Away(error) => {
                    // One hears why; the others ask for themselves, and are told at once while it is so.
                    let mut batch = batch.into_iter();
                    if let Some(first) = batch.next() {
                        _ = first.answer.send(Err(error));
                    }
                    return self.send_each(batch.collect()).await;
                }
                Transacted::Lost => {
                    for Waiting { change, answer, .. } in batch {
                        telemetry::count_ldap_operation(attempt(&change), "noAnswer", began.elapsed());
                        _ = answer.send(Err(interrupted(&change, lost())));
                    }
                    return;
                }
                Transacted::TimedOut => {
                    for Waiting { change, answer, .. } in batch {
                        telemetry::count_ldap_operation(attempt(&change), "timeout", began.elapsed());
                        _ = answer.send(Err(interrupted(&change, too_late().await)));
                    }
                    return self.give_up_waiting().await;
                }
            }
        }
    }

    async fn transact(&self, batch: &[Waiting]) -> Transacted {
        let batches = &self.directory.batches;
        let permissive = match self.directory.profile().await {
            Ok(profile) => profile.flavor.permissive_modify,
            Err(_) => return Transacted::NotMade,
        };
        let mut place = batches.channel.lock().await;
        let channel = match place.take().filter(|channel| !channel.is_closed()) {
            Some(channel) => channel,
            None => match self.directory.open_channel().await {
                Ok(Ok(channel)) => channel,
                Ok(Err(reason)) => {
                    tracing::info!(?reason, "changes are sent to the directory one by one");
                    batches.rest(WHERE_UNFIT);
                    return Transacted::NotMade;
                }
                Err(error) => {
                    batches.rest(AFTER_A_LOSS);
                    return Transacted::Away(error);
                }
            },
        };
        let changes: Vec<Arc<Change>> = batch.iter().map(|waiting| waiting.change.clone()).collect();
        let given_up = Arc::new(AtomicBool::new(false));
        let seen = given_up.clone();
        // Of its own: the connection must not be closed at any moment (see `transaction`).
        let made = tokio::spawn(timeout(LONGEST, async move { channel.make(&changes, permissive, &seen).await }));
        let (outcome, transacted) = match timeout(self.directory.pool.timeout(), made).await {
            Err(_) => {
                given_up.store(true, Ordering::Relaxed);
                batches.rest(AFTER_A_LOSS);
                ("timeout", Transacted::TimedOut)
            }
            Ok(Ok(Ok(Ok((channel, ended))))) => {
                *place = Some(channel);
                match ended {
                    Ended::Committed => ("committed", Transacted::Made),
                    Ended::Refused(culprits) => ("refused", Transacted::Refused(culprits)),
                    Ended::Unoffered(code) => {
                        tracing::debug!(code, "the server begins no transaction; changes are sent one by one");
                        batches.rest(WHERE_UNFIT);
                        ("refused", Transacted::NotMade)
                    }
                }
            }
            Ok(Ok(Ok(Err(Failure::NotStarted)))) => ("lost", Transacted::NotMade),
            Ok(Ok(Ok(Err(Failure::Unseen)))) => {
                tracing::warn!("the directory does not show the bridge's own connection any more; no transactions");
                batches.rest(WHERE_UNFIT);
                ("unseen", Transacted::NotMade)
            }
            Ok(Ok(Ok(Err(Failure::Lost(error))))) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the connection to the directory broke in a transaction");
                batches.rest(AFTER_A_LOSS);
                ("lost", Transacted::Lost)
            }
            Ok(Ok(Err(_)) | Err(_)) => {
                batches.rest(AFTER_A_LOSS);
                ("lost", Transacted::Lost)
            }
        };
        let made = if matches!(transacted, Transacted::Made) { batch.len() } else { 0 };
        let is_lost = matches!(transacted, Transacted::Lost | Transacted::TimedOut);
        telemetry::note_ldap_up(if is_lost { Up::No } else { Up::Yes });
        telemetry::count_ldap_transaction(outcome, made);
        transacted
    }

    fn answer_made(&self, batch: Vec<Waiting>, took: Duration) {
        let mut added = Vec::new();
        for waiting in batch {
            telemetry::count_ldap_operation(attempt(&waiting.change), "success", took);
            match *waiting.change {
                Change::Add { .. } => added.push(waiting),
                _ => _ = waiting.answer.send(Ok(None)),
            }
        }
        if added.is_empty() {
            return;
        }
        // No answer within a transaction tells what the server gave to an entry. The next ones need not wait for that.
        let directory = self.directory.clone();
        tokio::spawn(async move {
            let Writing::Sent(sender) = directory.writing() else {
                return;
            };
            let sender = &sender;
            join_all(added.into_iter().map(|Waiting { change, answer, span }| async move {
                let anchor = sender.anchor_of_added(change.dn()).instrument(span).await;
                _ = answer.send(anchor.map(Some));
            }))
            .await;
        });
    }

    /// A server that does not answer is not asked over and over, each time for as long as a request may take.
    async fn give_up_waiting(&self) {
        let waiting: Vec<Waiting> = self.directory.batches.queue().waiting.drain(..).collect();
        for Waiting { change, answer, .. } in waiting {
            _ = answer.send(Err(interrupted(&change, too_late().await)));
        }
    }
}

/// The changes of these places, and the others.
fn split(batch: Vec<Waiting>, places: &BTreeSet<usize>) -> (Vec<Waiting>, Vec<Waiting>) {
    let (chosen, others): (Vec<_>, Vec<_>) =
        batch.into_iter().enumerate().partition(|(place, _)| places.contains(place));
    let waiting = |part: Vec<(usize, Waiting)>| part.into_iter().map(|(_, waiting)| waiting).collect();
    (waiting(chosen), waiting(others))
}

fn attempt(change: &Change) -> &'static str {
    match change {
        Change::Add { .. } => "add",
        Change::Modify { .. } => "modify",
        Change::Rename { .. } => "rename",
        Change::Delete { .. } => "delete",
    }
}

fn interrupted(change: &Change, source: LdapError) -> Error {
    Error::Interrupted { attempt: attempt(change), dn: change.dn().clone(), source: Box::new(source) }
}

fn lost() -> LdapError {
    io::Error::from(io::ErrorKind::ConnectionAborted).into()
}

async fn too_late() -> LdapError {
    match timeout(Duration::ZERO, pending::<()>()).await {
        Err(elapsed) => elapsed.into(),
        Ok(()) => lost(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Action, AttributeName, Attributes, Modification, Tolerance, Value};

    fn add(dn: &str) -> Change {
        Change::Add { dn: dn.parse().unwrap(), attributes: Attributes::default() }
    }

    fn modify(dn: &str) -> Change {
        Change::Modify { dn: dn.parse().unwrap(), modifications: Vec::new(), tolerance: Tolerance::Exact }
    }

    /// What goes in which order, until nothing is left.
    fn batches(changes: Vec<Change>) -> Vec<Vec<String>> {
        let mut queue = Queue::default();
        let mut listeners = Vec::new();
        for change in changes {
            let (answer, listener) = oneshot::channel();
            listeners.push(listener);
            queue.waiting.push_back(Waiting { change: Arc::new(change), answer, span: Span::none() });
        }
        let mut batches = Vec::new();
        loop {
            let batch = queue.next();
            if batch.is_empty() {
                return batches;
            }
            batches.push(batch.iter().map(|waiting| waiting.change.dn().to_string()).collect());
        }
    }

    #[test]
    fn what_must_not_go_together_goes_one_after_the_other() {
        assert_eq!(batches(vec![add("cn=a"), modify("cn=b"), add("cn=c")]), [vec!["cn=a", "cn=b", "cn=c"]]);
        assert_eq!(batches(vec![modify("cn=a"), modify("CN=A"), modify("cn=b")]), [vec!["cn=a", "cn=b"], vec!["CN=A"]]);
        let below = [add("ou=x"), add("cn=a,ou=x"), modify("cn=a,ou=x"), add("cn=b,ou=y")];
        assert_eq!(batches(below.to_vec()), [vec!["ou=x", "cn=b,ou=y"], vec!["cn=a,ou=x"], vec!["cn=a,ou=x"]]);
        let many = (0..130).map(|number| modify(&format!("cn={number}"))).collect();
        assert_eq!(batches(many).iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 2]);
    }

    #[test]
    fn who_does_not_wait_any_more_is_not_sent() {
        let (answer, listener) = oneshot::channel();
        let waiting = Waiting { change: Arc::new(add("cn=a")), answer, span: Span::none() };
        let mut queue = Queue { waiting: [waiting].into(), ..Queue::default() };
        drop(listener);
        assert!(queue.next().is_empty());
    }

    #[test]
    fn what_takes_long_or_cannot_be_taken_back_goes_alone() {
        let values = (0..=MOST_VALUES).map(|number| Value::from(number.to_string())).collect();
        let large = Modification { attribute: AttributeName::of("member"), action: Action::Add, values };
        let dn: Dn = "cn=a".parse().unwrap();
        let tolerance = Tolerance::AlreadySo;
        for (change, expected) in [
            (add("cn=a"), true),
            (modify("cn=a"), true),
            (Change::Modify { dn: dn.clone(), modifications: vec![large], tolerance }, false),
            (Change::Delete { dn: dn.clone() }, false),
            (Change::Rename { new_rdn: dn.rdn().unwrap().clone(), new_parent: None, dn }, false),
        ] {
            assert_eq!(goes_with_others(&change), expected, "{change:?}");
        }
    }
}
