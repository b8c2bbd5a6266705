//! The shapes in which things fail: the outage matrix, and the deaths of processes and disks.

use crate::Random;
use crate::damage::{self, Kind};
use crate::deployment::SERVICES;
use crate::rig::{CHANNEL, LONGER_THAN_TIMEOUTS, Rig};
use std::time::Duration;

const FILESTORE: usize = 0;
const METASTORE: usize = 1;
const TIMESTORE: usize = 2;
const CONSUMERS: [usize; 2] = [METASTORE, TIMESTORE];

/// A way to fail. [`Shape::inject`] begins it, [`Shape::heal`] ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "`Shape::name` and `Shape::inject` say it")]
pub enum Shape {
    KillFilestore,
    KillMetastore,
    KillTimestore,
    KillAll,
    StopFilestore,
    StopMetastore,
    StopTimestore,
    PauseFilestore,
    PauseMetastore,
    PauseTimestore,
    DiskFullMetastore,
    DiskFullTimestore,
    JournalDownAtStart,
    JournalCut,
    JournalStalled,
    ClientKill,
    RedisStopShort,
    RedisStopLong,
    RedisDownAtStart,
    RedisHalfOpen,
    RedisRestartedEmpty,
    CutInFrame,
    SlowSubscriber,
    PublisherAway,
    SilentSubscription,
    /// The files of a service that does not run.
    Damaged(usize, Kind),
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 34] = [
        Self::KillFilestore,
        Self::KillMetastore,
        Self::KillTimestore,
        Self::KillAll,
        Self::StopFilestore,
        Self::StopMetastore,
        Self::StopTimestore,
        Self::PauseFilestore,
        Self::PauseMetastore,
        Self::PauseTimestore,
        Self::DiskFullMetastore,
        Self::DiskFullTimestore,
        Self::JournalDownAtStart,
        Self::JournalCut,
        Self::JournalStalled,
        Self::ClientKill,
        Self::RedisStopShort,
        Self::RedisStopLong,
        Self::RedisDownAtStart,
        Self::RedisHalfOpen,
        Self::RedisRestartedEmpty,
        Self::CutInFrame,
        Self::SlowSubscriber,
        Self::PublisherAway,
        Self::SilentSubscription,
        Self::DAMAGE[0],
        Self::DAMAGE[1],
        Self::DAMAGE[2],
        Self::DAMAGE[3],
        Self::DAMAGE[4],
        Self::DAMAGE[5],
        Self::DAMAGE[6],
        Self::DAMAGE[7],
        Self::DAMAGE[8],
    ];

    /// Damage of each kind to the files of each service.
    pub const DAMAGE: [Self; 9] = [
        Self::Damaged(FILESTORE, Kind::BitFlipped),
        Self::Damaged(FILESTORE, Kind::TailCut),
        Self::Damaged(FILESTORE, Kind::WritesDropped),
        Self::Damaged(METASTORE, Kind::BitFlipped),
        Self::Damaged(METASTORE, Kind::TailCut),
        Self::Damaged(METASTORE, Kind::WritesDropped),
        Self::Damaged(TIMESTORE, Kind::BitFlipped),
        Self::Damaged(TIMESTORE, Kind::TailCut),
        Self::Damaged(TIMESTORE, Kind::WritesDropped),
    ];

    /// The shapes of the bus: the outage matrix.
    pub const BUS: [Self; 10] = [
        Self::ClientKill,
        Self::RedisStopShort,
        Self::RedisStopLong,
        Self::RedisDownAtStart,
        Self::RedisHalfOpen,
        Self::RedisRestartedEmpty,
        Self::CutInFrame,
        Self::SlowSubscriber,
        Self::PublisherAway,
        Self::SilentSubscription,
    ];

    /// As tables name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillFilestore => "filestore killed",
            Self::KillMetastore => "metastore killed",
            Self::KillTimestore => "timestore killed",
            Self::KillAll => "all three killed",
            Self::StopFilestore => "filestore stopped in good order",
            Self::StopMetastore => "metastore stopped in good order",
            Self::StopTimestore => "timestore stopped in good order",
            Self::PauseFilestore => "filestore paused (SIGSTOP)",
            Self::PauseMetastore => "metastore paused (SIGSTOP)",
            Self::PauseTimestore => "timestore paused (SIGSTOP)",
            Self::DiskFullMetastore => "metastore's disk full",
            Self::DiskFullTimestore => "timestore's disk full",
            Self::JournalDownAtStart => "journal down at a consumer's start",
            Self::JournalCut => "journal cut in mid-page",
            Self::JournalStalled => "journal stalled",
            Self::ClientKill => "subscriber killed (CLIENT KILL)",
            Self::RedisStopShort => "Redis stopped, shorter than time-outs",
            Self::RedisStopLong => "Redis stopped, longer than time-outs",
            Self::RedisDownAtStart => "Redis down at start",
            Self::RedisHalfOpen => "Redis half-open (SIGSTOP)",
            Self::RedisRestartedEmpty => "Redis killed and restarted empty",
            Self::CutInFrame => "subscription cut in mid-frame",
            Self::SlowSubscriber => "slow subscriber cut by output limit",
            Self::PublisherAway => "publisher cannot publish",
            Self::SilentSubscription => "subscription silent",
            Self::Damaged(FILESTORE, Kind::BitFlipped) => "filestore's file: bit flipped",
            Self::Damaged(FILESTORE, Kind::TailCut) => "filestore's file: tail cut",
            Self::Damaged(FILESTORE, Kind::WritesDropped) => "filestore's file: writes dropped",
            Self::Damaged(METASTORE, Kind::BitFlipped) => "metastore's file: bit flipped",
            Self::Damaged(METASTORE, Kind::TailCut) => "metastore's file: tail cut",
            Self::Damaged(METASTORE, Kind::WritesDropped) => "metastore's file: writes dropped",
            Self::Damaged(_, Kind::BitFlipped) => "timestore's file: bit flipped",
            Self::Damaged(_, Kind::TailCut) => "timestore's file: tail cut",
            Self::Damaged(_, Kind::WritesDropped) => "timestore's file: writes dropped",
        }
    }

    /// What it breaks, a letter each; two shapes at once must have none in common.
    const fn breaks(self) -> &'static str {
        match self {
            Self::KillFilestore | Self::StopFilestore | Self::PauseFilestore => "f",
            Self::KillMetastore | Self::StopMetastore | Self::PauseMetastore => "m",
            Self::DiskFullMetastore => "d",
            Self::KillTimestore | Self::StopTimestore | Self::PauseTimestore => "t",
            Self::DiskFullTimestore => "e",
            Self::KillAll => "fmt",
            Self::JournalDownAtStart => "fmt",
            Self::JournalCut | Self::JournalStalled => "j",
            Self::RedisDownAtStart => "rmt",
            Self::ClientKill | Self::RedisStopShort | Self::RedisStopLong => "r",
            Self::RedisHalfOpen | Self::RedisRestartedEmpty => "r",
            Self::SlowSubscriber => "rs",
            Self::CutInFrame | Self::SilentSubscription => "s",
            Self::PublisherAway => "p",
            // What it comes to is judged by comparing everything, so everything else is whole.
            Self::Damaged(..) => "fmtdejrsp",
        }
    }

    /// Whether both can be had at once.
    #[must_use]
    pub fn goes_with(self, other: Self) -> bool {
        !self
            .breaks()
            .chars()
            .any(|part| other.breaks().contains(part))
    }

    /// The service whose database must lie on a small disk.
    #[must_use]
    pub const fn fills_disk_of(self) -> Option<usize> {
        match self {
            Self::DiskFullMetastore => Some(METASTORE),
            Self::DiskFullTimestore => Some(TIMESTORE),
            _ => None,
        }
    }

    /// How long it lasts.
    #[must_use]
    pub fn lasts(self, random: &mut Random) -> Duration {
        let timeouts = u64::try_from(LONGER_THAN_TIMEOUTS.as_millis()).expect("a second");
        match self {
            Self::RedisStopShort | Self::ClientKill => random.millis(20, 120),
            Self::RedisStopLong | Self::RedisHalfOpen | Self::JournalStalled => {
                random.millis(timeouts, timeouts + 900)
            }
            // Long enough that health must say so.
            Self::DiskFullMetastore | Self::DiskFullTimestore => random.millis(1_600, 2_400),
            Self::SilentSubscription | Self::PublisherAway => random.millis(500, 1_200),
            _ => random.millis(50, 1_500),
        }
    }

    /// Begins it.
    ///
    /// # Panics
    /// It cannot be begun, for example because what it breaks is broken already.
    pub fn inject(self, rig: &mut Rig, random: &mut Random) {
        match self {
            Self::KillFilestore => rig.kill(FILESTORE),
            Self::KillMetastore => rig.kill(METASTORE),
            Self::KillTimestore => rig.kill(TIMESTORE),
            Self::KillAll => (0..3).for_each(|service| rig.kill(service)),
            Self::StopFilestore => rig.deployment.stop(SERVICES[FILESTORE]),
            Self::StopMetastore => rig.deployment.stop(SERVICES[METASTORE]),
            Self::StopTimestore => rig.deployment.stop(SERVICES[TIMESTORE]),
            Self::PauseFilestore => rig.deployment.process(SERVICES[FILESTORE]).pause(),
            Self::PauseMetastore => rig.deployment.process(SERVICES[METASTORE]).pause(),
            Self::PauseTimestore => rig.deployment.process(SERVICES[TIMESTORE]).pause(),
            Self::DiskFullMetastore => rig.disk(METASTORE).fill(),
            Self::DiskFullTimestore => rig.disk(TIMESTORE).fill(),
            Self::JournalDownAtStart => {
                (0..3).for_each(|service| rig.kill(service));
                CONSUMERS.into_iter().for_each(|it| rig.start_again(it));
            }
            Self::JournalCut => rig.journal.cut_after(bytes(random, 20_000)),
            Self::JournalStalled => rig.journal.stall(),
            Self::ClientKill => drop(rig.redis.client_kill_pubsub()),
            Self::RedisStopShort | Self::RedisStopLong => rig.redis.stop(),
            Self::RedisDownAtStart => {
                rig.redis.stop();
                CONSUMERS.into_iter().for_each(|it| rig.kill(it));
                CONSUMERS.into_iter().for_each(|it| rig.start_again(it));
            }
            Self::RedisHalfOpen => rig.redis.pause(),
            Self::RedisRestartedEmpty => rig.redis.kill(),
            Self::CutInFrame => rig.subscriber.cut_after(bytes(random, 2_000)),
            Self::SlowSubscriber => overrun_subscribers(rig),
            Self::PublisherAway => rig.publisher.refuse(),
            Self::SilentSubscription => rig.subscriber.swallow(b"$7\r\nmessage"),
            Self::Damaged(service, kind) => {
                damage::inject(rig, (service, kind, self.name()), random);
            }
        }
    }

    /// Ends it.
    ///
    /// # Panics
    /// It cannot be ended, for example because a service does not start again.
    pub fn heal(self, rig: &mut Rig) {
        match self {
            Self::KillFilestore | Self::StopFilestore | Self::JournalDownAtStart => {
                rig.start_again(FILESTORE);
            }
            Self::KillMetastore | Self::StopMetastore => rig.start_again(METASTORE),
            Self::KillTimestore | Self::StopTimestore => rig.start_again(TIMESTORE),
            Self::KillAll => (0..3).for_each(|service| rig.start_again(service)),
            Self::PauseFilestore => rig.deployment.process(SERVICES[FILESTORE]).resume(),
            Self::PauseMetastore => rig.deployment.process(SERVICES[METASTORE]).resume(),
            Self::PauseTimestore => rig.deployment.process(SERVICES[TIMESTORE]).resume(),
            Self::DiskFullMetastore => rig.disk(METASTORE).make_room(),
            Self::DiskFullTimestore => rig.disk(TIMESTORE).make_room(),
            Self::JournalCut | Self::JournalStalled => rig.journal.heal(),
            Self::ClientKill => {}
            Self::RedisStopShort
            | Self::RedisStopLong
            | Self::RedisDownAtStart
            | Self::RedisRestartedEmpty => rig.redis.start_again(),
            Self::RedisHalfOpen => rig.redis.resume(),
            Self::CutInFrame | Self::SlowSubscriber | Self::SilentSubscription => {
                rig.subscriber.heal();
            }
            Self::PublisherAway => rig.publisher.heal(),
            Self::Damaged(..) => damage::heal(rig),
        }
    }
}

fn bytes(random: &mut Random, bound: u64) -> usize {
    usize::try_from(random.below(bound)).expect("a small number")
}

/// Subscribers that read no more, and so much for them to read that Redis cuts them off.
fn overrun_subscribers(rig: &Rig) {
    const MESSAGE_BYTES: usize = 256 << 10;
    /// More than the buffers of a connection and the limit together.
    const MESSAGES_MAX: usize = 200;
    rig.subscriber.stall();
    let foreign = "x".repeat(MESSAGE_BYTES);
    // None left, or none there yet: either way nobody is left to overrun.
    (0..MESSAGES_MAX).any(|_| rig.redis.publish(CHANNEL, &foreign) == 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_break_the_same_thing_do_not_go_together() {
        assert!(!Shape::KillAll.goes_with(Shape::PauseTimestore));
        assert!(!Shape::RedisDownAtStart.goes_with(Shape::ClientKill));
        assert!(Shape::KillMetastore.goes_with(Shape::RedisHalfOpen));
        let damaged = Shape::DAMAGE[0];
        assert!(!Shape::ALL.iter().any(|shape| shape.goes_with(damaged)));
        assert!(Shape::ALL.iter().all(|shape| !shape.goes_with(*shape)));
    }
}
