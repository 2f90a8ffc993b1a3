//! Which lines of the journal are about which model: a line has the name of its time, names change, and a name that is
//! free again may be given to another model.

use std::collections::HashMap;

use crate::entities::JournalAction;
use crate::sql::fault::Sql;
use crate::sql::session::{Session, values};

/// Lines of the journal, first and last included, through which a model had one name.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    pub(super) name: String,
    pub(super) first: i64,
    pub(super) last: i64,
}

/// One model from its creation on: its names one after the other, never none.
#[derive(Debug)]
struct Life {
    stretches: Vec<Stretch>,
}

impl Life {
    fn last(&self) -> &Stretch {
        self.stretches.last().expect("a life begins with a name")
    }
}

/// Every model that ever was, in order of creation.
#[derive(Debug, Default)]
pub(super) struct Lives {
    lives: Vec<Life>,
    /// Who has a name at the end.
    holders: HashMap<String, usize>,
}

impl Lives {
    /// Reads the journal up to a line. Creations, renamings and deletions have an index of their own.
    pub(super) fn read(session: &dyn Session, until: i64) -> Sql<Self> {
        let mut lives = Lives::default();
        session.for_each(
            "SELECT sequence, model, action, to_value FROM journal
             WHERE action IN ('model_created', 'model_renamed', 'model_deleted') AND sequence <= ?1 ORDER BY sequence",
            values![until],
            &mut |row| {
                let (sequence, model) = (row.int(0)?, row.text(1)?);
                lives.add(sequence, model, row.word(2)?, row.opt_text(3)?);
                Ok(())
            },
        )?;
        Ok(lives)
    }

    fn add(&mut self, sequence: i64, model: String, action: JournalAction, to: Option<String>) {
        if action == JournalAction::ModelCreated {
            let name = model.clone();
            self.holders.insert(model, self.lives.len());
            self.lives.push(Life {
                stretches: vec![Stretch {
                    name,
                    first: sequence,
                    last: i64::MAX,
                }],
            });
            return;
        }
        let Some(holder) = self.holders.remove(&model) else {
            return;
        };
        let stretches = &mut self.lives[holder].stretches;
        if let Some(open) = stretches.last_mut() {
            open.last = sequence;
        }
        if let (JournalAction::ModelRenamed, Some(name)) = (action, to) {
            self.holders.insert(name.clone(), holder);
            stretches.push(Stretch {
                name,
                first: sequence + 1,
                last: i64::MAX,
            });
        }
    }

    /// Returns the lines about everything known by a name: the model that has it, and those that had it when they were
    /// deleted. If there are none, the model that had it last and goes by another name now.
    pub(super) fn known_as(&self, name: &str) -> Vec<Stretch> {
        let mut known: Vec<&Life> = self
            .lives
            .iter()
            .filter(|life| life.last().name == name)
            .collect();
        if known.is_empty() {
            let end_under_name = |life: &Life| {
                let ends = life.stretches.iter().filter(|stretch| stretch.name == name);
                ends.map(|stretch| stretch.last).max()
            };
            let ended = self
                .lives
                .iter()
                .filter_map(|life| Some((end_under_name(life)?, life)));
            known.extend(ended.max_by_key(|(end, _)| *end).map(|(_, life)| life));
        }
        known
            .into_iter()
            .flat_map(|life| life.stretches.clone())
            .collect()
    }

    /// Returns the lines about the model that has the name at the end, oldest first.
    pub(super) fn holding(&self, name: &str) -> Option<&[Stretch]> {
        let holder = *self.holders.get(name)?;
        Some(&self.lives[holder].stretches)
    }
}
