//! Searches that show everything: in pages (RFC 2696), because servers limit the size of one answer.
//!
//! Not for looking one entry up. Invariant: an answer that is not complete ends in an error, never in a last page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ldap3::adapters::{Adapter, PagedResults};
use ldap3::asn1::{PL, StructureTag};
use ldap3::{LdapError, ResultEntry, Scope, SearchStream};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::pool::Handle;
use super::{Directory, Error, Filter, read_entry, succeed};
use crate::directory::{Anchor, AttributeName, Dn, Entry};

/// The entries that a search selects, page by page. Ended early, it leaves the server to forget the rest.
pub struct Pages {
    base: Dn,
    size: usize,
    handle: Handle,
    /// `None` when all is read.
    stream: Option<SearchStream<'static, String, Vec<String>>>,
    referrals: usize,
}

impl Directory {
    /// The entries below a base that the filter selects, `size` at a time, with the attributes asked for and the
    /// anchor.
    ///
    /// # Errors
    /// The directory is away, or refuses to search. What it refuses later, the pages tell.
    pub async fn search_pages(
        &self,
        base: &Dn,
        filter: &Filter,
        attributes: &[AttributeName],
        size: u16,
    ) -> Result<Pages, Error> {
        let mut wanted: Vec<String> = attributes.iter().map(|name| name.as_str().to_owned()).collect();
        self.profile().await?;
        wanted.push(self.anchor().as_str().to_owned());
        let adapters: Vec<Box<dyn Adapter<'static, String, Vec<String>>>> =
            vec![Box::new(PagedResults::new(i32::from(size)))];
        let mut handle = self.pool.handle().await?;
        let (base_text, filter_text) = (base.to_string(), filter.to_string());
        let started =
            handle.ldap().streaming_search_with(adapters, &base_text, Scope::Subtree, &filter_text, wanted).await;
        let stream = Some(handle.check("search", base, started)?);
        Ok(Pages { base: base.clone(), size: usize::from(size), handle, stream, referrals: 0 })
    }
}

impl Pages {
    /// How many parts of the tree the server has left to other servers so far: what is below those is not shown.
    pub fn referrals(&self) -> usize {
        self.referrals
    }

    /// The next entries; `None` after the last ones.
    ///
    /// # Errors
    /// The server's answer, [`super::Fault::Truncated`] when it does not show everything; or it is away.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, Error> {
        let unread = self.next_unread().await?;
        unread.map(|entries| entries.into_iter().map(Unread::read).collect()).transpose()
    }

    /// The same, for who knows most of them already.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn next_unread(&mut self) -> Result<Option<Vec<Unread>>, Error> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        while entries.len() < self.size {
            let found: Result<Option<ResultEntry>, LdapError> = stream.next().await;
            match self.handle.check("search", &self.base, found)? {
                Some(found) if found.is_ref() => self.referrals += 1,
                Some(found) if found.is_intermediate() => {}
                Some(found) => entries.push(Unread(found)),
                None => {
                    let result = stream.finish().await;
                    self.stream = None;
                    self.handle.count("search", &result);
                    succeed("search", &self.base, result)?;
                    break;
                }
            }
        }
        Ok((!entries.is_empty()).then_some(entries))
    }
}

/// Pages that are read ahead by a task of their own: whoever looks at one does not keep the next from coming.
pub struct PagesAhead {
    /// The last message is `None`, so that a reader that broke off does not look like one that came to the end.
    pages: mpsc::Receiver<Result<Option<Vec<Unread>>, Error>>,
    base: Dn,
    referrals: Arc<AtomicUsize>,
    _reading: AbortOnDropHandle<()>,
}

impl Pages {
    /// Reads ahead, one page at a time.
    pub fn ahead(mut self) -> PagesAhead {
        let (sender, pages) = mpsc::channel(1);
        let referrals = Arc::new(AtomicUsize::new(0));
        let (counted, base) = (referrals.clone(), self.base.clone());
        let reading = tokio::spawn(async move {
            loop {
                let page = self.next_unread().await;
                counted.store(self.referrals, Ordering::Relaxed);
                let goes_on = matches!(page, Ok(Some(_)));
                if sender.send(page).await.is_err() || !goes_on {
                    return;
                }
            }
        });
        PagesAhead { pages, base, referrals, _reading: AbortOnDropHandle::new(reading) }
    }
}

impl PagesAhead {
    /// The next entries; `None` after the last ones.
    ///
    /// # Errors
    /// As [`Pages::next`]; [`Error::BrokenOff`] when the reading has ended without saying how.
    pub async fn next(&mut self) -> Result<Option<Vec<Unread>>, Error> {
        self.pages.recv().await.unwrap_or_else(|| Err(Error::BrokenOff { dn: self.base.clone() }))
    }

    /// As [`Pages::referrals`].
    pub fn referrals(&self) -> usize {
        self.referrals.load(Ordering::Relaxed)
    }
}

/// An entry as it came, not taken apart yet: where there are many, that is most of the work.
pub struct Unread(ResultEntry);

impl Unread {
    /// What tells it from any other content of the entry: a digest of its name, attributes and values as the server
    /// sends them. The same content in another order may have another one.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        feed(&mut digest, &self.0.0.payload);
        digest.finalize().into()
    }

    /// Its anchor, if that was asked for.
    pub fn anchor(&self, name: &AttributeName) -> Option<Anchor> {
        // SearchResultEntry ::= SEQUENCE { objectName, attributes SEQUENCE OF SEQUENCE { type, vals SET OF } }
        // (RFC 4511 §4.5.2).
        let attributes = children_of(children(&self.0.0.payload).get(1)?);
        attributes.iter().find_map(|attribute| {
            let [kind, values] = children_of(attribute) else {
                return None;
            };
            let is_it = bytes_of(kind).eq_ignore_ascii_case(name.as_str().as_bytes());
            let value = children_of(values).first().filter(|_| is_it)?;
            Some(Anchor(String::from_utf8(bytes_of(value).to_vec()).ok()?))
        })
    }

    /// The entry.
    ///
    /// # Errors
    /// [`Error::UnreadableDn`].
    pub fn read(self) -> Result<Entry, Error> {
        read_entry(self.0)
    }
}

fn children(payload: &PL) -> &[StructureTag] {
    match payload {
        PL::C(children) => children,
        PL::P(_) => &[],
    }
}

fn children_of(tag: &StructureTag) -> &[StructureTag] {
    children(&tag.payload)
}

fn bytes_of(tag: &StructureTag) -> &[u8] {
    match &tag.payload {
        PL::P(bytes) => bytes,
        PL::C(_) => &[],
    }
}

fn feed(digest: &mut Sha256, payload: &PL) {
    match payload {
        PL::P(bytes) => {
            digest.update([0]);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        PL::C(children) => {
            digest.update([1]);
            digest.update((children.len() as u64).to_be_bytes());
            children.iter().for_each(|child| feed(digest, &child.payload));
        }
    }
}
