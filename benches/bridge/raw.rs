//! Plain LDAP, as fast as an honest script could be: the other side of the ratios.
//!
//! One [`Raw`] is one bound connection with one operation under way, no delay of small packets, nothing read that is
//! not needed. Every result is checked.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, ensure};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Mod, Scope, SearchEntry, StdStream};

use super::directory::{ADMINISTRATOR, PASSWORD};
use super::people::{LOCKED, NOBODY, Person};

/// One connection.
pub(crate) struct Raw {
    ldap: Ldap,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Tcp(stream));
        let (connection, mut ldap) = LdapConnAsync::with_settings(settings, &format!("ldap://{address}")).await?;
        tokio::spawn(async move { connection.drive().await });
        ldap.simple_bind(ADMINISTRATOR, PASSWORD).await?.success()?;
        Ok(Self { ldap })
    }

    pub(crate) async fn several(count: usize, address: SocketAddr) -> Result<Vec<Self>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Self::connect(address).await?);
        }
        Ok(connections)
    }

    pub(crate) async fn add_person(&mut self, person: Person<'_>) -> Result<()> {
        let entry = person.entry();
        let attributes = entry.iter().map(|(name, value)| (*name, HashSet::from([value.as_str()]))).collect();
        self.ldap.add(&person.dn(), attributes).await?.success()?;
        Ok(())
    }

    pub(crate) async fn add_group(&mut self, dn: &str, name: &str) -> Result<()> {
        let attributes = [("objectClass", "groupOfNames"), ("cn", name), ("member", NOBODY)];
        let attributes = attributes.map(|(name, value)| (name, HashSet::from([value]))).to_vec();
        self.ldap.add(dn, attributes).await?.success()?;
        Ok(())
    }

    pub(crate) async fn replace(&mut self, dn: &str, values: &[(&str, &str)]) -> Result<()> {
        let changes = values.iter().map(|(name, value)| Mod::Replace(*name, HashSet::from([*value]))).collect();
        self.ldap.modify(dn, changes).await?.success()?;
        Ok(())
    }

    pub(crate) async fn lock(&mut self, dn: &str) -> Result<()> {
        self.replace(dn, &[("pwdAccountLockedTime", LOCKED)]).await
    }

    pub(crate) async fn add_member(&mut self, group: &str, member: &str) -> Result<()> {
        self.ldap.modify(group, vec![Mod::Add("member", HashSet::from([member]))]).await?.success()?;
        Ok(())
    }

    pub(crate) async fn remove_member(&mut self, group: &str, member: &str) -> Result<()> {
        self.ldap.modify(group, vec![Mod::Delete("member", HashSet::from([member]))]).await?.success()?;
        Ok(())
    }

    /// The values of an attribute, sorted.
    pub(crate) async fn values(&mut self, dn: &str, attribute: &str) -> Result<Vec<String>> {
        let mut entry = self.read(dn, attribute).await?;
        let mut values = entry.attrs.remove(attribute).unwrap_or_default();
        values.sort();
        Ok(values)
    }

    /// All user attributes with their values, sorted.
    pub(crate) async fn entry(&mut self, dn: &str) -> Result<Vec<(String, String)>> {
        let attributes = self.read(dn, "*").await?.attrs.into_iter();
        let mut pairs: Vec<(String, String)> =
            attributes.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value))).collect();
        pairs.sort();
        Ok(pairs)
    }

    /// That the directory holds this value.
    pub(crate) async fn holds(&mut self, dn: &str, attribute: &str, value: &str) -> Result<()> {
        let is_held = self.ldap.compare(dn, attribute, value).await?.equal()?;
        ensure!(is_held, "{dn} has no {attribute} {value:?} in the directory");
        Ok(())
    }

    async fn read(&mut self, dn: &str, attribute: &str) -> Result<SearchEntry> {
        let found = self.ldap.search(dn, Scope::Base, "(objectClass=*)", [attribute]).await?;
        let (mut entries, _) = found.success().with_context(|| format!("{dn} cannot be read"))?;
        let entry = entries.pop().with_context(|| format!("the directory does not show {dn}"))?;
        Ok(SearchEntry::construct(entry))
    }
}
