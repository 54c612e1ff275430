//! The proxy itself, before a server that answers every command with `+OK`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const QUIET: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(5);

async fn proxy() -> (Proxy, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://user:pass@{}/3", listener.local_addr().unwrap());
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut bytes = [0; 1024];
                while matches!(stream.read(&mut bytes).await, Ok(1..)) {
                    count.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(b"+OK\r\n").await.unwrap();
                }
            });
        }
    });
    (Proxy::before(&url).await, heard)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.shared.address).await.unwrap()
}

/// The answer to one command, or `None` if nothing comes for a while.
async fn ping(stream: &mut TcpStream) -> Option<io::Result<String>> {
    if let Err(error) = stream.write_all(PING).await {
        return Some(Err(error));
    }
    answer(stream, QUIET).await
}

async fn answer(stream: &mut TcpStream, within: Duration) -> Option<io::Result<String>> {
    let mut bytes = [0; 64];
    let read = timeout(within, stream.read(&mut bytes)).await.ok()?;
    Some(read.map(|count| String::from_utf8_lossy(&bytes[..count]).into_owned()))
}

fn is_reset(answer: Option<io::Result<String>>) -> bool {
    answer.is_some_and(|answer| answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset))
}

#[tokio::test]
async fn it_carries_both_ways_and_counts() {
    let (proxy, _) = proxy().await;
    assert!(proxy.url().starts_with("redis://user:pass@127.0.0.1:") && proxy.url().ends_with("/3"), "{}", proxy.url());
    let mut stream = connect(&proxy).await;
    assert_eq!(ping(&mut stream).await.unwrap().unwrap(), "+OK\r\n");
    assert_eq!((proxy.opened(), proxy.commands("PING")), (1, 1));
    let flow = &proxy.flows_in("PING")[0];
    assert_eq!((flow.commands(), flow.bytes()), (1, PING.len() + 5));
    drop(stream);
    // The end of a connection is noticed a little later.
    timeout(SOON, async {
        while !proxy.flows().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn held_bytes_arrive_when_it_goes_on() {
    let (proxy, heard) = proxy().await;
    let mut stream = connect(&proxy).await;
    ping(&mut stream).await.unwrap().unwrap();
    proxy.hold(Held::Both);
    assert!(ping(&mut stream).await.is_none());
    assert_eq!(heard.load(Ordering::SeqCst), 1);
    proxy.hold(Held::Answers);
    assert!(answer(&mut stream, QUIET).await.is_none());
    assert_eq!(heard.load(Ordering::SeqCst), 2);
    proxy.hold(Held::Nothing);
    assert_eq!(answer(&mut stream, SOON).await.unwrap().unwrap(), "+OK\r\n");
}

#[tokio::test]
async fn one_connection_is_held_or_killed_alone() {
    let (proxy, _) = proxy().await;
    let (mut first, mut second) = (connect(&proxy).await, connect(&proxy).await);
    ping(&mut first).await.unwrap().unwrap();
    proxy.flows()[0].hold(Held::Both);
    assert!(ping(&mut first).await.is_none());
    assert!(ping(&mut second).await.is_some());
    proxy.flows()[0].kill();
    assert!(is_reset(answer(&mut first, SOON).await));
    assert!(ping(&mut second).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_muted_connection_is_accepted_and_never_answered() {
    let (proxy, heard) = proxy().await;
    proxy.mute_next(1);
    assert!(ping(&mut connect(&proxy).await).await.is_none());
    assert!(ping(&mut connect(&proxy).await).await.is_some());
    assert_eq!(heard.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_door_can_be_closed_and_opened_again() {
    let (proxy, _) = proxy().await;
    let mut open = connect(&proxy).await;
    ping(&mut open).await.unwrap().unwrap();
    for (welcome, kind) in [(Welcome::Refuse, Some(io::ErrorKind::ConnectionRefused)), (Welcome::Drop, None)] {
        proxy.welcome(welcome);
        tokio::time::sleep(QUIET * 2).await;
        let tried = timeout(QUIET, TcpStream::connect(proxy.shared.address)).await;
        assert_eq!(tried.ok().map(|tried| tried.unwrap_err().kind()), kind, "{welcome:?}");
        assert!(ping(&mut open).await.unwrap().is_ok(), "what is open goes on");
        proxy.welcome(Welcome::Carry);
        tokio::time::sleep(QUIET).await;
        assert!(ping(&mut connect(&proxy).await).await.unwrap().is_ok(), "{welcome:?} is over");
    }
    proxy.welcome(Welcome::Reset);
    tokio::time::sleep(QUIET).await;
    assert!(is_reset(ping(&mut connect(&proxy).await).await));
}

#[tokio::test]
async fn an_idle_connection_is_forgotten_and_reset_on_its_next_byte() {
    let (proxy, heard) = proxy().await;
    proxy.forget_idle(Some(QUIET));
    let mut stream = connect(&proxy).await;
    assert!(ping(&mut stream).await.unwrap().is_ok());
    tokio::time::sleep(QUIET * 2).await;
    assert!(is_reset(ping(&mut stream).await));
    assert_eq!(heard.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_answer_is_lost_after_the_command_took_effect() {
    for then in [Then::Close, Then::Silence] {
        let (proxy, heard) = proxy().await;
        let loss = proxy.lose_answer("PING", then);
        let mut stream = connect(&proxy).await;
        let heard_nothing = match (then, ping(&mut stream).await) {
            (Then::Close, Some(answer)) => answer.is_ok_and(|text| text.is_empty()),
            (Then::Silence, answer) => answer.is_none(),
            _ => false,
        };
        assert!(heard_nothing && loss.happened(), "{then:?}");
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        assert!(ping(&mut connect(&proxy).await).await.unwrap().is_ok(), "only one is lost");
    }
}

#[tokio::test]
async fn a_delay_keeps_everything_back() {
    let (proxy, _) = proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.delay(QUIET);
    stream.write_all(PING).await.unwrap();
    assert!(answer(&mut stream, QUIET).await.is_none());
    assert!(answer(&mut stream, SOON).await.unwrap().is_ok());
}
