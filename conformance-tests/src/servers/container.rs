//! A Redis in a container, where a Docker engine answers.

use std::fmt;
use std::time::Duration;

use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _, TestcontainersError};
use tokio::time::timeout;

/// Used where no image was named.
pub(super) const DEFAULT_IMAGE: &str = "redis:7-alpine";

/// How long an image may take to come, before the next way is tried.
const PULL_MAX: Duration = Duration::from_mins(1);

/// How the server runs. It ends by itself, since a test process has no last moment at which to end it.
const COMMAND: [&str; 11] = [
    "timeout",
    "1800",
    "redis-server",
    "--save",
    "",
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    "--maxmemory-policy",
    "noeviction",
];

/// A running container.
pub(super) struct Server {
    url: String,
    /// Removed when dropped.
    _container: ContainerAsync<GenericImage>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Server {
    /// Runs an image by its full name.
    pub(super) async fn start(image: &str) -> Result<Self, TestcontainersError> {
        let (name, tag) = name_and_tag(image);
        let container = GenericImage::new(name, tag)
            .with_exposed_port(6379.tcp())
            .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
            .with_cmd(COMMAND)
            .with_host_config_modifier(|host| host.auto_remove = Some(true))
            .start()
            .await?;
        let (host, port) = (container.get_host().await?, container.get_host_port_ipv4(6379).await?);
        Ok(Self { url: format!("redis://{host}:{port}"), _container: container })
    }

    /// Runs the default image; none where no engine answers or the image cannot be had.
    pub(super) async fn start_default() -> Option<Self> {
        timeout(PULL_MAX, Self::start(DEFAULT_IMAGE)).await.ok()?.ok()
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// Splits `redis:7` or `registry:5000/redis:7`; a colon before a slash is a port.
fn name_and_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_name_and_a_tag() {
        assert_eq!(name_and_tag("redis:7-alpine"), ("redis", "7-alpine"));
        assert_eq!(name_and_tag("valkey/valkey"), ("valkey/valkey", "latest"));
        assert_eq!(name_and_tag("localhost:5000/redis"), ("localhost:5000/redis", "latest"));
        assert_eq!(name_and_tag("localhost:5000/redis:7"), ("localhost:5000/redis", "7"));
    }
}
