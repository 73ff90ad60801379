//! Which major policy version a consent has to be of, as it was last read: once it was, no call waits
//! for a table that does not answer, and none asks for itself. Before that a call is refused, since
//! nobody knows what its account has to have agreed to.
//!
//! A new version is known weeks before it is required, so that what was read a minute ago is right.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use shared::{fault::Fault, policy::Required, store::policies::ReadPolicy, time::Timestamp};
use tokio::time::timeout;

/// How long it is not read again, whatever came of the last time.
const PAUSE: Duration = Duration::from_secs(60);

/// How long the one call waits that reads it.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was read, and when that was last tried since.
pub(crate) struct Watch(Mutex<Option<(Required, Timestamp)>>);

impl Watch {
    /// Nothing was read yet.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What suffices at `now`. Once in a while one of those who ask reads it again; the others have
    /// what was read before, and so has that one if the store fails.
    ///
    /// # Errors
    /// Where it was never read and cannot be now.
    pub(crate) async fn at(&self, store: &impl ReadPolicy, now: Timestamp) -> Result<u32, Fault> {
        if self.is_due(now) {
            self.read(store, now).await;
        }
        let required = self.locked(|read| *read).ok_or(Fault::StoreUnavailable)?.0;
        Ok(required.at(now))
    }

    /// Reads it now, if the store answers.
    pub(crate) async fn read(&self, store: &impl ReadPolicy, now: Timestamp) {
        if let Ok(Ok(read)) = timeout(PATIENCE, store.read_policy()).await {
            let required = read.map_or(Required::SHIPPED, |current| current.required());
            self.locked(|read| *read = Some((required, now)));
        }
    }

    /// Whether it is to be read, which whoever is told so does. A clock that was set back is no
    /// reason to wait.
    fn is_due(&self, now: Timestamp) -> bool {
        self.locked(|read| match read {
            Some((_, tried)) => {
                let due = now < *tried || now >= tried.plus(PAUSE);
                if due {
                    *tried = now;
                }
                due
            }
            None => true,
        })
    }

    fn locked<T>(&self, look: impl FnOnce(&mut Option<(Required, Timestamp)>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use shared::{
        policy::{CurrentPolicy, VersionNumber},
        store::StoreError,
    };

    use super::*;

    /// A store that answers, fails or says nothing, and counts how often it was asked.
    struct Asked(AtomicU32, fn() -> Option<Result<Option<CurrentPolicy>, StoreError>>);

    impl ReadPolicy for Asked {
        async fn read_policy(&self) -> Result<Option<CurrentPolicy>, StoreError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match self.1() {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds.saturating_add(1_795_485_600))
    }

    fn second() -> CurrentPolicy {
        CurrentPolicy {
            number: VersionNumber { major: 2, minor: 0 },
            sha256: String::new(),
            major_published_at: at(0),
            required_from: at(30),
        }
    }

    #[tokio::test]
    async fn what_is_required_is_read_once_a_minute_and_what_was_read_holds() {
        let watch = Watch::new();
        let fails = Asked(AtomicU32::new(0), || Some(Err(StoreError::Unavailable)));
        let answers = Asked(AtomicU32::new(0), || Some(Ok(Some(second()))));
        let hangs = Asked(AtomicU32::new(0), || None);
        // Before anything was read nobody knows, and everybody asks.
        for store in [&fails, &hangs, &fails] {
            assert_eq!(watch.at(store, at(0)).await, Err(Fault::StoreUnavailable));
        }
        assert_eq!(watch.at(&answers, at(0)).await, Ok(1));
        assert_eq!(watch.at(&answers, at(59)).await, Ok(2));
        let (first, other) = tokio::join!(watch.at(&answers, at(60)), watch.at(&answers, at(60)));
        assert_eq!((first, other, answers.0.load(Ordering::Relaxed)), (Ok(2), Ok(2), 2));
        // Within the grace the one before suffices.
        assert_eq!(watch.at(&answers, at(61).minus(Duration::from_secs(40))).await, Ok(1));
        for store in [&fails, &hangs] {
            assert_eq!(watch.at(store, at(200)).await, Ok(2));
            assert_eq!(watch.at(store, at(201)).await, Ok(2));
        }
        assert_eq!(hangs.0.load(Ordering::Relaxed), 1, "the one before was just tried");
        assert_eq!(watch.at(&hangs, at(300)).await, Ok(2));
        assert_eq!([&fails, &answers, &hangs].map(|it| it.0.load(Ordering::Relaxed)), [3, 3, 2]);
    }
}
