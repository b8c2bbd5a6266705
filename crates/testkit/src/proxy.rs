//! A TCP proxy that breaks when it is told to.
//!
//! It runs on a thread with a runtime of its own, so that the runtime under test cannot stall it,
//! nor wait for it. One task owns the listener and the connections and takes orders one at a
//! time; an order is acknowledged once it holds, so a test that has cut the connections may rely
//! on their being gone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc as orders;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::free_port;

const BUFFER_BYTES: usize = 16 << 10;
/// Another process may take a port between the look and the start.
const ATTEMPTS: usize = 5;

/// Forwards connections to a target, and fails them on demand.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    orders: orders::UnboundedSender<(Order, Option<mpsc::Sender<()>>)>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    /// Forget every fault.
    Heal,
    /// Drop the connections there are.
    Cut,
    /// Drop them, and listen no more.
    Refuse,
    Quit,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    is_stalled: watch::Sender<bool>,
    /// Bytes that may still go to clients before everything is cut.
    budget_bytes: Mutex<Option<usize>>,
    /// What is kept from clients.
    swallowed: Mutex<Option<Vec<u8>>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
}

impl TcpProxy {
    /// Listens on a free port of loopback and forwards to `target`.
    ///
    /// # Panics
    /// It cannot listen.
    #[must_use]
    #[track_caller]
    pub fn start(target: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            is_stalled: watch::Sender::new(false),
            budget_bytes: Mutex::new(None),
            swallowed: Mutex::new(None),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        });
        let listener = (0..ATTEMPTS)
            .find_map(|_| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).ok())
            .expect("a port to listen on");
        listener
            .set_nonblocking(true)
            .expect("a non-blocking listener");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let (send, receive) = orders::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the proxy");
        let run = run(
            address,
            listener,
            Arc::clone(&shared),
            receive,
            send.clone(),
        );
        let thread = std::thread::spawn(move || runtime.block_on(run));
        Self {
            address,
            orders: send,
            shared,
            thread: Some(thread),
        }
    }

    /// Where clients connect; the same for as long as the proxy lives.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards new connections to `target` from now on.
    pub fn set_target(&self, target: SocketAddr) {
        *self.shared.target.lock() = target;
    }

    /// How many connections have been accepted, ever.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Drops every connection, wherever in a frame it is. New ones are served.
    pub fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Lets `bytes` more bytes through to clients, counted over all connections, then cuts as
    /// [`TcpProxy::cut`] does. 0 cuts at the next byte.
    pub fn cut_after(&self, bytes: usize) {
        *self.shared.budget_bytes.lock() = Some(bytes);
    }

    /// Drops every connection and refuses new ones, until [`TcpProxy::heal`].
    pub fn refuse(&self) {
        self.order(Order::Refuse);
    }

    /// Holds every byte back, in both directions, until [`TcpProxy::heal`]. Connections stay open
    /// and new ones are accepted, but nobody answers. Held bytes are not lost.
    pub fn stall(&self) {
        self.shared.is_stalled.send_replace(true);
    }

    /// Drops every piece for clients that contains `bytes`, and forwards all else: a subscription
    /// that is silent while everything else answers.
    pub fn swallow(&self, bytes: &[u8]) {
        *self.shared.swallowed.lock() = Some(bytes.to_vec());
    }

    /// Ends what the other faults began.
    pub fn heal(&self) {
        *self.shared.budget_bytes.lock() = None;
        *self.shared.swallowed.lock() = None;
        self.shared.is_stalled.send_replace(false);
        self.order(Order::Heal);
    }

    /// Returns once the order holds.
    fn order(&self, order: Order) {
        let (done, wait) = mpsc::channel();
        let sent = self.orders.send((order, Some(done)));
        assert!(
            sent.is_ok() && wait.recv().is_ok(),
            "the proxy's thread has ended"
        );
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.orders.send((Order::Quit, None)).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn run(
    address: SocketAddr,
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    mut orders: orders::UnboundedReceiver<(Order, Option<mpsc::Sender<()>>)>,
    cut: orders::UnboundedSender<(Order, Option<mpsc::Sender<()>>)>,
) {
    let mut listener = Some(TcpListener::from_std(listener).expect("a listener for the runtime"));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Orders first: what is accepted after an order obeys it.
            biased;
            order = orders.recv() => {
                let Some((order, done)) = order else { return };
                match order {
                    Order::Cut => connections.shutdown().await,
                    Order::Refuse => {
                        listener = None;
                        connections.shutdown().await;
                    }
                    Order::Heal if listener.is_none() => {
                        listener = Some(TcpListener::bind(address).await.expect("the same port"));
                    }
                    Order::Heal => {}
                    Order::Quit => return,
                }
                done.map(|done| done.send(()));
            }
            client = accept(listener.as_ref()) => {
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                connections.spawn(forward(client, Arc::clone(&shared), cut.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            Some(listener) => {
                if let Ok((client, _)) = listener.accept().await {
                    return client;
                }
            }
            None => std::future::pending().await,
        }
    }
}

/// Counts a connection for as long as it is open.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn forward(
    client: TcpStream,
    shared: Arc<Shared>,
    cut: orders::UnboundedSender<(Order, Option<mpsc::Sender<()>>)>,
) {
    shared.open.fetch_add(1, Ordering::SeqCst);
    let open = Open(Arc::clone(&shared));
    healthy(&shared).await;
    let target = *shared.target.lock();
    // A target that is down looks to the client like a connection that ends at once.
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pump(from_client, to_server, &shared, |piece| {
        (piece.len(), false)
    });
    let down = async {
        let allow = |piece: &[u8]| shared.allow(piece);
        if pump(from_server, to_client, &shared, allow).await {
            cut.send((Order::Cut, None)).ok();
        }
    };
    // Each direction ends by itself, so that a half-closed connection still gets its answer.
    tokio::join!(up, down);
    drop(open);
}

impl Shared {
    /// How many bytes of the piece may pass, and whether everything is to be cut after them.
    fn allow(&self, piece: &[u8]) -> (usize, bool) {
        let length = piece.len();
        if let Some(bytes) = &*self.swallowed.lock()
            && piece
                .windows(bytes.len().max(1))
                .any(|window| window == bytes)
        {
            return (0, false);
        }
        let mut budget = self.budget_bytes.lock();
        match *budget {
            Some(left) if left < length => {
                *budget = None;
                (left, true)
            }
            Some(left) => {
                *budget = Some(left - length);
                (length, false)
            }
            None => (length, false),
        }
    }
}

async fn healthy(shared: &Shared) {
    // The sender lives in `shared`, so this cannot fail.
    shared
        .is_stalled
        .subscribe()
        .wait_for(|is_stalled| !is_stalled)
        .await
        .ok();
}

/// Copies until the end; true if it stopped because of `allow`.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
    allow: impl Fn(&[u8]) -> (usize, bool),
) -> bool {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        healthy(shared).await;
        let read = from.read(&mut buffer).await.unwrap_or(0);
        healthy(shared).await;
        if read == 0 {
            to.shutdown().await.ok();
            return false;
        }
        let (allowed, is_last) = allow(buffer.get(..read).unwrap_or_default());
        let passed = to
            .write_all(buffer.get(..allowed).unwrap_or_default())
            .await;
        if is_last {
            return true;
        }
        if passed.is_err() {
            return false;
        }
    }
}
