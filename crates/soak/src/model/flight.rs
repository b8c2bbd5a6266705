//! Batches that a sink has taken and not committed.

use super::Model;
use feed::consumer::Consumer;

impl Model {
    /// Nothing is in flight any more, of a consumer that died neither.
    pub(super) fn land(&mut self) {
        self.alive(|consumer| consumer.follower().land().is_some());
        self.sink.with(|store| store.land().is_ok());
        self.check();
    }

    pub(super) fn is_in_flight(&mut self) -> bool {
        let consumer = self.consumer.as_mut();
        consumer.is_some_and(|consumer| consumer.follower().is_in_flight())
    }

    /// There is a backlog, and the neighbour has read some pages of it. The process dies while the
    /// first of them is in flight: it is lost, or commits all the same.
    pub(super) fn crash_in_flight(&mut self) {
        self.commit(40);
        self.start();
        for _ in 0..4 {
            self.turn_neighbour();
        }
        for _ in 0..3 {
            if self.is_in_flight() {
                break;
            }
            self.alive(Consumer::turn);
            self.check();
        }
        if !self.is_in_flight() {
            return;
        }
        self.consumer = None;
        if self.random.chance(50) {
            self.count("flight-lost");
            self.sink.with(|store| store.in_flight = None);
        } else {
            self.count("flight-landed");
        }
    }
}
