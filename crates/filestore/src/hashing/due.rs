//! Which files are to be hashed next.
//!
//! The nodes say it themselves: a regular file that is there, has no content hash, and is meant by
//! the policy. A pass over the mount's nodes by path finds them, a page at a time, once after a
//! start and after a change of the settings. From then on the journal says which nodes changed. It
//! is followed from where it stood before the pass began, so nothing falls between; whatever was
//! done before the process ended is not found again, as it has its hash. So there is no queue to be
//! kept, and nothing that grows with the tree.

use crate::mount::Policy;
use ::node::Facts;
use catalogue::{Catalogue, Node, StoreError, changed_nodes, nodes};
use journal::{JournalId, NodeState};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Nodes looked at in one read of the catalogue.
const PAGE: usize = 500;

/// Files that are to be looked at again later; past that, a pass finds them.
const LATER: usize = 10_000;

/// A file that is to be hashed.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) node_id: i64,
    pub(super) path: String,
    /// What it was when the catalogue saw it last: the hash must be of this.
    pub(super) facts: Facts,
    /// How often it was tried.
    pub(super) attempts: u32,
}

impl Candidate {
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.facts.size_bytes).unwrap_or(0)
    }
}

#[derive(Debug)]
struct Later {
    at: Instant,
    node_id: i64,
    attempts: u32,
}

/// The files of one mount that wait.
#[derive(Debug)]
pub(super) struct Due {
    mount_id: i64,
    policy: Policy,
    /// The path up to which the pass has come; `None` when it is through.
    pass: Option<String>,
    /// The journal is followed from here.
    after: JournalId,
    found: VecDeque<Candidate>,
    later: VecDeque<Later>,
    /// More were put off than are remembered.
    has_forgotten: bool,
}

impl Due {
    /// With a pass before it. `head` is where the journal stands.
    pub(super) fn new(mount_id: i64, policy: Policy, head: JournalId) -> Self {
        Self {
            mount_id,
            policy,
            pass: Some(String::new()),
            after: head,
            found: VecDeque::new(),
            later: VecDeque::new(),
            has_forgotten: false,
        }
    }

    /// The journal is followed from here.
    pub(super) fn after(&self) -> JournalId {
        self.after
    }

    /// The next one; `None` if none waits now, or it is to stop. Each time something was found, `found` hears of it,
    /// unless the pass found it, which has been counted.
    pub(super) fn next(
        &mut self,
        catalogue: &Catalogue,
        may_go_on: &dyn Fn() -> bool,
        found: &mut dyn FnMut(&Candidate),
    ) -> Result<Option<Candidate>, StoreError> {
        loop {
            if !may_go_on() {
                return Ok(None);
            }
            if let Some(candidate) = self.found.pop_front() {
                return Ok(Some(candidate));
            }
            let goes_on = if self.pass.is_some() {
                self.go_on_with_pass(catalogue)?
            } else {
                self.take_later(catalogue)? || self.follow(catalogue, found)?
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// It was not to be hashed after all, for now.
    pub(super) fn give_back(&mut self, candidate: Candidate) {
        self.found.push_front(candidate);
    }

    /// It is to be looked at again after a while.
    pub(super) fn put_off(&mut self, candidate: &Candidate, wait: Duration) {
        if self.later.len() >= LATER {
            self.has_forgotten = true;
            return;
        }
        self.later.push_back(Later {
            at: Instant::now() + wait,
            node_id: candidate.node_id,
            attempts: candidate.attempts + 1,
        });
    }

    /// Whether the pass is over: what comes is told by the journal.
    pub(super) fn is_through(&self) -> bool {
        self.pass.is_none() && self.found.is_empty()
    }

    /// How many wait to be looked at again.
    pub(super) fn put_off_count(&self) -> usize {
        self.later.len()
    }

    /// One page of the pass. Whether there may be more.
    fn go_on_with_pass(&mut self, catalogue: &Catalogue) -> Result<bool, StoreError> {
        let Some(after) = &self.pass else {
            return Ok(false);
        };
        let page =
            catalogue.read(|connection| nodes::by_path(connection, self.mount_id, after, PAGE))?;
        self.pass = page.last().map(|node| node.path.clone());
        let candidates = page.iter().filter_map(|node| self.candidate(node, 0));
        let candidates: Vec<_> = candidates.collect();
        self.found.extend(candidates);
        Ok(true)
    }

    /// Looks again at those whose time has come. Whether there were any.
    fn take_later(&mut self, catalogue: &Catalogue) -> Result<bool, StoreError> {
        let now = Instant::now();
        let due = |later: &Later| later.at <= now;
        let mut has_any = false;
        while let Some(later) = self.later.pop_front_if(|later| due(later)) {
            let node = catalogue.read(|connection| nodes::by_id(connection, later.node_id))?;
            let candidate = node.and_then(|node| self.candidate(&node, later.attempts));
            has_any |= candidate.is_some();
            self.found.extend(candidate);
        }
        if self.later.is_empty() && std::mem::take(&mut self.has_forgotten) {
            self.pass = Some(String::new());
            has_any = true;
        }
        Ok(has_any)
    }

    /// What the journal says. Whether it said anything.
    fn follow(
        &mut self,
        catalogue: &Catalogue,
        found: &mut dyn FnMut(&Candidate),
    ) -> Result<bool, StoreError> {
        if catalogue.head().id <= self.after {
            return Ok(false);
        }
        let after = self.after;
        let told = catalogue.read(|connection| changed_nodes(connection, after, PAGE))?;
        let Some((last, nodes)) = told else {
            // What came next is trimmed: look at everything.
            self.after = catalogue.head().id;
            self.pass = Some(String::new());
            return Ok(true);
        };
        self.after = last;
        let candidates = nodes.iter().filter_map(|node| self.candidate(node, 0));
        let candidates: Vec<_> = candidates.collect();
        candidates.iter().for_each(found);
        self.found.extend(candidates);
        Ok(true)
    }

    /// The node, if it is to be hashed.
    fn candidate(&self, node: &Node, attempts: u32) -> Option<Candidate> {
        let is_due = node.mount_id == self.mount_id
            && node.state == NodeState::Active
            && !node.is_directory()
            && !node.facts.is_symlink
            && node.content_hash.is_none()
            && self.policy.takes(&node.path, node.facts.size_bytes);
        is_due.then(|| Candidate {
            node_id: node.id,
            path: node.path.clone(),
            facts: node.facts,
            attempts,
        })
    }

    /// How many files a pass would find, and their bytes. `None` if it was told to stop.
    pub(super) fn count(
        &self,
        catalogue: &Catalogue,
        may_go_on: &dyn Fn() -> bool,
    ) -> Result<Option<(u64, u128)>, StoreError> {
        let (mut files, mut bytes) = (0, 0_u128);
        let mut after = String::new();
        loop {
            if !may_go_on() {
                return Ok(None);
            }
            let page = catalogue
                .read(|connection| nodes::by_path(connection, self.mount_id, &after, PAGE))?;
            let Some(last) = page.last() else {
                return Ok(Some((files, bytes)));
            };
            after.clone_from(&last.path);
            for candidate in page.iter().filter_map(|node| self.candidate(node, 0)) {
                files += 1;
                bytes += u128::from(candidate.bytes());
            }
        }
    }
}
