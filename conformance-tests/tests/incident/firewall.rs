//! A firewall between a worker and its server, which forgets the connections that are open: their packets are dropped
//! without a word to either side, and new connections pass.
//!
//! It is the kernel's own packet filter, in a network namespace that only one test lives in: the test binary once more,
//! asked for that test alone. Our proxy cannot show this. It ends connections itself, so that the kernel of each side
//! goes on answering for it.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Marks that this process lives in a namespace of its own.
const INSIDE: &str = "DOCKET_INCIDENT_NAMESPACE";
const NEEDS: &str = "it needs root (or sudo without a password), unshare (Debian: util-linux), ip (iproute2), \
                     nft (nftables), and a kernel with nf_tables, nf_conntrack and nf_nat";

/// Plays the scene of the test of this name, with the path of its module, in a network namespace of
/// its own.
///
/// # Panics
///
/// When the scene fails, or when such a namespace cannot be created: then it names what it needs.
pub(crate) async fn in_own_network(test: &str, play: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        told(command("ip").args(["link", "set", "lo", "up"]), "");
        return play().await;
    }
    let again = std::env::current_exe().expect("a test has a binary");
    // A namespace that cannot be created is distinguished from a scene that fails.
    told(as_root().args(["unshare", "--net", "true"]), "");
    let mut inside = as_root();
    inside.args(["unshare", "--net", "--", "env", &format!("{INSIDE}=yes")]).arg(again).args([
        test,
        "--exact",
        "--nocapture",
    ]);
    let output = tokio::task::spawn_blocking(move || inside.output().expect("it was run a moment ago"));
    let output = output.await.expect("waiting for a process does not panic");
    let (said, warned) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && said.contains("1 passed"),
        "in its own network {test} failed:\n{said}\n{warned}"
    );
}

/// In front of one server. Clients that do not come through it are not affected.
#[derive(Debug)]
pub(crate) struct Firewall {
    port: u16,
    /// The server's URL, in two parts around its port.
    url: (String, String),
    server_port: u16,
    /// Connections that were opened before the latest time it forgot have a lower number.
    generation: AtomicU32,
}

impl Firewall {
    /// One in front of the server of this URL, on this machine.
    pub(crate) fn before(url: &str) -> Self {
        let host = url.rfind("127.0.0.1:").expect("a server of this machine") + "127.0.0.1:".len();
        let digits = url[host..].find(|c: char| !c.is_ascii_digit()).map_or(url.len(), |end| host + end);
        // Free, and nobody listens there: connections are turned to the server before they arrive.
        let port =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|bound| bound.local_addr()).expect("a free port").port();
        let firewall = Self {
            port,
            url: (url[..host].to_owned(), url[digits..].to_owned()),
            server_port: url[host..digits].parse().expect("a port"),
            generation: AtomicU32::new(0),
        };
        filter(
            "table ip docket {\n\
               chain front {\n type nat hook output priority -100\n}\n\
               chain wall {\n type filter hook input priority 0\n}\n\
             }\n",
        );
        firewall.forget();
        firewall
    }

    /// The URL that leads through here.
    pub(crate) fn url(&self) -> String {
        format!("{}{}{}", self.url.0, self.port, self.url.1)
    }

    /// Where it is, as errors name it.
    pub(crate) fn port(&self) -> String {
        format!(":{}", self.port)
    }

    /// Drops the packets of all connections that are open through here, from now on and both ways.
    pub(crate) fn forget(&self) {
        let (port, server_port) = (self.port, self.server_port);
        let now = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        let wall =
            if now > 1 { format!("add rule ip docket wall ct mark 1-{} drop\n", now - 1) } else { String::new() };
        filter(&format!(
            "flush chain ip docket front\n\
             flush chain ip docket wall\n\
             add rule ip docket front tcp dport {port} ct mark set {now} redirect to :{server_port}\n\
             {wall}"
        ));
    }
}

/// Gives the packet filter new rules, all of them at once.
fn filter(rules: &str) {
    told(command("nft").args(["-f", "-"]), rules);
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    // Where an ordinary user does not look.
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

fn as_root() -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if is_root {
        return command("env");
    }
    let mut sudo = command("sudo");
    sudo.args(["-n", "--preserve-env"]);
    sudo
}

/// Runs a command that must succeed, with this as its input.
fn told(command: &mut Command, input: &str) {
    let run = |command: &mut Command| -> std::io::Result<Output> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Dropped at once: the end of its input.
        child.stdin.take().expect("it was piped").write_all(input.as_bytes())?;
        child.wait_with_output()
    };
    match run(command) {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            panic!("no network of its own; {NEEDS}. {command:?}: {}", String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => panic!("no network of its own; {NEEDS}. {command:?}: {error}"),
    }
}
