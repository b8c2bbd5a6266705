//! The model test: a seeded schedule of commits and faults, and what must hold after every step.
//!
//! Safety, at every step: the checkpoint never goes back nor past the head; the book at checkpoint
//! J equals the fold of entries 1…J (without what is parked); no entry takes effect twice; every
//! entry up to J took effect, is parked, was discarded, or came with a snapshot.
//! Liveness: when everything heals, the head is reached within a bounded number of turns and a
//! bounded time.
//!
//! Time is simulated: a turn comes when the consumer's own [`Rest`] or a signal says so. The
//! consumer is killed between any two of its steps ([`Death`]), not only between turns. A failing
//! seed is printed and replays; leave it in [`FIXED_SEEDS`].

mod check;
mod flight;
mod neighbour;
mod restored;

use crate::Random;
use feed::BusState;
use feed::consumer::{Consumer, ConsumerOptions, Pages, Rest};
use feed::memory::{Book, Death, Fault, Killed, MemoryReader, MemorySink, PageFault};
use journal::{JournalId, SystemClock};
use neighbour::Neighbour;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Seeds that once failed.
pub const FIXED_SEEDS: &[u64] = &[];
/// Actions in one schedule.
const ACTIONS: u32 = 120;

/// How often each kind of fault fired.
pub type Counts = BTreeMap<&'static str, u64>;

/// What a schedule that found no difference was made of.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The faults that fired, by kind.
    pub faults: Counts,
    /// The journal's entries.
    pub entries: u64,
}

/// Every kind of fault; each must fire in every thousand seeds.
pub const FAULTS: &[&str] = &[
    "burst",
    "crash",
    "crash-between-steps",
    "crash-after-commit",
    "crash-before-commit",
    "double",
    "delay",
    "reorder",
    "lose",
    "bus-broken",
    "sink-transient",
    "torn-commit",
    "journal-away",
    "poison-data",
    "poison-sink",
    "park-full",
    "page-gap",
    "page-overlap",
    "page-reordered",
    "page-shared",
    "page-ahead",
    "in-flight",
    "flight-landed",
    "flight-lost",
    "retry",
    "discard",
    "trim",
    "snapshot",
    "restored-ahead",
    "restored-equal",
    "restored-behind",
    "other-epoch",
];

struct Model {
    random: Random,
    death: Death,
    dead_letters_max: u64,
    reader: MemoryReader,
    /// Of this process, which goes on when a consumer dies: the harder case.
    pages: Pages,
    sink: MemorySink,
    consumer: Option<Consumer<MemorySink>>,
    neighbour: Neighbour,
    now_ms: u64,
    rest: Rest,
    /// Until then signals gather.
    gathered_at_ms: u64,
    turn_at_ms: u64,
    /// When each signal under way arrives.
    signals: Vec<u64>,
    is_bus_broken: bool,
    // What the checks know.
    checked: JournalId,
    expected: Book,
    /// Entries that came with a snapshot rather than by themselves.
    by_snapshot: JournalId,
    parked: BTreeSet<JournalId>,
    discarded: BTreeSet<JournalId>,
    counts: Counts,
}

fn options(dead_letters_max: u64) -> ConsumerOptions {
    ConsumerOptions {
        batch_max_entries: BATCH_MAX,
        dead_letters_max,
        ..ConsumerOptions::default()
    }
}

/// Most entries in a batch: small, so that a backlog takes several turns.
const BATCH_MAX: usize = 7;

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let death = Death::default();
        // A small park is soon full; fewer than may be poison in one batch.
        let dead_letters_max = if random.chance(30) { 2 } else { 1_000 };
        let reader = MemoryReader::mortal(&death);
        let pages = Pages::from(Arc::new(reader.clone()));
        let sink = MemorySink::mortal(&death);
        let sink = if random.chance(50) {
            sink.with_flights()
        } else {
            sink
        };
        let mut model = Self {
            neighbour: Neighbour::new(&pages, random.chance(50)),
            random,
            reader,
            pages,
            sink,
            death,
            dead_letters_max,
            consumer: None,
            now_ms: 0,
            rest: Rest::NONE,
            gathered_at_ms: 0,
            turn_at_ms: 0,
            signals: Vec::new(),
            is_bus_broken: false,
            checked: JournalId::ZERO,
            expected: Book::new(),
            by_snapshot: JournalId::ZERO,
            parked: BTreeSet::new(),
            discarded: BTreeSet::new(),
            counts: Counts::new(),
        };
        model
            .sink
            .with(|store| store.poison = Some("poison".to_owned()));
        model.start();
        model
    }

    fn count(&mut self, fault: &'static str) {
        *self.counts.entry(fault).or_default() += 1;
    }

    fn start(&mut self) {
        if self.consumer.is_some() {
            return;
        }
        let options = options(self.dead_letters_max);
        let (sink, pages) = (self.sink.clone(), self.pages.clone());
        let consumer = Consumer::new(sink, pages, Arc::new(SystemClock), options);
        self.consumer = Some(consumer);
        self.set_bus();
        self.turn_at_ms = self.now_ms;
        self.gathered_at_ms = self.now_ms;
    }

    fn set_bus(&self) {
        if let Some(consumer) = &self.consumer {
            let state = if self.is_bus_broken {
                BusState::Lost
            } else {
                BusState::Live
            };
            consumer.handle().set_bus("redis", state);
        }
    }

    fn commit(&mut self, entries: u64) {
        for _ in 0..entries {
            let node = i64::try_from(self.random.below(9)).unwrap();
            let size = i64::try_from(self.random.below(100)).unwrap();
            match self.random.below(40) {
                0 => {
                    self.count("poison-data");
                    self.reader.with(|journal| {
                        journal.append("filestore.node.updated", Some(node), r#"{"nodeId":"?"}"#)
                    });
                }
                1 => {
                    self.count("poison-sink");
                    self.reader
                        .with(|journal| journal.put(node, "poison", size));
                }
                2 => drop(
                    self.reader
                        .with(|j| j.append("filestore.later.type", None, "[1]")),
                ),
                _ => drop(self.reader.with(|j| j.put(node, &format!("p{size}"), size))),
            }
            self.publish();
        }
    }

    fn publish(&mut self) {
        if self.is_bus_broken || self.random.chance(20) {
            self.count("lose");
            return;
        }
        let mut delay = 0;
        if self.random.chance(30) {
            self.count("delay");
            delay = self.random.below(3_000);
        }
        let at = self.now_ms + delay;
        if self.signals.iter().any(|earlier| *earlier > at) {
            self.count("reorder");
        }
        self.signals.push(at);
        if self.random.chance(20) {
            self.count("double");
            let later = self.random.below(500);
            self.signals.push(self.now_ms + later);
        }
    }

    fn act(&mut self) {
        match self.random.below(30) {
            0..=4 => self.commit(1),
            5 => {
                self.count("burst");
                let entries = 10 + self.random.below(30);
                self.commit(entries);
            }
            6 => {
                self.count("crash");
                self.consumer = None;
            }
            7 => self.crash_in_apply(),
            8..=10 => self.start(),
            11 => {
                self.count("bus-broken");
                self.is_bus_broken = true;
                self.set_bus();
            }
            12 => {
                self.is_bus_broken = false;
                self.set_bus();
            }
            13 => {
                self.count("sink-transient");
                self.sink.with(|store| store.fault = Some(Fault::RollBack));
            }
            14 => {
                self.count("torn-commit");
                self.sink
                    .with(|store| store.fault = Some(Fault::CommitUnanswered));
            }
            15 => {
                self.count("journal-away");
                let is_away = self.random.chance(50);
                self.reader.with(|journal| journal.is_away = is_away);
            }
            16 => self.settle_dead_letter(),
            17 => self.trim(),
            18 => self.restore_another_journal(),
            19 => self.crash_between_steps(),
            20 => self.read_a_wrong_page(),
            21..=23 => self.turn_neighbour(),
            24 => self.read_ahead(),
            25 => self.crash_in_flight(),
            _ => {
                let millis = self.random.below(4_000);
                self.pass(millis);
            }
        }
        self.check();
    }

    /// The process dies while a batch is applied: just before or just after the commit.
    fn crash_in_apply(&mut self) {
        let after = self.random.chance(50);
        self.count(if after {
            "crash-after-commit"
        } else {
            "crash-before-commit"
        });
        let fault = if after {
            Fault::CommitUnanswered
        } else {
            Fault::RollBack
        };
        self.sink.with(|store| store.fault = Some(fault));
        self.alive(Consumer::turn);
        self.consumer = None;
        self.sink.with(|store| store.fault = None);
    }

    /// The process dies somewhere within its next turns: at the beginning or the end of any call
    /// into the journal or the store, or while it answers a person.
    fn crash_between_steps(&mut self) {
        let entries = self.random.below(5);
        self.commit(entries);
        self.start();
        let steps = self.random.below(20);
        self.death.after(steps);
        if self.random.chance(20) {
            self.settle_dead_letter();
        }
        for _ in 0..4 {
            self.turn();
        }
        self.death.never();
        if self.consumer.is_none() {
            self.count("crash-between-steps");
        }
    }

    /// Does it with the consumer; `None` if there is none, or it died of it.
    fn alive<T>(&mut self, act: impl FnOnce(&mut Consumer<MemorySink>) -> T) -> Option<T> {
        let consumer = self.consumer.as_mut()?;
        match catch_unwind(AssertUnwindSafe(|| act(consumer))) {
            Ok(done) => Some(done),
            Err(payload) if payload.is::<Killed>() => {
                self.consumer = None;
                None
            }
            Err(payload) => resume_unwind(payload),
        }
    }

    /// A page that is no piece of the journal: nothing of it may be applied.
    fn read_a_wrong_page(&mut self) {
        let (name, fault) = *self.random.pick(&[
            ("page-gap", PageFault::Gap),
            ("page-overlap", PageFault::Overlap),
            ("page-reordered", PageFault::Reordered),
        ]);
        self.commit(3);
        self.start();
        self.land();
        self.reader.with(|journal| journal.page_fault = Some(fault));
        let before = self.sink.committed();
        self.turn();
        // What is away, trimmed or at its end gave no page that could be wrong.
        let has_fired = self
            .reader
            .with(|journal| journal.page_fault.take())
            .is_none();
        if !has_fired {
            return;
        }
        self.count(name);
        let after = self.sink.committed();
        assert_eq!(after.checkpoint, before.checkpoint, "{name} was applied");
        let state = self.consumer.as_ref().map(|c| c.handle().status().state);
        assert_eq!(state, Some(feed::ConsumerState::Halted), "{name} must halt");
    }

    fn settle_dead_letter(&mut self) {
        let letters = self.sink.with(|store| store.committed.parked.clone());
        let Some(letter) = letters.into_values().next() else {
            return;
        };
        if self.random.chance(50) {
            self.sink.with(|store| store.poison = None);
            // Whether it could be applied is seen in what is parked afterwards.
            self.alive(|consumer| consumer.follower().retry_dead_letter(&letter).is_ok());
            self.sink
                .with(|store| store.poison = Some("poison".to_owned()));
            self.count("retry");
        } else {
            self.discard(letter.journal_id);
            self.count("discard");
        }
        self.parked = self
            .sink
            .with(|store| store.committed.parked.keys().copied().collect());
        self.refold();
    }

    fn discard(&mut self, id: JournalId) {
        self.alive(|consumer| consumer.follower().discard_dead_letter(id).is_ok());
        let is_parked = |store: &mut feed::memory::Store| store.committed.parked.contains_key(&id);
        if !self.sink.with(is_parked) {
            self.discarded.insert(id);
        }
    }

    fn trim(&mut self) {
        self.count("trim");
        let head = self.reader.with(|journal| journal.entries.len() as u64);
        let up_to = usize::try_from(self.random.below(head + 1)).unwrap();
        self.reader
            .with(|journal| journal.trimmed = journal.trimmed.max(up_to));
    }

    /// Lets time pass: turns come by signal or by the consumer's own rest.
    fn pass(&mut self, millis: u64) {
        let until = self.now_ms + millis;
        while let Some(at) = self.next_turn_at().filter(|at| *at <= until) {
            self.now_ms = at.max(self.now_ms);
            self.signals.retain(|signal| *signal > at);
            self.turn();
        }
        self.now_ms = until;
        // A signal that nobody heeds is kept by the handle until the consumer listens again;
        // losing it here is the harder case.
        self.signals.retain(|signal| *signal > until);
    }

    fn next_turn_at(&self) -> Option<u64> {
        self.consumer.as_ref()?;
        let signals = self.signals.iter().copied();
        let heeded = signals.filter(|_| self.rest.heeds_signals).min();
        let gathered = heeded.map(|signal| signal.max(self.gathered_at_ms));
        gathered.into_iter().chain([self.turn_at_ms]).min()
    }

    fn turn(&mut self) {
        let kept = self.pages.kept_taken();
        if let Some(rest) = self.alive(Consumer::turn) {
            self.rest = rest;
            let at = |rest: Duration| self.now_ms + u64::try_from(rest.as_millis()).unwrap();
            self.gathered_at_ms = at(rest.gathers_for);
            self.turn_at_ms = at(rest.at_most.max(rest.gathers_for));
            if self.is_paused() {
                self.count("park-full");
            }
        }
        if self.pages.kept_taken() > kept {
            self.count("page-shared");
        }
        if self.is_in_flight() {
            self.count("in-flight");
        }
        self.check();
    }

    /// Whether the consumer waits for a person to make room among the dead letters.
    fn is_paused(&self) -> bool {
        let status = self.consumer.as_ref().map(|c| c.handle().status());
        let error = status.and_then(|status| status.last_error);
        error.is_some_and(|error| error.contains("paused until"))
    }
}

/// Runs the schedule of a seed.
///
/// # Panics
/// It found a difference.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    let mut model = Model::new(seed);
    for _ in 0..ACTIONS {
        model.act();
    }
    model.heal();
    model.heal_neighbour();
    model.check();
    Outcome {
        entries: model.reader.with(|journal| journal.head().get()),
        faults: model.counts,
    }
}
