//! Makes what fails small: drops whatever the failure does not need.

/// The fewest of `items` that were found to fail still, and how they fail. `replay` says
/// how a choice of them fails, if it does, and is called at most `replays_max` times.
pub fn smallest<T: Clone, F>(
    mut items: Vec<T>,
    mut failure: F,
    replays_max: usize,
    mut replay: impl FnMut(&[T]) -> Option<F>,
) -> (Vec<T>, F) {
    let mut replays = 0;
    // Halves first: most items do not matter.
    let mut size = items.len();
    while size > 0 {
        let mut start = 0;
        let before = items.len();
        while start < items.len() && replays < replays_max {
            let fewer = [&items[..start], &items[(start + size).min(items.len())..]].concat();
            replays += 1;
            match replay(&fewer) {
                Some(found) => (items, failure) = (fewer, found),
                None => start += size,
            }
        }
        // Single items once more while that helps: one may have needed another.
        if size > 1 || items.len() == before {
            size /= 2;
        }
        if replays == replays_max {
            break;
        }
    }
    (items, failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrink(items: &[u32], replays_max: usize, fails: impl Fn(&[u32]) -> bool) -> Vec<u32> {
        smallest(items.to_vec(), (), replays_max, |items| fails(items).then_some(())).0
    }

    #[test]
    fn only_what_is_needed_is_left() {
        let all: Vec<u32> = (0..100).collect();
        let needs = |wanted: &'static [u32]| {
            move |items: &[u32]| wanted.iter().all(|it| items.contains(it))
        };
        assert_eq!(shrink(&all, 1000, needs(&[3, 50, 51, 99])), [3, 50, 51, 99]);
        assert_eq!(shrink(&all, 1000, needs(&[])), [0; 0]);
        assert_eq!(shrink(&all, 1000, |items| items.len() == 100), all);
    }

    #[test]
    fn it_ends_when_it_was_tried_often_enough() {
        let all: Vec<u32> = (0..100).collect();
        assert!(shrink(&all, 5, |items| items.contains(&7)).contains(&7));
        assert_eq!(shrink(&all, 0, |_| true), all);
    }
}
