//! The nodes of each book, in the order of their ids, read as a stream.

use super::judge::{Book, BookNode};
use crate::client::{Error, Service, Services};
use crate::lines::Lines;
use journal::{JournalId, SnapshotNode};
use serde::de::DeserializeOwned;

/// Nodes that a book is asked for at once. They are streamed, so this costs no memory; it bounds
/// how long a book must hold one state for the reader.
const PAGE: u64 = 200_000;

/// Filestore's snapshot.
pub(super) struct Snapshot {
    /// The journal id that it is the state at.
    pub(super) journal_id: JournalId,
    service: Service,
    lines: Lines,
    last: i64,
}

impl Snapshot {
    pub(super) fn open(services: &Services) -> Result<Self, Error> {
        let service = services.filestore.clone();
        let response = service.send(service.get("/v1/snapshot"))?;
        let journal_id = service.header(response.headers(), "tidemark-journal-id")?;
        Ok(Self {
            journal_id,
            lines: Lines::new(&service, response),
            service,
            last: i64::MIN,
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<SnapshotNode>, Error> {
        let node: Option<SnapshotNode> = parse(&self.service, &mut self.lines)?;
        if let Some(node) = &node {
            self.last = ascending(&self.service, self.last, node.node_id)?;
        }
        Ok(node)
    }
}

/// A book's nodes, page after page. Every page is the state at the book's checkpoint of its time.
pub(super) struct Nodes {
    pub(super) book: Book,
    service: Service,
    last: i64,
    page: Option<Lines>,
    in_page: u64,
    checkpoint: JournalId,
    next: Option<BookNode>,
}

impl Nodes {
    /// The nodes with ids after `after`.
    pub(super) fn open(services: &Services, book: Book, after: i64) -> Result<Self, Error> {
        let mut nodes = Self {
            book,
            service: book.service(services).clone(),
            last: after,
            page: None,
            in_page: 0,
            checkpoint: JournalId::ZERO,
            next: None,
        };
        nodes.next = nodes.read()?;
        Ok(nodes)
    }

    /// The id of the next node.
    pub(super) fn peek(&self) -> Option<i64> {
        self.next.as_ref().map(|node| node.node_id)
    }

    /// What the book says of this node, which must not lie below one that was asked for before,
    /// and the checkpoint at which it said so. That it does not have the node is said by the page
    /// that goes past it.
    pub(super) fn take(&mut self, node_id: i64) -> Result<(Option<BookNode>, JournalId), Error> {
        let checkpoint = self.checkpoint;
        if self.peek() != Some(node_id) {
            return Ok((None, checkpoint));
        }
        let following = self.read()?;
        Ok((std::mem::replace(&mut self.next, following), checkpoint))
    }

    fn read(&mut self) -> Result<Option<BookNode>, Error> {
        loop {
            if let Some(lines) = &mut self.page
                && let Some(node) = parse::<BookNode>(&self.service, lines)?
            {
                self.in_page += 1;
                self.last = ascending(&self.service, self.last, node.node_id)?;
                return Ok(Some(node));
            }
            // An empty page is the end; a page may be shorter than what was asked for.
            if self.page.is_some() && self.in_page == 0 {
                return Ok(None);
            }
            let query = [
                ("after", self.last.to_string()),
                ("limit", PAGE.to_string()),
            ];
            let response = self
                .service
                .send(self.service.get("/filestore/nodes").query(&query))?;
            self.checkpoint = self
                .service
                .header(response.headers(), "tidemark-journal-id")?;
            self.page = Some(Lines::new(&self.service, response));
            self.in_page = 0;
        }
    }
}

fn parse<T: DeserializeOwned>(service: &Service, lines: &mut Lines) -> Result<Option<T>, Error> {
    match lines.next_line()? {
        None => Ok(None),
        Some(line) => serde_json::from_slice(line)
            .map(Some)
            .map_err(|error| service.garbled(format!("a node that cannot be read: {error}"))),
    }
}

/// Comparing side by side is right only if both sides ascend.
fn ascending(service: &Service, last: i64, node_id: i64) -> Result<i64, Error> {
    if node_id > last {
        Ok(node_id)
    } else {
        Err(service.garbled(format!("node {node_id} comes after node {last}")))
    }
}
