//! One request and its answer over a connection that is there, by HTTP/1.1 or HTTP/2.

use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::outcome::{Cause, Outcome};

/// hyper's smallest read buffer: answers to checks are short.
const BUFFER_BYTES: usize = 8 << 10;

/// The most that the headers of an answer by HTTP/2 may take.
const HEADERS_BYTES: u32 = 16 << 10;

/// Sends `request` by HTTP/1.1, and returns what `judge` makes of the answer.
pub(crate) async fn http1<S, B, T, J>(
    stream: S,
    request: Request<B>,
    judge: impl FnOnce(Response<Incoming>) -> J,
) -> Result<T, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
    J: Future<Output = Result<T, Outcome>>,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER_BYTES);
    let shaken = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|it| failure(&it, "HTTP"))?;
    let mut answer = pin!(async {
        let response = sender.send_request(request).await;
        judge(response.map_err(|it| failure(&it, "HTTP"))?).await
    });
    tokio::select! {
        biased;
        result = &mut answer => result,
        // It ends when the server hung up; what it had read is still to be judged.
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(failure(&error, "HTTP")),
        }
    }
}

/// The same by HTTP/2, which both sides know they speak.
pub(super) async fn http2<S, B, T, J>(
    stream: S,
    request: Request<B>,
    judge: impl FnOnce(Response<Incoming>) -> J,
) -> Result<T, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
    J: Future<Output = Result<T, Outcome>>,
{
    let chores = Chores::default();
    let mut builder = http2::Builder::new(chores.clone());
    builder.max_header_list_size(HEADERS_BYTES);
    let exchange = async {
        let shaken = builder.handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|it| failure(&it, "HTTP/2"))?;
        let mut answer = pin!(async {
            let response = sender.send_request(request).await;
            judge(response.map_err(|it| failure(&it, "HTTP/2"))?).await
        });
        tokio::select! {
            biased;
            result = &mut answer => result,
            ended = connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(failure(&error, "HTTP/2")),
            }
        }
    };
    tokio::select! {
        biased;
        result = exchange => result,
        () = chores.run() => unreachable!("they are never over"),
    }
}

/// What hyper wants done beside an exchange by HTTP/2. It is done in the task of the probe
/// itself, and is over with it.
#[derive(Clone, Default)]
struct Chores(Arc<Mutex<Vec<Chore>>>);

type Chore = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Chores {
    fn execute(&self, chore: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(chore));
    }
}

impl Chores {
    async fn run(&self) {
        let mut under_way = Vec::new();
        poll_fn(|context| self.poll(context, &mut under_way)).await;
    }

    fn poll(&self, context: &mut Context<'_>, under_way: &mut Vec<Chore>) -> Poll<()> {
        loop {
            under_way.retain_mut(|it| it.as_mut().poll(context).is_pending());
            let mut new = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
            if new.is_empty() {
                return Poll::Pending;
            }
            under_way.append(&mut new);
        }
    }
}

/// What an error of hyper says of the server, which should speak `protocol`.
pub(super) fn failure(error: &hyper::Error, protocol: &str) -> Outcome {
    let source = std::error::Error::source(error);
    if let Some(error) = source.and_then(|it| it.downcast_ref::<std::io::Error>()) {
        return Outcome::from(error);
    }
    if error.is_parse_too_large() {
        return Outcome::protocol("headers of the answer are too large");
    }
    if error.is_parse() {
        return Outcome::protocol(format!("not {protocol}"));
    }
    match source {
        Some(source) => Outcome::protocol(format!("{protocol}: {source}")),
        None => Outcome::Fail(Cause::Broken),
    }
}
