//! Standard queues: at least once, in roughly the order sent, with delay, visibility timeout, receive count and dead letters.
//!
//! The schedule is kept in memory. A message is in the file before its sender hears that it was taken, and out of it before its
//! consumer hears that it was deleted. A restart makes messages visible at once that somebody was working on, since nobody is.

use crate::clock::StackClock;
use crate::error::StackError;
use crate::ids::uuid;
use crate::state::{Change, State};
use crate::template::QueueSpec;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a consumer sleeps at most before it looks again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// All queues of the stack.
#[derive(Clone)]
pub struct Queues {
    by_name: Arc<BTreeMap<String, Queue>>,
    state: State,
    clock: StackClock,
}

struct Queue {
    spec: QueueSpec,
    schedule: Mutex<Schedule>,
    arrival: Notify,
}

/// The messages, and when each may be received next.
#[derive(Default)]
struct Schedule {
    messages: HashMap<String, Message>,
    order: BTreeMap<(i64, u64), String>,
    arrivals: u64,
}

struct Message {
    stored: Stored,
    first_received_ms: i64,
    position: (i64, u64),
}

/// A message as it is kept in the file.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    body: String,
    sent_ms: i64,
    available_ms: i64,
    receives: u32,
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// What it says.
    pub body: String,
    /// Seconds until it becomes visible; the queue's own delay when not given.
    pub delay_seconds: Option<u32>,
}

/// A message that somebody is working on.
#[derive(Clone, Debug)]
pub struct Received {
    /// The message's id.
    pub id: String,
    /// Proof of this receive, to delete by.
    pub receipt: String,
    /// What it says.
    pub body: String,
    /// When it was sent, in milliseconds since the Unix epoch.
    pub sent_ms: i64,
    /// When it was received for the first time since the stack started, likewise.
    pub first_received_ms: i64,
    /// How often it was received, this time included.
    pub receives: u32,
}

/// How many messages a queue holds.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Depth {
    /// The queue's name.
    pub name: String,
    /// Messages that can be received now.
    pub visible: usize,
    /// Received messages that are hidden for now.
    pub in_flight: usize,
    /// Messages that were never received and are not visible yet.
    pub delayed: usize,
}

/// A message as people see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    id: String,
    body: String,
    receives: u32,
}

fn kind(queue: &str) -> String {
    format!("queue/{queue}")
}

impl Schedule {
    fn place(&mut self, id: String, stored: Stored, available_ms: i64, first_received_ms: i64) {
        self.arrivals += 1;
        let position = (available_ms, self.arrivals);
        self.order.insert(position, id.clone());
        self.messages.insert(id, Message { stored, first_received_ms, position });
    }

    fn take(&mut self, id: &str) -> Option<Message> {
        let message = self.messages.remove(id)?;
        self.order.remove(&message.position);
        Some(message)
    }
}

impl Queue {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// The queues with the messages that the file holds for them.
    pub async fn open(specs: Vec<QueueSpec>, state: State, clock: StackClock) -> Result<Self, StackError> {
        let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
        let mut queues = BTreeMap::new();
        for spec in specs {
            let dead_letters = spec.redrive.as_ref().and_then(|redrive| redrive.dead_letters.as_ref());
            if let Some(unknown) = dead_letters.filter(|name| !names.contains(name)) {
                return Err(StackError::new(format!(
                    "queue {} sends its dead letters to {unknown}, which is no queue",
                    spec.name
                )));
            }
            let mut messages = state.all::<Stored>(&kind(&spec.name)).await?;
            messages.sort_by_key(|(_, stored)| (stored.available_ms, stored.sent_ms));
            let mut schedule = Schedule::default();
            for (id, stored) in messages {
                let available_ms = stored.available_ms;
                schedule.place(id, stored, available_ms, 0);
            }
            queues.insert(spec.name.clone(), Queue { spec, schedule: Mutex::new(schedule), arrival: Notify::new() });
        }
        Ok(Self { by_name: Arc::new(queues), state, clock })
    }

    fn queue(&self, name: &str) -> Result<&Queue, StackError> {
        self.by_name.get(name).ok_or_else(|| StackError::new(format!("there is no queue {name}")))
    }

    /// Whether there is a queue of that name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Sends messages, all or none, and gives their ids.
    pub async fn send(&self, name: &str, messages: Vec<NewMessage>) -> Result<Vec<String>, StackError> {
        let queue = self.queue(name)?;
        let now = self.clock.now_ms();
        let mut stored = Vec::with_capacity(messages.len());
        let mut changes = Vec::with_capacity(messages.len());
        for message in messages {
            let delay = i64::from(message.delay_seconds.unwrap_or(queue.spec.delay_seconds));
            let message = Stored { body: message.body, sent_ms: now, available_ms: now + delay * 1_000, receives: 0 };
            let id = uuid();
            changes.push(Change::put(kind(name), &id, &message)?);
            stored.push((id, message));
        }
        self.state.write(changes).await?;
        let ids = stored.iter().map(|(id, _)| id.clone()).collect();
        let mut schedule = queue.schedule();
        for (id, message) in stored {
            let available_ms = message.available_ms;
            schedule.place(id, message, available_ms, 0);
        }
        drop(schedule);
        queue.arrival.notify_one();
        Ok(ids)
    }

    /// Receives up to `most` visible messages and hides them for the queue's visibility timeout. Messages that were received too
    /// often go to the dead letters instead.
    pub async fn receive(&self, name: &str, most: usize) -> Result<Vec<Received>, StackError> {
        let queue = self.queue(name)?;
        let now = self.clock.now_ms();
        let hidden_until = now + i64::from(queue.spec.visibility_seconds) * 1_000;
        let mut received = Vec::new();
        let mut worn_out = Vec::new();
        let mut changes = Vec::new();
        {
            let mut schedule = queue.schedule();
            while received.len() < most && worn_out.len() < most {
                let Some((&(available_ms, _), id)) = schedule.order.first_key_value() else { break };
                if available_ms > now {
                    break;
                }
                let id = id.clone();
                let Some(Message { mut stored, first_received_ms, .. }) = schedule.take(&id) else { break };
                if queue.spec.redrive.as_ref().is_some_and(|redrive| stored.receives >= redrive.max_receives) {
                    worn_out.push((id, stored));
                    continue;
                }
                stored.receives += 1;
                let first_received_ms = if first_received_ms == 0 { now } else { first_received_ms };
                changes.push(Change::put(kind(name), &id, &stored)?);
                received.push(Received {
                    receipt: format!("{id}#{}", stored.receives),
                    id: id.clone(),
                    body: stored.body.clone(),
                    sent_ms: stored.sent_ms,
                    first_received_ms,
                    receives: stored.receives,
                });
                schedule.place(id, stored, hidden_until, first_received_ms);
            }
        }
        self.bury(queue, worn_out).await?;
        self.state.write(changes).await?;
        Ok(received)
    }

    async fn bury(&self, queue: &Queue, worn_out: Vec<(String, Stored)>) -> Result<(), StackError> {
        if worn_out.is_empty() {
            return Ok(());
        }
        let dead_letters = queue.spec.redrive.as_ref().and_then(|redrive| redrive.dead_letters.as_deref());
        let now = self.clock.now_ms();
        let mut changes = Vec::new();
        let mut moved = Vec::new();
        for (id, stored) in worn_out {
            tracing::warn!(queue = queue.spec.name, messageId = id, receives = stored.receives, "message given up");
            changes.push(Change::delete(kind(&queue.spec.name), &id));
            if let Some(dead_letters) = dead_letters {
                let stored = Stored { available_ms: now, receives: 0, ..stored };
                changes.push(Change::put(kind(dead_letters), &id, &stored)?);
                moved.push((id, stored));
            }
        }
        self.state.write(changes).await?;
        if let Some(dead_letters) = dead_letters {
            let dead_letters = self.queue(dead_letters)?;
            let mut schedule = dead_letters.schedule();
            for (id, stored) in moved {
                schedule.place(id, stored, now, 0);
            }
            drop(schedule);
            dead_letters.arrival.notify_one();
        }
        Ok(())
    }

    /// Deletes messages by the receipts of their last receive; an older receipt does nothing.
    pub async fn delete(&self, name: &str, receipts: &[String]) -> Result<(), StackError> {
        let queue = self.queue(name)?;
        let current: Vec<_> = {
            let schedule = queue.schedule();
            let current = receipts.iter().filter_map(|receipt| {
                let (id, receives) = receipt.split_once('#')?;
                let message = schedule.messages.get(id)?;
                (message.stored.receives.to_string() == receives).then(|| id.to_owned())
            });
            current.collect()
        };
        self.state.write(current.iter().map(|id| Change::delete(kind(name), id)).collect()).await?;
        let mut schedule = queue.schedule();
        for id in current {
            schedule.take(&id);
        }
        Ok(())
    }

    /// Returns when a message may be visible, or after a second.
    pub async fn wait(&self, name: &str) {
        let Ok(queue) = self.queue(name) else { return };
        let mut moves = self.clock.moves();
        let next = queue.schedule().order.first_key_value().map(|(&(available_ms, _), _)| available_ms);
        let until_next = next.map_or(LONGEST_WAIT, |next| {
            Duration::from_millis(u64::try_from(next - self.clock.now_ms()).unwrap_or(0)).min(LONGEST_WAIT)
        });
        tokio::select! {
            () = queue.arrival.notified() => {}
            _ = moves.changed() => {}
            () = tokio::time::sleep(until_next) => {}
        }
    }

    /// How full the queues are, by name.
    pub fn depths(&self) -> Vec<Depth> {
        let now = self.clock.now_ms();
        let depth = |(name, queue): (&String, &Queue)| {
            let mut depth = Depth { name: name.clone(), visible: 0, in_flight: 0, delayed: 0 };
            for message in queue.schedule().messages.values() {
                match (message.position.0 <= now, message.stored.receives) {
                    (true, _) => depth.visible += 1,
                    (false, 0) => depth.delayed += 1,
                    (false, _) => depth.in_flight += 1,
                }
            }
            depth
        };
        self.by_name.iter().map(depth).collect()
    }

    /// The first messages of a queue, without receiving them.
    pub fn peek(&self, name: &str, most: usize) -> Result<Vec<Shown>, StackError> {
        let schedule = self.queue(name)?.schedule();
        let shown = schedule.order.values().take(most).filter_map(|id| {
            let stored = &schedule.messages.get(id)?.stored;
            Some(Shown { id: id.clone(), body: stored.body.clone(), receives: stored.receives })
        });
        Ok(shown.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Redrive;
    use std::path::Path;

    async fn open(file: Option<&Path>, clock: &StackClock) -> Queues {
        let redrive = Some(Redrive { dead_letters: Some("dead".to_owned()), max_receives: 2 });
        let specs = vec![
            QueueSpec { name: "work".to_owned(), visibility_seconds: 60, delay_seconds: 0, redrive },
            QueueSpec { name: "dead".to_owned(), visibility_seconds: 30, delay_seconds: 0, redrive: None },
        ];
        Queues::open(specs, State::open(file).unwrap(), clock.clone()).await.unwrap()
    }

    fn message(body: &str) -> NewMessage {
        NewMessage { body: body.to_owned(), delay_seconds: None }
    }

    fn depth(queues: &Queues, name: &str) -> (usize, usize, usize) {
        let depth = queues.depths().into_iter().find(|depth| depth.name == name).unwrap();
        (depth.visible, depth.in_flight, depth.delayed)
    }

    #[tokio::test]
    async fn a_received_message_is_hidden_until_its_timeout_and_gone_once_deleted() {
        let clock = StackClock::new(0);
        let queues = open(None, &clock).await;
        queues.send("work", vec![message("a"), message("b")]).await.unwrap();
        let first = queues.receive("work", 10).await.unwrap();
        assert_eq!(first.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(queues.receive("work", 10).await.unwrap().is_empty());
        assert_eq!(depth(&queues, "work"), (0, 2, 0));

        queues.delete("work", &[first[0].receipt.clone()]).await.unwrap();
        clock.advance(Duration::from_secs(61));
        let second = queues.receive("work", 10).await.unwrap();
        assert_eq!((second.len(), second[0].body.as_str(), second[0].receives), (1, "b", 2));

        queues.delete("work", &[first[1].receipt.clone()]).await.unwrap();
        assert_eq!(depth(&queues, "work"), (0, 1, 0), "an old receipt deletes nothing");
        queues.delete("work", &[second[0].receipt.clone()]).await.unwrap();
        assert_eq!(depth(&queues, "work"), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_message_that_keeps_coming_back_becomes_a_dead_letter() {
        let clock = StackClock::new(0);
        let queues = open(None, &clock).await;
        queues.send("work", vec![message("poison")]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(queues.receive("work", 10).await.unwrap().len(), 1);
            clock.advance(Duration::from_secs(61));
        }
        assert!(queues.receive("work", 10).await.unwrap().is_empty());
        assert_eq!(depth(&queues, "work"), (0, 0, 0));
        assert_eq!(queues.receive("dead", 10).await.unwrap()[0].body, "poison");
    }

    #[tokio::test]
    async fn a_delayed_message_waits_for_the_stack_s_clock() {
        let clock = StackClock::new(0);
        let queues = open(None, &clock).await;
        queues.send("work", vec![NewMessage { body: "later".to_owned(), delay_seconds: Some(900) }]).await.unwrap();
        assert!(queues.receive("work", 10).await.unwrap().is_empty());
        assert_eq!(depth(&queues, "work"), (0, 0, 1));
        let waiting = tokio::spawn({
            let queues = queues.clone();
            async move { queues.wait("work").await }
        });
        clock.advance(Duration::from_secs(901));
        waiting.await.unwrap();
        assert_eq!(queues.receive("work", 10).await.unwrap()[0].body, "later");
    }

    #[tokio::test]
    async fn a_restart_loses_no_message_and_no_count() {
        let directory = crate::ids::scratch_directory();
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("stack.db");
        let clock = StackClock::new(0);
        let queues = open(Some(&file), &clock).await;
        queues.send("work", vec![message("done"), message("working"), message("waiting")]).await.unwrap();
        let received = queues.receive("work", 2).await.unwrap();
        queues.delete("work", &[received[0].receipt.clone()]).await.unwrap();
        drop(queues);

        let queues = open(Some(&file), &clock).await;
        let mut received = queues.receive("work", 10).await.unwrap();
        received.sort_by(|a, b| a.body.cmp(&b.body));
        let seen: Vec<_> = received.iter().map(|message| (message.body.as_str(), message.receives)).collect();
        assert_eq!(seen, [("waiting", 1), ("working", 2)]);
        drop(queues);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
