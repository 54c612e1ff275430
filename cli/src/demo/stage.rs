//! Where the demo plays: a folder for object storage, the service's rows, a PDS, and what a worker reaches them with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use docket_tasks::{
    Atproto, AtprotoOptions, Bluesky, Buckets, Credentials, Labeler, MemoryCatalogue, MemorySessions, MemorySocial,
    Moderation, OAuthClient, PdsNames, Reach, Replicate, Secret, Services, Session, SessionId, Storage, TokenVersion,
    Track,
};

use super::pds::{self, Pds};
use super::{ARTIST, LISTENER, TOKEN, moderation, peers, tracks};
use crate::end::End;

/// How long a stand-in may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Genres asked for.
const LABELS_MAX: u32 = 10;

/// Everything but the docket.
pub(super) struct Stage {
    /// Outlives the demo, so that its archive can be looked at.
    pub(super) folder: PathBuf,
    pub(super) tracks: Vec<Track>,
    pub(super) catalogue: Arc<MemoryCatalogue>,
    pub(super) social: Arc<MemorySocial>,
    pub(super) pds: Pds,
    /// What moderators were told of.
    pub(super) told: peers::Told,
    /// What a worker shares with its tasks.
    pub(super) services: Arc<Services>,
}

impl Stage {
    /// Makes it in `folder`: the tracks and their audio, all stand-ins, and two users who are logged in.
    pub(super) async fn in_folder(folder: PathBuf) -> Result<Self, End> {
        let (catalogue, social) = (Arc::<MemoryCatalogue>::default(), Arc::<MemorySocial>::default());
        let moderation = moderation::serve(folder.join("audio")).await?;
        let tracks = tracks::make(&folder, &format!("{moderation}/audio")).await?;
        for track in &tracks {
            catalogue.put_track(track.clone());
        }
        let (pds, told) = (Pds::default(), peers::Told::default());
        let atproto = atproto(&pds.serve().await?)?;
        let services = Services::new(
            catalogue.clone(),
            buckets(&folder)?,
            Some(Moderation::new(&moderation, Secret::new(TOKEN), TIMEOUT)?),
        )
        .with_labeler(Labeler::new(&peers::labeler(told.clone()).await?, Secret::new(TOKEN))?)
        .with_replicate(Replicate::new(&peers::replicate().await?, Secret::new(TOKEN), LABELS_MAX)?)
        .with_bluesky(Bluesky::new(&peers::bluesky().await?)?)
        .with_pds(docket_tasks::Pds::new(atproto, social.clone(), PdsNames::default()));
        Ok(Self { folder, tracks, catalogue, social, pds, told, services: Arc::new(services) })
    }

    /// The object of a track's audio in the public and in the private bucket.
    pub(super) fn places(&self, track: &Track) -> docket::Result<Option<[PathBuf; 2]>> {
        let key = track.audio.as_ref().map(docket_tasks::AudioFile::key).transpose()?;
        Ok(key.map(|key| [self.folder.join(&key), self.folder.join("private").join(key)]))
    }
}

fn buckets(folder: &Path) -> docket::Result<Buckets> {
    let public = Storage::open(&format!("file://{}", folder.display()), None)?;
    let private = Storage::open(&format!("file://{}", folder.join("private").display()), None)?;
    Ok(Buckets { public: public.clone(), private: Some(private), exports: public })
}

/// A client of the PDS as both users, who logged in with app passwords.
fn atproto(pds_url: &str) -> docket::Result<Atproto> {
    let sessions = MemorySessions::default();
    for did in [ARTIST, LISTENER] {
        let (access, refresh) = (Secret::new(pds::TOKEN), Secret::new(pds::TOKEN));
        sessions.log_in(Session {
            id: SessionId::new(did),
            did: did.to_owned(),
            pds_url: pds_url.to_owned(),
            version: TokenVersion::default(),
            credentials: Credentials::AppPassword { access, refresh },
        });
    }
    let oauth = OAuthClient::public("http://localhost");
    let options = AtprotoOptions { user_agent: "docket-demo".to_owned(), reach: Reach::Loopback, oauth };
    Atproto::new(Arc::new(sessions), options)
}
