//! T16: a process killed anywhere between a business row and its task.
//!
//! On Postgres the two are one transaction, so nothing is in between. The process is this test
//! binary once more, started for the one test that is not a real test: [`a_service_process`].

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use conformance_tests::servers::postgres_url;
use docket_core::{Client, DocketName, Registry};
use docket_postgres::InTransaction as _;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::scene::{SHORT, SOON, Scene, eventually};
use crate::stores::{docket, open};
use crate::tasks::Note;

/// The variable with the process's instructions.
const ASKED: &str = "DOCKET_INCIDENT_SERVICE";
/// Processes killed one after another.
const KILLS: usize = 8;
/// Transactions that one process has under way at once, so that a kill finds them at every stage.
const AT_ONCE: usize = 4;

#[derive(Serialize, Deserialize)]
struct Asked {
    url: String,
    docket: String,
    /// The table of the business rows.
    table: String,
    /// Tells one process' keys from another's.
    round: usize,
}

impl Asked {
    fn start(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["committed::a_service_process", "--exact", "--ignored", "--nocapture"])
            .env(ASKED, serde_json::to_string(self).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Places orders forever, each with its task.
    async fn place_orders(&self, lane: usize) {
        let client = Client::new(open(&self.url, &DocketName::new(&self.docket).unwrap()).await);
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let insert = format!("INSERT INTO {} (id) VALUES ($1)", self.table);
        for n in 0.. {
            let key = format!("{}.{lane}.{n}", self.round);
            let mut tx = connection.begin().await.unwrap();
            sqlx::query(AssertSqlSafe(insert.clone())).bind(&key).execute(&mut *tx).await.unwrap();
            client.add(Note {}).key(&key).in_transaction(&mut tx).await.unwrap();
            // Every third customer thinks better of it.
            if n % 3 == 2 { tx.rollback().await.unwrap() } else { tx.commit().await.unwrap() }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a service process of T16, not a test"]
async fn a_service_process() {
    let asked: Asked = serde_json::from_str(&std::env::var(ASKED).expect("started by a test")).unwrap();
    join_all((0..AT_ONCE).map(|lane| asked.place_orders(lane))).await;
}

/// Eight likes were once committed and never queued: the row came first, the task was to come right after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_a_crash_leaves_no_row_without_its_task_and_no_task_without_its_row() {
    let url = postgres_url().await;
    let docket = docket("t16");
    let scene = Scene::of(open(&url, &docket).await);
    let mut registry = Registry::new();
    registry.register::<Note>().unwrap();
    let worker = scene.start_on(scene.store.fork(), registry, SHORT[0].settings());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let table = "incident_orders".to_owned();
    connection.execute("CREATE TABLE incident_orders (id text PRIMARY KEY)").await.unwrap();
    let count = "SELECT count(*) FROM incident_orders WHERE id LIKE $1";
    for round in 0..KILLS {
        let asked = Asked { url: url.clone(), docket: docket.to_string(), table: table.clone(), round };
        let mut process = asked.start();
        eventually("orders come in", SOON * 4, async || {
            let placed: i64 =
                sqlx::query_scalar(count).bind(format!("{round}.%")).fetch_one(&mut connection).await.unwrap();
            (placed >= 20).then_some(())
        })
        .await;
        // At a different time in each round.
        tokio::time::sleep(Duration::from_micros(1_700 * u64::try_from(round).unwrap())).await;
        process.kill().unwrap();
        process.wait().unwrap();
    }
    // The server rolls back the last process's transactions as soon as it notices.
    let rows = "SELECT id FROM incident_orders";
    eventually("each order has had its task, and nothing else had one", SOON, async || {
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
        (scene.log.keys() == rows.into_iter().collect::<BTreeSet<String>>()).then_some(())
    })
    .await;
    assert!(scene.log.keys().iter().all(|key| scene.log.runs(key).len() == 1), "none ran twice");
    connection.execute("DROP TABLE incident_orders").await.unwrap();
    worker.stopped().await.unwrap();
}
