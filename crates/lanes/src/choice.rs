//! Which path is used.

use super::kernel::Path;
use super::many::Order;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Where a processor has both, AVX-512 has to be so many hundredths faster than the SHA instructions: files of mixed
/// sizes fill three lanes more easily than sixteen. Zen 4 comes to 102 when all are full, and a whole check takes
/// longer; Zen 5, whose vector units are twice as wide, to 160.
const PAYS: u32 = 125;

impl Path {
    /// The fastest path of this processor, found once; where features alone don't tell, by a trial of a tenth of a
    /// millisecond.
    ///
    /// For tests, the environment variable `AGENT_SHA256_PATH` names another one
    /// ([`Path::name`]); a name that is unknown or that the processor lacks counts for nothing.
    pub fn detected() -> Self {
        static DETECTED: OnceLock<Path> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let wish = std::env::var("AGENT_SHA256_PATH").ok();
            choose(wish.as_deref(), &Path::available(), avx512_pays)
        })
    }
}

fn choose(wish: Option<&str>, available: &[Path], avx512_pays: impl FnOnce() -> bool) -> Path {
    let wished = available.iter().find(|path| Some(path.name()) == wish);
    match (wished, available) {
        (Some(path), _) => *path,
        (None, [Path::Avx512, Path::ShaNi, ..]) if !avx512_pays() => Path::ShaNi,
        (None, [fastest, ..]) => *fastest,
        (None, []) => Path::Portable,
    }
}

/// Tries both on sixteen messages in turn. The best of some rounds: nothing can make one faster than it is.
fn avx512_pays() -> bool {
    const MESSAGES: [&[u8]; 16] = [&[0; 2048]; 16];
    let (mut order, mut digests) = (Order::default(), Vec::new());
    let mut once = |path| {
        let start = Instant::now();
        order.digest_many(path, &MESSAGES, &mut digests);
        start.elapsed()
    };
    let (mut wide, mut narrow) = (Duration::MAX, Duration::MAX);
    for _ in 0..6 {
        wide = wide.min(once(Path::Avx512));
        narrow = narrow.min(once(Path::ShaNi));
    }
    narrow * 100 >= wide * PAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_counts_only_when_it_can_be_met() {
        let available = [Path::ShaNi, Path::Avx2, Path::Portable];
        let chosen = |wish| choose(wish, &available, || true);
        assert_eq!(chosen(None), Path::ShaNi);
        assert_eq!(chosen(Some("portable")), Path::Portable);
        assert_eq!(chosen(Some("avx2")), Path::Avx2);
        assert_eq!(chosen(Some("arm")), Path::ShaNi);
        assert_eq!(chosen(Some("SHA-NI ")), Path::ShaNi);
        assert_eq!(chosen(Some("")), Path::ShaNi);
    }

    #[test]
    fn a_trial_decides_where_a_processor_has_both() {
        let both = [Path::Avx512, Path::ShaNi, Path::Avx2, Path::Portable];
        assert_eq!(choose(None, &both, || true), Path::Avx512);
        assert_eq!(choose(None, &both, || false), Path::ShaNi);
        assert_eq!(choose(Some("avx512"), &both, || false), Path::Avx512);
        let never = || panic!("there is nothing to try");
        assert_eq!(choose(None, &both[1..], never), Path::ShaNi);
        assert_eq!(
            choose(None, &[Path::Avx512, Path::Avx2], never),
            Path::Avx512
        );
        assert_eq!(choose(None, &[], never), Path::Portable);
    }
}
