//! Searches that show everything: in pages (RFC 2696), because servers limit the size of one answer.
//!
//! Not for looking one entry up. Invariant: an answer that is not complete ends in an error, never in a last page.

use ldap3::adapters::{Adapter, PagedResults};
use ldap3::{LdapError, ResultEntry, Scope, SearchStream};

use super::pool::Handle;
use super::{Directory, Error, Filter, read_entry, succeed};
use crate::directory::{AttributeName, Dn, Entry};

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
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        while entries.len() < self.size {
            let found: Result<Option<ResultEntry>, LdapError> = stream.next().await;
            match self.handle.check("search", &self.base, found)? {
                Some(found) if found.is_ref() => self.referrals += 1,
                Some(found) if found.is_intermediate() => {}
                Some(found) => entries.push(read_entry(found)?),
                None => {
                    let result = stream.finish().await;
                    self.stream = None;
                    succeed("search", &self.base, result)?;
                    break;
                }
            }
        }
        Ok((!entries.is_empty()).then_some(entries))
    }
}
