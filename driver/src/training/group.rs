//! [`Group`]: trainings that share their passes over the rows.

use rookery_ml::{Ask, KernelCoefficients, Partial, TerminationReason, Training, outperformed};
use rookery_proto::Failure;

use super::Job;
use super::between::Between;
use crate::error::of_ml;

/// The runs that train side by side. Each is told what it asked for, and nothing of the others: it would be the same alone,
/// unless it is stopped because others do better.
pub(crate) struct Group<'a> {
    job: &'a Job,
    members: Vec<Member<'a>>,
    /// Positions of those that the last round was for; of all, before the first one.
    asked: Vec<usize>,
}

/// One of the runs.
pub(super) struct Member<'a> {
    /// Its position among the job's runs.
    pub(super) index: u32,
    pub(super) training: Training,
    pub(super) between: Between<'a>,
}

impl<'a> Group<'a> {
    pub(super) fn new(job: &'a Job, members: Vec<Member<'a>>) -> Self {
        Self {
            job,
            asked: (0..members.len()).collect(),
            members,
        }
    }

    /// How many rounds are behind those that came furthest.
    pub(crate) fn rounds(&self) -> u64 {
        let evaluations = self.members.iter().map(|member| member.training.evaluations());
        evaluations.max().unwrap_or(0) as u64
    }

    /// What the next round has to answer; nothing, when all have finished.
    pub(crate) fn asked(&mut self) -> Vec<KernelCoefficients> {
        self.asked.clear();
        let mut wanted = Vec::new();
        for (position, member) in self.members.iter().enumerate() {
            if let Ask::Evaluate(coefficients) = member.training.ask() {
                self.asked.push(position);
                wanted.push(coefficients);
            }
        }
        wanted
    }

    /// Takes the answers, one for each that was asked for.
    pub(crate) fn tell(&mut self, partials: &[Partial]) -> Result<(), Failure> {
        for (position, partial) in self.asked.iter().zip(partials) {
            self.members[*position]
                .training
                .tell(partial)
                .map_err(|e| of_ml(&e))?;
        }
        Ok(())
    }

    /// Does what is to be done before the next round, for those of the last one, or of a former driver's last one, that
    /// are `meant`; notes where all of them stand.
    pub(crate) async fn between_rounds(&mut self, meant: impl Fn(&Training) -> bool) -> Result<(), Failure> {
        for position in &self.asked {
            let Member {
                training, between, ..
            } = &mut self.members[*position];
            if meant(training) {
                between.rounds(training).await?;
            }
        }
        self.stop_losers();
        if let Some(checkpoints) = &self.job.checkpoints {
            checkpoints.note(self.members.iter().map(|member| (member.index, &member.training)));
        }
        Ok(())
    }

    /// Stops those that others have outdone, where the job wants that.
    fn stop_losers(&mut self) {
        let Some(params) = &self.job.spec.early_stopping else {
            return;
        };
        let trainings: Vec<&Training> = self.members.iter().map(|member| &member.training).collect();
        for position in outperformed(params, &trainings) {
            self.members[position]
                .training
                .stop(TerminationReason::Outperformed);
        }
    }

    pub(super) fn into_trainings(self) -> Vec<Training> {
        self.members.into_iter().map(|member| member.training).collect()
    }
}
