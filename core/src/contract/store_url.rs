//! The URL of a store: read the same way for every backend, and shown without its secrets.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;

use url::Url;

use crate::contract::{Error, Result, shown};

/// The longest scheme to show.
const SCHEME_BYTES_MAX: usize = 24;

/// The form of a backend's URLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UrlForm {
    /// The schemes it serves, in lower case.
    pub schemes: &'static [&'static str],
    /// The known parameters; a name that ends in `[` stands for all that start with it.
    pub parameters: &'static [&'static str],
    /// The parameters whose values may be shown, because they only name a server or a database.
    pub shown: &'static [&'static str],
    /// The correct form; every refusal ends with it.
    pub advice: &'static str,
}

/// The URL of a store, checked. For authors of backends.
///
/// It refuses anything that could be a piece of a password that was not percent-encoded: an `@`
/// after the host, a host with characters that no host has, and a parameter that the backend does
/// not know.
///
/// ```
/// use docket_core::{StoreUrl, UrlForm};
///
/// const FORM: UrlForm = UrlForm { schemes: &["redis"], parameters: &[], shown: &[], advice: "use redis://HOST" };
/// let url = StoreUrl::parse("redis://joe:secret@example.com/2", &FORM).unwrap();
/// assert_eq!(url.shown().to_string(), "redis://***@example.com/2");
/// ```
pub struct StoreUrl {
    url: Url,
    scheme: &'static str,
    form: &'static UrlForm,
    shown: ShownUrl,
}

impl StoreUrl {
    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// `Config`: names the defect and the expected form, without showing a secret.
    pub fn parse(text: &str, form: &'static UrlForm) -> Result<Self> {
        let refuse = |why: &str| refused_url(text, why, form.advice);
        let text = text.trim();
        let (scheme, rest) = split(text).map_err(&refuse)?;
        let Some(scheme) = form.schemes.iter().find(|known| known.eq_ignore_ascii_case(scheme)) else {
            return Err(refuse("this backend does not support this scheme"));
        };
        if rest.contains(char::is_control) {
            return Err(refuse("it contains a line break or another control character"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if rest[end..].contains('@') {
            return Err(refuse(
                "it has an @ after the host; percent-encode / ? # and @ in user, password and parameters as %2F %3F %23 %40",
            ));
        }
        // The parser names the invalid part, never its value.
        let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        if url.fragment().is_some() {
            return Err(refuse("a fragment (#…) is not supported"));
        }
        if !is_host(url.host_str().unwrap_or_default()) || !is_path(url.path()) {
            return Err(refuse(
                "its host or path has a character that it cannot have; percent-encode special characters in user and \
                 password, and put an @ between them and the host",
            ));
        }
        check_parameters(&url, form).map_err(|why| refuse(&why))?;
        let shown = ShownUrl::of(&url, form);
        Ok(Self { url, scheme, form, shown })
    }

    /// The URL itself, secrets included, for the driver.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The scheme.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The host as written, if there is one.
    pub fn host(&self) -> Option<&str> {
        self.url.host_str().filter(|host| !host.is_empty())
    }

    /// Whether it has a user or a password.
    pub fn has_login(&self) -> bool {
        has_login(&self.url)
    }

    /// The part after the host, up to the parameters.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// Removes a parameter, so that the driver does not see it.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let value = self.parameter(name)?;
        let others: Vec<(String, String)> = self
            .url
            .query_pairs()
            .filter(|(other, _)| other != name)
            .map(|pair| (pair.0.into(), pair.1.into()))
            .collect();
        self.url.set_query(None);
        if !others.is_empty() {
            self.url.query_pairs_mut().extend_pairs(others);
        }
        Some(value)
    }

    /// The address as it is shown.
    pub fn shown(&self) -> &ShownUrl {
        &self.shown
    }

    /// The error for a URL that cannot be used. `why` must not repeat a value.
    pub fn refuse(&self, why: &str) -> Error {
        // Without its parameters: one of them may be the reason.
        refusal(self.shown.split('?').next().unwrap_or_default(), why, self.form.advice)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, f)
    }
}

/// A store's URL as it is shown: scheme, host, port and database, without user and password. It
/// remembers both, to remove them from messages of a driver or a server as well.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownUrl {
    text: String,
    secrets: Vec<String>,
}

impl ShownUrl {
    /// A `text` without secrets for a server that was configured another way, and the `secrets` to
    /// log in there.
    pub fn new(text: impl Into<String>, secrets: impl IntoIterator<Item = String>) -> Self {
        Self { text: text.into(), secrets: secrets.into_iter().filter(|secret| !secret.is_empty()).collect() }
    }

    fn of(url: &Url, form: &UrlForm) -> Self {
        let login = if has_login(url) { "***@" } else { "" };
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        let host = url.host_str().unwrap_or_default();
        let mut text = format!("{}://{login}{host}{port}{}", url.scheme(), url.path());
        let (told, kept): (Vec<_>, Vec<_>) =
            url.query_pairs().partition(|(name, value)| form.shown.contains(&&**name) && is_plain(value));
        for (at, (name, value)) in told.iter().enumerate() {
            text.extend([if at == 0 { "?" } else { "&" }, name, "=", value]);
        }
        let login = [url.username(), url.password().unwrap_or_default()];
        let decoded = login.map(|part| decode(part).into_owned());
        let kept = kept.into_iter().filter(|(name, _)| is_login(name)).map(|(_, value)| value.into_owned());
        Self::new(text, login.map(str::to_owned).into_iter().chain(decoded).chain(kept))
    }

    /// `words` without user and password, wherever they occur as whole words.
    pub fn redacted<'a>(&self, words: &'a str) -> Cow<'a, str> {
        let mut told = Cow::Borrowed(words);
        for secret in &self.secrets {
            if let Some(without) = without_word(&told, secret) {
                told = without.into();
            }
        }
        told
    }

    /// `error` as the source of one of ours; if it contains user or password, only its text without
    /// them.
    pub fn cause(&self, error: impl StdError + Send + Sync + 'static) -> Box<dyn StdError + Send + Sync> {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain = format!("{chain}: {cause}");
            source = cause.source();
        }
        let redacted = self.redacted(&chain).into_owned();
        if redacted == chain && matches!(self.redacted(&format!("{error:?}")), Cow::Borrowed(_)) {
            return Box::new(error);
        }
        redacted.into()
    }
}

impl Deref for ShownUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// The part of `text` that cannot contain a secret, whether it is a URL or not: nothing before its
/// last `@`, and nothing after `?` or `#`.
pub fn masked_url(text: &str) -> String {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (format!("{scheme}://"), rest),
        _ => (String::new(), text),
    };
    let place = |text: &'_ str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
    let shown = match rest.rsplit_once('@') {
        // Either mark may belong to the password, or the @ to a parameter.
        Some((before, _)) if before.contains(['?', '#']) => None,
        Some((_, after)) => Some(format!("***@{}", place(after))),
        None if !scheme.is_empty() && is_place(&place(rest)) => Some(place(rest)),
        // Without a scheme, or in an unusual order, any part may be the password.
        None => None,
    };
    shown::escaped(&format!("{scheme}{}", shown.as_deref().unwrap_or("***"))).into_owned()
}

/// The error for a URL that cannot be read. `why` must not repeat a value.
pub fn refused_url(text: &str, why: &str, advice: &str) -> Error {
    let masked = if split(text.trim()).is_ok() || text.contains('@') { masked_url(text) } else { String::new() };
    refusal(&masked, why, advice)
}

fn refusal(shown: &str, why: &str, advice: &str) -> Error {
    let place = if shown.is_empty() { String::new() } else { format!(" {shown}") };
    Error::config(format!("read the store URL{place}"), format!("{why}; {advice}"))
}

/// The scheme and the rest.
fn split(text: &str) -> Result<(&str, &str), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    let parts = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    parts.ok_or("it has no scheme: it must start with a word and ://")
}

fn is_scheme(text: &str) -> bool {
    text.len() <= SCHEME_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// `HOST[:PORT][/PATH]`, each with the characters that it can have.
fn is_place(text: &str) -> bool {
    let (authority, path) = text.find('/').map_or((text, ""), |at| text.split_at(at));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, port),
        _ => (authority, "0"),
    };
    is_host(host) && is_path(path) && !port.is_empty() && port.len() <= 5 && port.chars().all(|c| c.is_ascii_digit())
}

/// A name, an address, or a socket's percent-encoded path.
fn is_host(text: &str) -> bool {
    let decoded = decode(text);
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => address.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.')),
        None if decoded.starts_with('/') => is_plain(&decoded),
        None => !text.contains('/') && is_plain(text),
    }
}

fn is_path(text: &str) -> bool {
    !decode(text).contains(['@', ':'])
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
}

fn has_login(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether a parameter says how to log in.
fn is_login(name: &str) -> bool {
    name.contains("pass") || name.contains("user")
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

/// Refuses a parameter that the backend does not know, or that occurs twice.
fn check_parameters(url: &Url, form: &UrlForm) -> Result<(), String> {
    let known = |name: &str| {
        form.parameters.iter().any(|known| *known == name || known.ends_with('[') && name.starts_with(known))
    };
    let mut seen = Vec::new();
    for (name, _) in url.query_pairs() {
        if !known(&name) {
            // An unknown name may be a piece of a password.
            let named =
                if is_plain(&name) && name.len() <= SCHEME_BYTES_MAX { format!(" {name:?}") } else { String::new() };
            return Err(format!("it has an unknown parameter{named}; {}", list(form.parameters)));
        }
        if seen.contains(&name) {
            return Err(format!("it has the parameter {name:?} twice"));
        }
        seen.push(name);
    }
    Ok(())
}

fn list(parameters: &[&str]) -> String {
    match parameters {
        [] => "it takes no parameters".to_owned(),
        some => format!("known are {}", some.join(", ").replace('[', "[…]")),
    }
}

/// `text` with `***` for each `word` that is not part of a longer one; `None` if there is none.
fn without_word(text: &str, word: &str) -> Option<String> {
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (mut told, mut from) = (String::new(), 0);
    for (at, found) in text.match_indices(word) {
        let end = at + found.len();
        let inside = is_part(word.chars().next()) && is_part(text[..at].chars().next_back())
            || is_part(word.chars().next_back()) && is_part(text[end..].chars().next());
        if !inside {
            told.push_str(&text[from..at]);
            told.push_str("***");
            from = end;
        }
    }
    (from > 0).then(|| told + &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: UrlForm = UrlForm {
        schemes: &["redis", "unix"],
        parameters: &["db", "pass", "options["],
        shown: &["db"],
        advice: "use redis://HOST",
    };

    #[test]
    fn a_masked_url_shows_its_place_and_nothing_before_the_last_at() {
        for (text, shown) in [
            ("redis://localhost:6379/0", "redis://localhost:6379/0"),
            ("redis://joe:secret@host:1/2", "redis://***@host:1/2"),
            ("redis://secret@host", "redis://***@host"),
            ("redis://:secret@[::1]:1", "redis://***@[::1]:1"),
            ("redis://joe:s/e?c#r@et@host", "redis://***"),
            ("redis://joe:12/3@host", "redis://***@host"),
            ("redis://host?pass=a@secret", "redis://***"),
            ("redis://joe:secret%40host", "redis://***"),
            ("redis://joe:secret", "redis://***"),
            ("redis:///run/redis.sock?pass=secret", "redis:///run/redis.sock"),
            ("joe:secret@host:1", "***@host:1"),
            ("redis:joe:secret@host", "***@host"),
            ("redis//joe:secret@host", "***@host"),
            ("joe:se://cret@host", "***@host"),
            ("localhost:6379", "***"),
            ("joe:secret", "***"),
            ("redis://joe:secret@h\u{1b}[2J", "redis://***@h\\u{1b}[2J"),
        ] {
            assert_eq!(masked_url(text), shown, "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        for (text, why) in [
            ("", "read the store URL: it is empty"),
            (" ", "read the store URL: it is empty"),
            ("localhost:6379", "read the store URL: it has no scheme"),
            ("joe:secret@host", "read the store URL ***@host: it has no scheme"),
            ("amqp://joe:secret@host", "amqp://***@host: this backend does not support this scheme"),
            ("redis://joe:secret@host:port", "redis://***@host:port: invalid port number"),
            ("redis://joe:secret@/1", "redis://***@/1: empty host"),
            ("redis://joe:12/secret@host", "redis://***@host: it has an @ after the host"),
            ("redis://host?pass=a@secret", "redis://***: it has an @ after the host"),
            ("redis://joe%3Asecret%40host", "redis://***: its host or path has a character"),
            ("redis://joe:12/secret%40host", "redis://***: its host or path has a character"),
            ("redis://host/1?dbb=secret", "it has an unknown parameter \"dbb\"; known are db, pass, options[…]"),
            ("redis://host:12?secret%20=1", "it has an unknown parameter"),
            ("redis://host?db=1&db=2", "the parameter \"db\" twice"),
            ("redis://host#secret", "a fragment (#…) is not supported"),
            ("redis://joe:sec\nret@host", "a line break"),
        ] {
            let error = StoreUrl::parse(text, &FORM).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains(why) && told.contains("use redis://HOST"), "{text}: {told}");
            assert!(!told.contains("secret") && !told.contains("joe"), "{text}: {told}");
        }
    }

    #[test]
    fn a_good_url_is_shown_without_its_login() {
        for (text, shown) in [
            ("redis://joe:secret@example.com:1/2?db=3", "redis://***@example.com:1/2?db=3"),
            ("REDIS://example.com", "redis://example.com"),
            ("redis://joe:s@cret@host", "redis://***@host"),
            ("redis://joe@%2Frun%2Fpg/app", "redis://***@%2Frun%2Fpg/app"),
            ("unix:///run/redis.sock?db=1&pass=secret&options[a]=secret\n", "unix:///run/redis.sock?db=1"),
        ] {
            let url = StoreUrl::parse(text, &FORM).unwrap();
            assert_eq!((url.shown().to_string(), format!("{url:?}")), (shown.to_owned(), format!("{shown:?}")));
        }
    }

    #[test]
    fn a_servers_words_lose_user_and_password() {
        let url = StoreUrl::parse("redis://joe:p%40ss@host?pass=hush", &FORM).unwrap();
        for (words, told) in [
            ("role \"joe\" does not exist", "role \"***\" does not exist"),
            ("joe: p@ss p%40ss hush!", "***: *** *** ***!"),
            ("joel and hushed", "joel and hushed"),
        ] {
            assert_eq!(url.shown().redacted(words), told);
        }
        let cause = url.shown().cause(std::io::Error::other("no user joe"));
        assert_eq!(format!("{cause} {cause:?}"), "no user *** \"no user ***\"");
        assert!(url.shown().cause(std::io::Error::other("reset")).is::<std::io::Error>());
    }

    #[test]
    fn a_parameter_can_be_taken_out() {
        let mut url = StoreUrl::parse("unix:///run/redis.sock?db=1&pass=a%26b", &FORM).unwrap();
        assert_eq!(url.take("db").as_deref(), Some("1"));
        assert_eq!(url.take("db"), None);
        assert_eq!(
            (url.as_str(), url.parameter("pass").as_deref()),
            ("unix:///run/redis.sock?pass=a%26b", Some("a&b"))
        );
    }
}
