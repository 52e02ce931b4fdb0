//! Several requests under way at once, and no more than that.

use crate::StoreError;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// Waits for all of these, at most so many at a time, and answers in their order. The first failure ends it: what was under way then may
/// have been done or not.
pub async fn at_most<T>(at_once: usize, asked: Vec<impl Future<Output = Result<T, StoreError>>>) -> Result<Vec<T>, StoreError> {
    stream::iter(asked).buffered(at_once).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn no_more_are_under_way_at_once_and_all_are_answered_in_order() {
        let (now, most) = (Cell::new(0_usize), Cell::new(0));
        let ask = async |number: usize| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            // The later ones are done first.
            for _ in number..10 {
                tokio::task::yield_now().await;
            }
            now.set(now.get() - 1);
            Ok(number)
        };
        assert_eq!(at_most(4, (0..10).map(ask).collect()).await.unwrap(), (0..10).collect::<Vec<_>>());
        assert_eq!((most.get(), now.get()), (4, 0));
        let fails = |number| async move { if number == 3 { Err(StoreError::Busy("it fails".to_owned())) } else { Ok(number) } };
        assert!(at_most(4, (0..10).map(fails).collect()).await.is_err());
    }
}
