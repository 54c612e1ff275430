//! Object storage against a real S3 server, SeaweedFS.
//!
//! Not among the tests that run by default: `just s3` installs the server and runs these. Without it they fail. The tasks
//! run through real workers on a docket in memory, with its clock set. The server takes parts of any size where Cloudflare
//! R2 does not, so that the sizes that went to it are looked at.

#![expect(clippy::unwrap_used, reason = "it is a test as a whole; the lint knows only its test functions")]

mod exports;
mod gate;
mod moves;
mod objects;
mod server;
mod world;
