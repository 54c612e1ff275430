//! Direct messages over the Bluesky chat service, from a bot to one person.
//!
//! The bot logs in with an app password when there is something to say, and stays logged in for a while, since logins are
//! few a day. Its own PDS passes the calls on to the chat service, which has no idempotency of its own: a message whose
//! answer was lost may be there, and [`Chat::send_unless_sent`] looks for it first.

mod session;

use std::fmt;
use std::time::Duration;

use docket_core::Result;
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::json;

use self::session::{Login, Session};
use super::call::{Call, CallError, below, client};
use super::secret::Secret;

/// Through whom a PDS reaches the chat service.
const PROXY: (&str, &str) = ("atproto-proxy", "did:web:api.bsky.chat#bsky_chat");
/// Messages of one page, the most that there can be.
const PAGE: &str = "100";
/// Pages that are looked through for a message that may have been sent: the latest five hundred.
const PAGES_MAX: usize = 5;

/// The sender and the recipient.
#[derive(Clone, Debug)]
pub struct ChatAccess {
    /// Where the bot logs in, e.g. `https://bsky.social`.
    pub url: String,
    /// `NOTIFY_BOT_HANDLE`.
    pub bot_handle: String,
    /// `NOTIFY_BOT_PASSWORD`: an app password that may send direct messages.
    pub bot_password: Secret,
    /// `NOTIFY_RECIPIENT_HANDLE`.
    pub recipient_handle: String,
}

/// A client of the chat service, as one bot, with one pool of connections.
pub struct Chat {
    http: Client,
    login: Login,
    recipient_handle: String,
}

#[derive(Deserialize)]
struct Profile {
    did: String,
}

#[derive(Deserialize)]
struct Opened {
    convo: Conversation,
}

#[derive(Deserialize)]
struct Conversation {
    id: String,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Message>,
    cursor: Option<String>,
}

/// A deleted message has no text.
#[derive(Deserialize)]
struct Message {
    text: Option<String>,
    sender: Sender,
}

#[derive(Deserialize)]
struct Sender {
    did: String,
}

impl Chat {
    /// Logs nobody in yet. A call takes at most `timeout`, from connecting to the end of the answer.
    pub fn new(access: ChatAccess, timeout: Duration) -> Result<Self> {
        let ChatAccess { url, bot_handle, bot_password, recipient_handle } = access;
        let login = Login::new(&url, bot_handle, bot_password)?;
        Ok(Self { http: client("set up the chat client", timeout)?, login, recipient_handle })
    }

    /// Sends `text` to the recipient.
    ///
    /// # Errors
    ///
    /// Retryable: no answer, a timeout, 408, 425, 429, 5xx, an answer of another shape. Permanent:
    /// the app password is wrong, there is no such recipient, or they accept no messages from the
    /// bot.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may still have sent the message.
    pub async fn send(&self, text: &str) -> Result<(), CallError> {
        let (session, conversation) = self.open().await?;
        self.write(&session, &conversation, text).await
    }

    /// The same, unless the bot has sent the same text already. That is looked for among the latest five hundred messages:
    /// in a conversation that has had more since, it is sent again.
    pub async fn send_unless_sent(&self, text: &str) -> Result<(), CallError> {
        let (session, conversation) = self.open().await?;
        if self.has(&session, &conversation, text).await? {
            return Ok(());
        }
        self.write(&session, &conversation, text).await
    }

    /// The conversation with the recipient, made if there is none. A login that ended early is renewed once.
    async fn open(&self) -> Result<(Session, Conversation), CallError> {
        let known = self.login.known().await;
        let is_known = known.is_some();
        let session = match known {
            Some(session) => session,
            None => self.login.anew(&self.http).await?,
        };
        match self.conversation(&session).await {
            Ok(conversation) => Ok((session, conversation)),
            Err(CallError { error, .. }) if is_known && !error.is_retryable() => {
                let session = self.login.anew(&self.http).await?;
                let conversation = self.conversation(&session).await?;
                Ok((session, conversation))
            }
            Err(error) => Err(error),
        }
    }

    async fn conversation(&self, session: &Session) -> Result<Conversation, CallError> {
        let mut url = below(&session.pds, "xrpc/app.bsky.actor.getProfile");
        url.query_pairs_mut().append_pair("actor", &self.recipient_handle);
        let request = self.http.get(url).bearer_auth(session.token.reveal());
        let profile: Profile = call("look up who is to be told").send(request).await?;
        let request = self.http.get(chat(session, "getConvoForMembers", &[("members", &profile.did)]));
        let opened: Opened = call("open a conversation").send(authorized(request, session)).await?;
        Ok(opened.convo)
    }

    async fn write(&self, session: &Session, conversation: &Conversation, text: &str) -> Result<(), CallError> {
        let body = json!({ "convoId": conversation.id, "message": { "text": text } });
        let request = self.http.post(chat(session, "sendMessage", &[])).json(&body);
        call("send a message").send::<serde::de::IgnoredAny>(authorized(request, session)).await.map(|_| ())
    }

    /// Whether the bot said exactly this, not long ago.
    async fn has(&self, session: &Session, conversation: &Conversation, text: &str) -> Result<bool, CallError> {
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let mut query = vec![("convoId", conversation.id.as_str()), ("limit", PAGE)];
            if !cursor.is_empty() {
                query.push(("cursor", &cursor));
            }
            let request = self.http.get(chat(session, "getMessages", &query));
            let page: Page = call("read a conversation").send(authorized(request, session)).await?;
            let is_it = |message: &Message| message.sender.did == session.did && message.text.as_deref() == Some(text);
            if page.messages.iter().any(is_it) {
                return Ok(true);
            }
            match page.cursor {
                Some(next) if !page.messages.is_empty() && next != cursor => cursor = next,
                _ => return Ok(false),
            }
        }
        Ok(false)
    }
}

fn call(operation: &'static str) -> Call {
    Call { operation, address: "NOTIFY_BOT_URL", token: "NOTIFY_BOT_PASSWORD" }
}

fn chat(session: &Session, method: &str, query: &[(&str, &str)]) -> Url {
    let mut url = below(&session.pds, &format!("xrpc/chat.bsky.convo.{method}"));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

fn authorized(request: RequestBuilder, session: &Session) -> RequestBuilder {
    request.bearer_auth(session.token.reveal()).header(PROXY.0, PROXY.1)
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Chat");
        shown.field("login", &self.login).field("recipient", &self.recipient_handle).finish_non_exhaustive()
    }
}
