//! ATProto sync: after a login, the user's PDS matches the service.
//!
//! Four parts, of which none stops another: the profile, each album, the liked tracks, and the
//! tasks that waited for the login. A part that fails is tried again with the next attempt;
//! finished parts are then only read, since nothing that matches is written. An error is never
//! taken for an empty answer: an outage wipes no picture.

use std::time::Duration;

use docket_core::{Add, Backoff, Client, Context, Failure, Policy, Receipt, Result, Task, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clients::call::CallError;
use crate::lists::{ITEMS_MAX, Listed, sync_list};
use crate::pds::{Pds, time};
use crate::{AtUri, PdsError, Profile, Services, Swap, wake_did};

/// Updates the PDS of a user who logged in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncAtproto {
    /// The user who logged in.
    pub did: String,
}

/// The report of a sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SyncReport {
    /// Records written.
    pub written: usize,
    /// Records that were as they should be.
    pub unchanged: usize,
    /// Tasks woken that had waited for the login.
    pub woken: usize,
}

impl SyncAtproto {
    /// The task about to be scheduled: await it, or send it in the transaction that makes the session.
    pub fn add(client: &Client, did: &str) -> Add {
        client.schedule(Self { did: did.to_owned() }).key(format!("sync:{did}"))
    }
}

/// Schedules it, after a login. Several logins in a row are one.
#[tracing::instrument(name = "scheduled atproto sync via docket", skip_all, fields(user_did = did))]
pub async fn schedule_atproto_sync(client: &Client, did: &str) -> Result<Receipt> {
    let receipt = SyncAtproto::add(client, did).await?;
    tracing::info!(user_did = did, "scheduled atproto sync via docket");
    Ok(receipt)
}

impl Task for SyncAtproto {
    const NAME: &'static str = "sync_atproto";
    type Output = SyncReport;

    fn policy() -> Policy {
        Policy {
            max_attempts: 5,
            backoff: Backoff { base: Duration::from_secs(5), max: Duration::from_mins(10) },
            timeout: Duration::from_mins(5),
            ..Policy::default()
        }
    }

    async fn run(self, ctx: Context) -> Result<SyncReport, Failure> {
        let services = ctx.state::<Services>()?;
        let mut sync = Sync::new(&services, &self.did, ctx.lease().leased_at)?;
        sync.profile().await;
        sync.albums().await;
        sync.liked().await;
        let pds = services.pds()?;
        let woken = wake_did(ctx.client(), &*pds.social, &self.did).await.map_err(Failure::from);
        sync.note("waking waiting tasks", woken, |report, woken| report.woken += woken);
        sync.failed.map_or(Ok(sync.report), Err)
    }
}

/// One run.
struct Sync<'a> {
    services: &'a Services,
    pds: &'a Pds,
    did: &'a str,
    now: Timestamp,
    report: SyncReport,
    /// The failure to end with: a temporary one takes precedence over a final one.
    failed: Option<Failure>,
}

impl<'a> Sync<'a> {
    fn new(services: &'a Services, did: &'a str, now: Timestamp) -> Result<Self, Failure> {
        let pds = services.pds()?;
        Ok(Self { services, pds, did, now, report: SyncReport::default(), failed: None })
    }

    async fn profile(&mut self) {
        let done = self.sync_profile().await;
        self.note("the profile", done, count);
    }

    async fn albums(&mut self) {
        let albums = self.services.catalogue.albums_of(self.did).await.map_err(Failure::from);
        let Some(albums) = self.note("the albums", albums, |_, _| {}) else { return };
        for id in albums {
            let done = self.sync_album(&id).await;
            self.note("an album", done, count);
        }
    }

    async fn liked(&mut self) {
        let done = self.sync_liked().await;
        self.note("the liked tracks", done, count);
    }

    async fn sync_album(&self, id: &str) -> Result<Listed, Failure> {
        let album = self.services.catalogue.album(id).await?;
        let Some(album) = album else { return Ok(Listed::Empty) };
        sync_list(self.pds, &*self.services.catalogue, &album, self.now).await.map_err(PdsError::into_failure)
    }

    async fn sync_liked(&self) -> Result<Listed, Failure> {
        let mut liked = self.services.catalogue.liked_by(self.did).await?;
        if liked.tracks.len() > ITEMS_MAX {
            tracing::warn!(user_did = self.did, tracks = liked.tracks.len(), "only the newest likes fit into the list");
            liked.tracks.truncate(ITEMS_MAX);
        }
        sync_list(self.pds, &*self.services.catalogue, &liked, self.now).await.map_err(PdsError::into_failure)
    }

    async fn sync_profile(&self) -> Result<Listed, Failure> {
        let catalogue = &self.services.catalogue;
        let Some(mut profile) = catalogue.profile(self.did).await? else { return Ok(Listed::Empty) };
        if let Some(bluesky) = &self.services.bluesky {
            match bluesky.avatar_of(self.did).await {
                Ok(avatar) if avatar != profile.avatar_url => {
                    catalogue.record_avatar(self.did, avatar.as_deref()).await?;
                    profile.avatar_url = avatar;
                }
                Ok(_) => {}
                // A user who is not on Bluesky keeps the picture they have here.
                Err(CallError { error, .. }) if !error.is_retryable() => {
                    tracing::info!(user_did = self.did, %error, "no Bluesky profile");
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.write_profile(&profile).await.map_err(PdsError::into_failure)
    }

    async fn write_profile(&self, profile: &Profile) -> Result<Listed, PdsError> {
        let collection = self.pds.names.profile();
        let uri = AtUri::new(self.did, &collection, "self")?;
        let kept = self.pds.atproto.get_record(&uri).await?;
        let mut content = json!({ "$type": collection });
        for (field, value) in [("bio", &profile.bio), ("avatar", &profile.avatar_url)] {
            if let Some(value) = value {
                content[field] = value.as_str().into();
            }
        }
        let swap = match &kept {
            None => Swap::Absent,
            Some(kept) if ["bio", "avatar"].iter().all(|field| kept.value[field] == content[field]) => {
                return Ok(Listed::Unchanged(crate::StrongRef { uri, cid: kept.cid.clone() }));
            }
            Some(kept) => {
                content["updatedAt"] = time(self.now).into();
                Swap::At(&kept.cid)
            }
        };
        let since = kept.as_ref().map(|kept| kept.value["createdAt"].clone()).filter(Value::is_string);
        content["createdAt"] = since.unwrap_or_else(|| time(self.now).into());
        self.pds.atproto.put_record(&uri, &content, swap).await.map(Listed::Written)
    }

    /// Takes in how a part ended; a failure is kept, and the other parts go on.
    fn note<T>(
        &mut self,
        part: &'static str,
        ended: Result<T, Failure>,
        count: impl FnOnce(&mut SyncReport, &T),
    ) -> Option<T> {
        match ended {
            Ok(done) => {
                count(&mut self.report, &done);
                Some(done)
            }
            Err(failure) => {
                tracing::warn!(user_did = self.did, part, ?failure, "atproto sync: a part failed");
                if self.failed.as_ref().is_none_or(|failed| failed.verdict() == Verdict::Fatal) {
                    self.failed = Some(failure);
                }
                None
            }
        }
    }
}

fn count(report: &mut SyncReport, listed: &Listed) {
    match listed {
        Listed::Written(_) => report.written += 1,
        Listed::Unchanged(_) => report.unchanged += 1,
        Listed::Empty => {}
    }
}
