use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use zip::{CompressionMethod, ZipArchive};

use docket_core::Verdict;

use super::*;
use crate::testing::{Reads, WatchedStore, failed, run, track, until};
use crate::{
    AudioFile, AudioStorage, Buckets, Catalogue, ExportDownload, Job, JobState, MemoryCatalogue, PART_BYTES, Storage,
    Track,
};

const ADA: &str = "did:plc:ada";

/// One artist, one pending job `e1`, one public store and no private one.
struct Rig {
    catalogue: Arc<MemoryCatalogue>,
    store: WatchedStore,
    services: Services,
}

impl Rig {
    fn new() -> Self {
        let store = WatchedStore::default();
        let public = Storage::from_store(Arc::new(store.clone()), "memory://audio");
        Self::with(store, Buckets { exports: public.clone(), private: None, public })
    }

    fn with(store: WatchedStore, buckets: Buckets) -> Self {
        let catalogue = Arc::new(MemoryCatalogue::default());
        catalogue.put_job(Job::pending("e1", ADA));
        let services = Services::new(catalogue.clone(), buckets, None);
        Self { catalogue, store, services }
    }

    async fn tracks<const N: usize>(self, titles: [&str; N]) -> Self {
        for (id, title) in (1..).zip(titles) {
            self.catalogue.put_track(Track { title: title.to_owned(), ..track(id) });
            self.store.put(&format!("audio/file{id}.mp3"), format!("audio of {title}")).await;
        }
        self
    }

    async fn export(&self, run: &Run) -> Result<ExportReport, Failure> {
        export().export(&self.services, run).await
    }

    async fn job(&self) -> Job {
        self.catalogue.job("e1").await.unwrap().unwrap()
    }

    async fn entries(&self) -> Vec<(String, String)> {
        entries(&self.store.get("exports/e1.zip").await.expect("there is an archive"))
    }

    /// Nothing of the archive is visible, and this many uploads were taken back.
    async fn assert_nothing_left(&self, uploads: u64) {
        assert_eq!(self.store.get("exports/e1.zip").await, None);
        assert_eq!(self.store.watch.aborts.load(Ordering::SeqCst) as u64, uploads);
    }

    async fn part_is_sent(&self) {
        until(|| !self.store.watch.parts.lock().unwrap().is_empty()).await;
    }
}

fn export() -> ProcessExport {
    ProcessExport { export_id: "e1".to_owned(), artist_did: ADA.to_owned() }
}

fn entries(archive: &Bytes) -> Vec<(String, String)> {
    let mut zip = ZipArchive::new(Cursor::new(archive)).unwrap();
    let count = zip.len();
    let read = |index| {
        let mut entry = zip.by_index(index).unwrap();
        assert_eq!(entry.compression(), CompressionMethod::Stored);
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.name().unwrap().into_owned(), text)
    };
    (0..count).map(read).collect()
}

fn retried(ended: Result<ExportReport, Failure>) -> String {
    failed(ended, Verdict::Retry)
}

fn fatal(ended: Result<ExportReport, Failure>) -> String {
    failed(ended, Verdict::Fatal)
}

#[tokio::test]
async fn an_archive_holds_every_track_unchanged_and_a_manifest() {
    let rig = Rig::new().tracks(["Overture", "Überfall ☃"]).await;
    let report = rig.export(&run(1)).await.unwrap();
    assert_eq!((report.processed_count, report.total_count, report.missing.len()), (2, 2, 0));
    assert_eq!(report.archive, "memory://audio/exports/e1.zip");
    assert_eq!(report.bytes, rig.store.get(&report.archive_key).await.unwrap().len() as u64);
    let entries = rig.entries().await;
    assert_eq!(entries[0], ("Overture.mp3".to_owned(), "audio of Overture".to_owned()));
    assert_eq!(entries[1], ("Überfall.mp3".to_owned(), "audio of Überfall ☃".to_owned()));
    assert!(entries[2].0 == "MANIFEST.txt" && entries[2].1.contains("2 of 2 tracks"), "{entries:?}");
}

#[tokio::test]
async fn the_job_is_completed_with_the_report() {
    let rig = Rig::new().tracks(["Overture"]).await;
    let report = rig.export(&run(1)).await.unwrap();
    let job = rig.job().await;
    assert_eq!(
        (job.state, job.progress_pct, job.message.as_str()),
        (JobState::Completed, 100, "exported 1 of 1 tracks")
    );
    assert_eq!(serde_json::from_value::<ExportReport>(job.result.into()).unwrap(), report);
}

#[tokio::test]
async fn a_track_that_storage_does_not_have_is_named_in_manifest_and_report() {
    let rig = Rig::new().tracks(["Here"]).await;
    rig.catalogue.put_track(Track { title: "Lost".to_owned(), ..track(2) });
    rig.catalogue.put_track(Track { storage: AudioStorage::Private, ..track(3) });
    rig.catalogue.put_track(Track { storage: AudioStorage::Pds, ..track(4) });
    rig.catalogue.put_track(Track { audio: None, ..track(5) });
    rig.catalogue.put_track(Track { audio: Some(AudioFile::new("at://did/x", "mp3")), ..track(6) });
    let report = rig.export(&run(1)).await.unwrap();
    assert_eq!((report.processed_count, report.total_count), (1, 6));
    let reasons: Vec<(i64, &str)> = report.missing.iter().map(|m| (m.track_id, m.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            (2, "audio/file2.mp3 is not in storage"),
            (3, "it is gated, and this worker has no private bucket"),
            (4, "its audio is only on the artist's own PDS"),
            (5, "it has no audio"),
            (6, "could not address audio: invalid file id \"at://did/x\""),
        ]
    );
    let (name, manifest) = rig.entries().await.pop().unwrap();
    assert_eq!(name, "MANIFEST.txt");
    assert!(manifest.contains("1 of 6 tracks") && manifest.contains("Lost\ttrack 2\taudio/file2.mp3"), "{manifest}");
}

#[tokio::test]
async fn the_lossless_original_comes_first_and_the_playable_audio_stands_in_for_it() {
    let rig = Rig::new().tracks(["With", "Without"]).await;
    for id in [1, 2] {
        rig.catalogue.put_track(Track { original: Some(AudioFile::new(format!("master{id}"), "FLAC")), ..track(id) });
    }
    rig.store.put("audio/master1.flac", "lossless").await;
    rig.export(&run(1)).await.unwrap();
    let entries = rig.entries().await;
    assert_eq!(entries[0], ("Song 1.flac".to_owned(), "lossless".to_owned()));
    assert_eq!(entries[1], ("Song 2.mp3".to_owned(), "audio of Without".to_owned()));
}

#[tokio::test]
async fn gated_audio_comes_from_the_private_bucket_and_the_archive_goes_where_it_is_told() {
    let stores = [WatchedStore::default(), WatchedStore::default(), WatchedStore::default()];
    let [public, private, exports] =
        stores.each_ref().map(|store| Storage::from_store(Arc::new(store.clone()), "memory://"));
    let rig = Rig::with(stores[2].clone(), Buckets { public, private: Some(private), exports });
    rig.catalogue.put_track(Track { storage: AudioStorage::Private, ..track(1) });
    stores[1].put("audio/file1.mp3", "gated").await;
    rig.export(&run(1)).await.unwrap();
    assert_eq!(rig.entries().await[0].1, "gated");
    assert_eq!(stores[0].get("exports/e1.zip").await, None);
}

#[tokio::test]
async fn the_original_of_a_gated_track_is_found_on_either_side() {
    for side in [0, 1] {
        let stores = [WatchedStore::default(), WatchedStore::default()];
        let [public, private] =
            stores.each_ref().map(|store| Storage::from_store(Arc::new(store.clone()), "memory://"));
        let rig = Rig::with(stores[1].clone(), Buckets { exports: private.clone(), private: Some(private), public });
        let original = Some(AudioFile::new("master", "flac"));
        rig.catalogue.put_track(Track { storage: AudioStorage::Private, original, ..track(1) });
        stores[1].put("audio/file1.mp3", "playable").await;
        stores[side].put("audio/master.flac", "lossless").await;
        rig.export(&run(1)).await.unwrap();
        assert_eq!(rig.entries().await[0], ("Song 1.flac".to_owned(), "lossless".to_owned()));
    }
}

#[tokio::test]
async fn a_finished_export_is_handed_to_its_owner_alone() {
    let rig = Rig::new().tracks(["Here"]).await;
    let download = async |id: &str, did: &str| {
        crate::export_download(&rig.services, id, did, Duration::from_hours(1)).await.unwrap()
    };
    assert_eq!(download("e1", ADA).await, ExportDownload::NotReady(JobState::Pending));
    rig.export(&run(1)).await.unwrap();
    assert_eq!(download("e1", ADA).await, ExportDownload::Ready("memory://audio/exports/e1.zip".to_owned()));
    assert_eq!(download("e1", "did:plc:bob").await, ExportDownload::Foreign);
    assert_eq!(download("e2", ADA).await, ExportDownload::Unknown);
}

#[tokio::test]
async fn titles_that_collide_give_entries_that_do_not() {
    let rig = Rig::new().tracks(["A/B", "AB", "ab"]).await;
    rig.export(&run(1)).await.unwrap();
    let names: Vec<String> = rig.entries().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["AB.mp3", "AB (1).mp3", "ab (2).mp3", "MANIFEST.txt"]);
}

#[tokio::test]
async fn parts_are_equal_and_memory_is_bounded_by_them() {
    let rig = Rig::new().tracks(["Short", "Long"]).await;
    rig.store.put("audio/file2.mp3", vec![7; 5 * PART_BYTES + 12_345]).await;
    rig.export(&run(1)).await.unwrap();
    let parts = rig.store.watch.parts.lock().unwrap().clone();
    let (last, full) = parts.split_last().unwrap();
    assert!(full.len() == 5 && full.iter().all(|bytes| *bytes == PART_BYTES) && *last < PART_BYTES, "{parts:?}");
    assert_eq!(rig.store.watch.in_flight_max.load(Ordering::SeqCst), crate::PARTS_IN_FLIGHT_MAX);
}

#[tokio::test]
async fn an_outage_is_no_small_archive_and_the_next_run_completes() {
    let rig = Rig::new().tracks(["Overture"]).await;
    for (n, reads, cause) in
        [(1, Reads::Fail, "connection reset"), (2, Reads::Break, "connection reset"), (3, Reads::Cut, "3 came")]
    {
        rig.store.set_reads(reads);
        let error = retried(rig.export(&run(n)).await);
        assert!(error.contains(cause), "{error}");
        rig.assert_nothing_left(n).await;
        assert_eq!((rig.job().await.state, rig.job().await.error), (JobState::Processing, None));
    }
    rig.store.set_reads(Reads::Fine);
    assert_eq!(rig.export(&run(4)).await.unwrap().processed_count, 1);
    assert_eq!(rig.job().await.state, JobState::Completed);
}

#[tokio::test]
async fn the_last_attempt_of_an_outage_fails_the_job_with_the_error() {
    let rig = Rig::new().tracks(["Overture"]).await;
    rig.store.watch.fail_parts.store(true, Ordering::SeqCst);
    let error = retried(rig.export(&Run { is_last: true, ..run(1) }).await);
    let job = rig.job().await;
    assert_eq!((job.state, job.error.as_deref()), (JobState::Failed, Some(error.as_str())));
    assert!(error.contains("exports/e1.zip"), "{error}");
}

#[tokio::test]
async fn an_archive_without_a_track_is_a_failure_and_not_an_empty_success() {
    let rig = Rig::new();
    rig.catalogue.put_track(track(1));
    let error = fatal(rig.export(&run(1)).await);
    assert!(error.contains("no track could be exported: Song 1: audio/file1.mp3 is not in storage"), "{error}");
    rig.assert_nothing_left(1).await;
    assert_eq!(rig.job().await.error.as_deref(), Some(error.as_str()));
    assert!(fatal(Rig::new().export(&run(1)).await).contains("has no tracks"));
}

#[tokio::test]
async fn a_cancelled_run_takes_its_upload_back() {
    let rig = Rig::new().tracks(["Long"]).await;
    rig.store.put("audio/file1.mp3", vec![7; 4 * PART_BYTES]).await;
    rig.store.watch.stall_parts.store(true, Ordering::SeqCst);
    let run = run(1);
    let stop = async {
        rig.part_is_sent().await;
        run.cancellation.cancel();
    };
    let (ended, ()) = tokio::join!(rig.export(&run), stop);
    failed(ended, Verdict::Cancelled);
    rig.assert_nothing_left(1).await;
    assert_eq!(rig.job().await.state, JobState::Processing);
}

#[tokio::test]
async fn a_dropped_run_takes_its_upload_back() {
    let rig = Rig::new().tracks(["Long"]).await;
    rig.store.put("audio/file1.mp3", vec![7; 4 * PART_BYTES]).await;
    rig.store.watch.stall_parts.store(true, Ordering::SeqCst);
    let run = run(1);
    tokio::select! {
        ended = rig.export(&run) => panic!("{ended:?}"),
        () = rig.part_is_sent() => {}
    }
    until(|| rig.store.watch.aborts.load(Ordering::SeqCst) > 0).await;
    rig.assert_nothing_left(1).await;
}

#[tokio::test]
async fn a_run_after_a_crash_behind_the_last_effect_reports_what_was_done() {
    let rig = Rig::new().tracks(["Overture"]).await;
    let report = rig.export(&run(1)).await.unwrap();
    let parts = rig.store.watch.parts.lock().unwrap().len();
    assert_eq!(rig.export(&run(2)).await.unwrap(), report);
    assert_eq!(rig.store.watch.parts.lock().unwrap().len(), parts, "nothing was uploaded again");
}

#[tokio::test]
async fn a_run_that_lost_its_lease_cannot_move_the_job() {
    let rig = Rig::new().tracks(["Overture"]).await;
    rig.store.set_reads(Reads::Break);
    retried(rig.export(&run(9)).await);
    let error = retried(rig.export(&Run { is_last: true, ..run(8) }).await);
    assert!(error.contains("lost its lease"), "{error}");
    assert_eq!(rig.job().await.state, JobState::Processing);
}

#[tokio::test]
async fn what_can_never_work_is_fatal_and_says_why() {
    let rig = Rig::new().tracks(["Overture"]).await;
    let of = |export_id: &str, artist_did: &str| ProcessExport {
        export_id: export_id.to_owned(),
        artist_did: artist_did.to_owned(),
    };
    rig.catalogue.put_job(Job::pending("../e", ADA));
    for (task, reason) in [
        (of("unknown", ADA), "there is no job unknown"),
        (of("e1", "did:plc:eve"), "job e1 belongs to did:plc:ada"),
        (of("../e", ADA), "invalid export id"),
    ] {
        let error = fatal(task.export(&rig.services, &run(1)).await);
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(rig.job().await, Job::pending("e1", ADA), "somebody else's export changed the job");
}

/// A rig on folders, for properties that only a real file system shows.
fn on_disk(public: &Path, exports: &Path) -> Rig {
    std::fs::create_dir_all(public.join("audio")).unwrap();
    std::fs::write(public.join("audio/file1.mp3"), vec![3; 100_000]).unwrap();
    let [public, exports] =
        [public, exports].map(|folder| Storage::open(&format!("file://{}", folder.display()), None).unwrap());
    let rig = Rig::with(WatchedStore::default(), Buckets { exports, private: None, public });
    rig.catalogue.put_track(Track { title: "Überfall".to_owned(), ..track(1) });
    rig
}

#[tokio::test]
async fn a_folder_that_is_gone_is_fatal_and_does_not_make_every_track_missing() {
    for gone in [0, 1] {
        let mut folders = vec![tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let rig = on_disk(folders[0].path(), folders[1].path());
        drop(folders.remove(gone));
        let error = fatal(rig.export(&run(1)).await);
        assert!(error.contains("folder") && !error.contains("no track could be exported"), "{error}");
        assert_eq!(rig.job().await.state, JobState::Failed);
    }
}

#[tokio::test]
async fn entries_may_be_larger_than_four_gibibytes() {
    let rig = Rig::new().tracks(["Overture"]).await;
    rig.export(&run(1)).await.unwrap();
    let archive = rig.store.get("exports/e1.zip").await.unwrap();
    let version_needed = u16::from_le_bytes([archive[4], archive[5]]);
    assert_eq!(version_needed, 45, "the local header does not announce ZIP64");
}

/// A downloaded export is opened by other programs than the library that wrote it.
#[tokio::test]
async fn other_readers_take_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    on_disk(folder.path(), folder.path()).export(&run(1)).await.unwrap();
    let archive = folder.path().join("exports/e1.zip");
    let readers: [(&str, &[&str]); 3] =
        [("python3", &["-m", "zipfile", "-t"]), ("unzip", &["-tq"]), ("bsdtar", &["-tf"])];
    let mut found = 0;
    for (program, args) in readers {
        let Ok(output) = Command::new(program).args(args).arg(&archive).output() else { continue };
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stdout));
        found += 1;
    }
    assert!(found > 0, "none of python3, unzip and bsdtar is on this machine: install one");
    let left: Vec<_> =
        std::fs::read_dir(folder.path().join("exports")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left, ["e1.zip"], "no staging file stays behind");
}
