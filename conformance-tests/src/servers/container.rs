//! A server in a container, where a Docker engine answers.

use std::ffi::OsStr;
use std::fmt;
use std::time::Duration;

use testcontainers::core::IntoContainerPort as _;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _, TestcontainersError};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::keeper::Keeper;
use super::kind::Kind;

/// How long an image may take to come, before the next way is tried.
const PULL_MAX: Duration = Duration::from_mins(1);
/// How long a server may take to answer once its container runs.
const START_MAX: Duration = Duration::from_secs(30);
/// Seconds after which a server ends by itself, if its process is gone and cannot remove its
/// container.
const LIFE_MAX_SECONDS: &str = "1800";
/// Where an engine on this machine may publish its ports, when the library takes this machine for a container of that
/// engine, and names a host that it could be reached at from there.
const LOOPBACK: &str = "127.0.0.1";
/// On every container of ours, so that leftovers can be found.
const LABEL: &str = "docket.test";

/// Removes the container at the end of its input.
const KEEPER: &str = r#"
while read -r _; do :; done
docker rm --force --volumes "$1"
"#;

/// A running container. It is removed when the test process ends, however it does.
pub(super) struct Server {
    url: String,
    _container: ContainerAsync<GenericImage>,
    _keeper: Keeper,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Server {
    /// Runs an image by its full name.
    pub(super) async fn start(kind: &Kind, image: &str) -> Result<Self, TestcontainersError> {
        let name = format!("docket-test-{}", Uuid::now_v7().simple());
        // Order matters: there is never a container without its keeper.
        let keeper = Keeper::new(KEEPER, &[OsStr::new(&name)]);
        let container = request(kind, image).with_container_name(name).start().await?;
        let host = container.get_host().await?.to_string();
        let port = container.get_host_port_ipv4(kind.port).await?;
        let served = timeout(START_MAX, serves(kind, [&host, LOOPBACK], port)).await;
        let host = served.map_err(|_| TestcontainersError::other(format!("no answer within {START_MAX:?}")))?;
        Ok(Self { url: (kind.url)(host, port), _container: container, _keeper: keeper })
    }

    /// Runs the default image; none where no engine answers or the image cannot be had.
    pub(super) async fn start_default(kind: &Kind) -> Option<Self> {
        timeout(PULL_MAX, Self::start(kind, kind.default_image)).await.ok()?.ok()
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

fn request(kind: &Kind, image: &str) -> ContainerRequest<GenericImage> {
    let (name, tag) = name_and_tag(image);
    let image = GenericImage::new(name, tag).with_entrypoint("timeout").with_exposed_port(kind.port.tcp());
    let command = [LIFE_MAX_SECONDS].into_iter().chain(kind.command.iter().copied());
    let request = image.with_cmd(command).with_label(LABEL, kind.name);
    let request = request.with_host_config_modifier(|host| host.auto_remove = Some(true));
    kind.environment.iter().fold(request, |request, (name, value)| request.with_env_var(*name, *value))
}

/// Waits until the server answers; says at which of its hosts.
async fn serves<'a>(kind: &Kind, hosts: [&'a str; 2], port: u16) -> &'a str {
    loop {
        for host in hosts {
            if kind.answers(TcpStream::connect((host, port))).await {
                return host;
            }
        }
        sleep(Duration::from_millis(20)).await;
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
