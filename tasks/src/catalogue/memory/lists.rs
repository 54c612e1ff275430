//! Lists and profiles.

use async_trait::async_trait;
use docket_core::Result;

use super::MemoryCatalogue;
use crate::{ListId, Lists, Profile, StrongRef, TrackList};

impl MemoryCatalogue {
    /// Inserts or replaces a list.
    pub fn put_list(&self, list: TrackList) {
        self.tables().lists.insert(list.id.clone(), list);
    }

    /// Inserts or replaces an artist's profile.
    pub fn put_profile(&self, did: &str, profile: Profile) {
        self.tables().profiles.insert(did.to_owned(), profile);
    }
}

#[async_trait]
impl Lists for MemoryCatalogue {
    async fn album(&self, id: &str) -> Result<Option<TrackList>> {
        Ok(self.tables().lists.get(&ListId::Album(id.to_owned())).cloned())
    }

    async fn albums_of(&self, did: &str) -> Result<Vec<String>> {
        let tables = self.tables();
        let mut albums: Vec<_> = tables.lists.values().filter(|list| list.did == did).collect();
        albums.sort_by_key(|list| list.created_at);
        let ids = albums.into_iter().filter_map(|list| match &list.id {
            ListId::Album(id) => Some(id.clone()),
            ListId::Liked(_) => None,
        });
        Ok(ids.collect())
    }

    async fn liked_by(&self, did: &str) -> Result<TrackList> {
        let id = ListId::Liked(did.to_owned());
        let none = || TrackList::liked(did, None, Vec::new());
        Ok(self.tables().lists.get(&id).cloned().unwrap_or_else(none))
    }

    async fn record_list(&self, list: &ListId, record: &StrongRef) -> Result<()> {
        let mut tables = self.tables();
        match (tables.lists.get_mut(list), list) {
            (Some(found), _) => found.record = Some(record.uri.clone()),
            (None, ListId::Liked(did)) => {
                let made = TrackList::liked(did, Some(record.uri.clone()), Vec::new());
                tables.lists.insert(list.clone(), made);
            }
            (None, ListId::Album(_)) => {}
        }
        Ok(())
    }

    async fn profile(&self, did: &str) -> Result<Option<Profile>> {
        Ok(self.tables().profiles.get(did).cloned())
    }

    async fn record_avatar(&self, did: &str, avatar_url: Option<&str>) -> Result<()> {
        if let Some(profile) = self.tables().profiles.get_mut(did) {
            profile.avatar_url = avatar_url.map(str::to_owned);
        }
        Ok(())
    }
}
