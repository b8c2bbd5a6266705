//! A schedule of the real thing: commands go on, faults come one after another or two at once, and
//! in the end all three books and the disk say the same.

mod finish;

use crate::Random;
use crate::attempt;
use crate::clients::Client;
use crate::damaged::Noticed;
use crate::deployment::LONG;
use crate::health::{self, Seen};
use crate::model::Counts;
use crate::rig::Rig;
use crate::shape::Shape;
use crate::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use testkit::wait_for;

/// How soon after a fault's end both consumers must be at the head of that moment.
pub const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(20);
/// The name under which two faults at once are counted for their catch-up.
const TWO: &str = "two of these at once";
/// Files that appear at once behind filestore's back.
const BURST: usize = 300;

/// A fault of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What fails.
    pub shape: Shape,
    /// For how long.
    pub lasts: Duration,
    /// What fails as well, in the middle of it.
    pub second: Option<Shape>,
    /// Whether a scan finds many new files when it begins.
    pub with_burst: bool,
}

/// What a schedule does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the clients' commands come from.
    pub seed: u64,
    /// The faults in their order.
    pub steps: Vec<Step>,
    /// How many clients send commands meanwhile.
    pub clients: u64,
}

/// What a schedule without a difference was made of.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The faults, by kind.
    pub faults: Counts,
    /// The journal's entries.
    pub entries: u64,
    /// Commands that were answered with success.
    pub commands: u64,
    /// Commands that were sent more than once.
    pub sent_again: u64,
    /// How long after each fault's end both consumers were at that moment's head.
    pub caught_up: Vec<(&'static str, Duration)>,
    /// What the watch on health saw.
    pub health: Seen,
    /// How each damage done to files was noticed and healed.
    pub noticed: Vec<(&'static str, Noticed)>,
}

impl Plan {
    /// The schedule of a seed. Seeds in a row go through all shapes.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let count = 1 + random.below(2);
        let steps = (0..count)
            .map(|at| {
                let shapes = Shape::ALL;
                let turn = usize::try_from(seed % shapes.len() as u64).expect("an index");
                let shape = if at == 0 {
                    shapes[turn]
                } else {
                    *random.pick(&shapes)
                };
                let second = *random.pick(&shapes);
                let has_second = random.chance(25) && shape.goes_with(second);
                Step {
                    shape,
                    lasts: shape.lasts(&mut random),
                    second: has_second.then_some(second),
                    with_burst: random.chance(30),
                }
            })
            .collect();
        let clients = 1 + random.below(3);
        Self {
            seed,
            steps,
            clients,
        }
    }

    /// One fault after another.
    #[must_use]
    pub fn through(seed: u64, shapes: &[Shape]) -> Self {
        let mut random = Random::new(seed);
        let step = |shape: &Shape| Step {
            shape: *shape,
            lasts: shape.lasts(&mut random),
            second: None,
            with_burst: false,
        };
        Self {
            seed,
            steps: shapes.iter().map(step).collect(),
            clients: 2,
        }
    }

    fn small_disks(&self) -> [bool; 3] {
        let mut small = [false; 3];
        for step in &self.steps {
            for shape in [Some(step.shape), step.second].into_iter().flatten() {
                if let Some(service) = shape.fills_disk_of() {
                    small[service] = true;
                }
            }
        }
        small
    }
}

/// Runs a schedule.
///
/// # Errors
/// The difference that it found, and the folder that is kept to be looked into.
pub fn run(plan: &Plan) -> Result<Outcome, String> {
    let mut rig = attempt(|| Rig::start(plan.small_disks()))?;
    match attempt(|| play(plan, &mut rig)) {
        Ok(outcome) => Ok(outcome),
        Err(said) => {
            let kept = rig.deployment.keep();
            let kept = kept.display();
            let damaged = rig.damaged.join("; ");
            Err(format!(
                "{said}\n  {plan:?}\n  done to files: [{damaged}]\n  kept for inspection: {kept}"
            ))
        }
    }
}

/// Ends the threads of a schedule, also one that fails.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.is_watched_enough.store(true, Ordering::SeqCst);
    }
}

fn play(plan: &Plan, rig: &mut Rig) -> Outcome {
    let shared = Arc::clone(&rig.shared);
    let mut outcome = Outcome::default();
    let urls = [rig.deployment.url(1), rig.deployment.url(2)];
    std::thread::scope(|scope| {
        let over = Over(Arc::clone(&shared));
        let watch = scope.spawn(|| health::watch(urls, &shared));
        let clients: Vec<_> = (0..plan.clients)
            .map(|at| {
                let deployment = &rig.deployment;
                let whose = (format!("c{at}"), plan.seed ^ (at + 1) << 32);
                let whither = (deployment.url(0), deployment.files(), deployment.mount_id);
                let client = Client::new(whose, whither, &shared);
                scope.spawn(move || client.run())
            })
            .collect();
        let mut random = Random::new(plan.seed);
        for step in &plan.steps {
            take(step, rig, &mut random, &mut outcome);
        }
        shared.is_over.store(true, Ordering::SeqCst);
        for client in clients {
            if let Err(panic) = client.join() {
                std::panic::resume_unwind(panic);
            }
        }
        finish::is_complete(rig);
        shared.is_watched_enough.store(true, Ordering::SeqCst);
        let seen = watch
            .join()
            .unwrap_or_else(|_| Err("the watch died".to_owned()));
        outcome.health = seen.unwrap_or_else(|lie| panic!("{lie}"));
        drop(over);
    });
    outcome.entries = rig.deployment.head();
    outcome.noticed = std::mem::take(&mut rig.noticed);
    let acknowledged = shared.acknowledged.lock();
    outcome.commands = acknowledged.by_id.len() as u64;
    outcome.sent_again = acknowledged.sent_again;
    outcome
}

/// One fault, from its beginning until everything has caught up again.
fn take(step: &Step, rig: &mut Rig, random: &mut Random, outcome: &mut Outcome) {
    let mut count = |shape: Shape| *outcome.faults.entry(shape.name()).or_default() += 1;
    // Something to fail in the middle of.
    std::thread::park_timeout(random.millis(50, 300));
    if step.with_burst {
        burst(rig);
    }
    count(step.shape);
    step.shape.inject(rig, random);
    std::thread::park_timeout(step.lasts / 2);
    if let Some(second) = step.second {
        count(second);
        second.inject(rig, random);
        std::thread::park_timeout(second.lasts(random));
        second.heal(rig);
    }
    std::thread::park_timeout(step.lasts / 2);
    step.shape.heal(rig);
    let healed_at = Instant::now();
    let head = wait_for("filestore to say where the journal is", LONG, || {
        rig.deployment.try_head()
    });
    for service in [1, 2] {
        let what = format!("{} to reach {head}", crate::deployment::SERVICES[service]);
        wait_for(&what, CAUGHT_UP_WITHIN, || {
            let health = rig.deployment.health(service);
            let has_reached = health["checkpoint"].as_u64() >= Some(head);
            has_reached.then_some(()).ok_or(health)
        });
    }
    let name = if step.second.is_some() {
        TWO
    } else {
        step.shape.name()
    };
    outcome.caught_up.push((name, healed_at.elapsed()));
}

/// Many files appear on the disk, and filestore is told to look.
fn burst(rig: &mut Rig) {
    rig.bursts += 1;
    let root = rig.deployment.files().join(format!("burst-{}", rig.bursts));
    crate::deployment::many_files(&root, 3, BURST / 3);
    let path = format!("/v1/backend-mounts/{}/scan", rig.deployment.mount_id);
    let job = rig.deployment.post(0, &path, &serde_json::json!({}));
    job.expect("filestore takes a scan");
}
