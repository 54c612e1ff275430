//! A small service as plyr.fm would embed Docket: routes that schedule each of the ten tasks, and a worker.
//!
//! ```text
//! cargo run -p docket-tasks --example service -- [--listen 127.0.0.1:8080] [--worker in-process|none|only]
//! ```
//!
//! `DOCKET_URL` says where the tasks are (the docket is `plyr` unless `DOCKET_NAME` says another), `DATABASE_URL` where the rows are; without them both live in this process and end
//! with it. With a database, a row and its task commit together where the docket can: on the same Postgres, or with
//! `DOCKET_OUTBOX_URL` naming that database. With `--worker none` another process, started with `--worker only`, does the
//! work; it answers `/health` and `/ready` alone. SIGTERM ends both in order.
//!
//! The header `x-did` says who asks. It stands for authentication, which a real service has to have: here, whoever
//! sends it is believed.

#[path = "service/mod.rs"]
mod service;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    service::main(std::env::args().skip(1)).await
}
