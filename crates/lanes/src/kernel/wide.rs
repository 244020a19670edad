//! The lock-step form of SHA-256: one vector holds the same word of every lane.
//!
//! The macro writes the compression function once; each instruction set gives its own vector,
//! its loads and stores, and the six functions of FIPS 180-4, section 4.1.2, under these names:
//! `add`, `big_sigma0`, `big_sigma1`, `small_sigma0`, `small_sigma1`, `choose`, `majority`,
//! `splat`, `load_words`, `load_schedule` and `store_words`.

use super::constants::K;

/// Writes `compress`, which takes `count` blocks into every lane.
macro_rules! wide_compress {
    ($features:literal, $lanes:literal) => {
        /// Takes the first `count` blocks of each lane into that lane's column of `words`.
        ///
        /// Panics when a lane holds fewer blocks.
        // Sixteen rounds in a row: a loop would spill registers.
        #[allow(clippy::too_many_lines)]
        #[target_feature(enable = $features)]
        pub(super) fn compress(
            words: &mut Words<$lanes>,
            lanes: &[&[Block]; $lanes],
            count: usize,
        ) {
            // One bounds check a lane instead of one a block.
            let lanes = lanes.map(|blocks| &blocks[..count]);
            let [
                mut a,
                mut b,
                mut c,
                mut d,
                mut e,
                mut f,
                mut g,
                mut h,
            ] = load_words(words);
            for at in 0..count {
                let before = [a, b, c, d, e, f, g, h];
                let mut w = load_schedule(&lanes, at);

                // The working variables change places by changing names: eight rounds bring
                // each back to its own.
                macro_rules! round {
                    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident,
                     $key:expr, $word:expr) => {
                        let keyed = add($h, add(splat($key), $word));
                        let chosen = choose($e, $f, $g);
                        let sigma = big_sigma1($e);
                        $d = add(add(add($d, keyed), chosen), sigma);
                        let t1 = add(add(keyed, chosen), sigma);
                        $h = add(add(t1, majority($a, $b, $c)), big_sigma0($a));
                    };
                }
                // A word is used up by its round, and its place taken by the word sixteen on.
                macro_rules! next_word {
                    ($i:literal) => {
                        w[$i] = add(
                            add(w[$i], small_sigma0(w[($i + 1) % 16])),
                            add(w[($i + 9) % 16], small_sigma1(w[($i + 14) % 16])),
                        );
                    };
                }
                macro_rules! nothing {
                    ($i:literal) => {};
                }
                macro_rules! sixteen_rounds {
                    ($keys:expr, $then:ident) => {
                        let keys: &[u32; 16] = $keys;
                        round!(a b c d e f g h, keys[0], w[0]);
                        $then!(0);
                        round!(h a b c d e f g, keys[1], w[1]);
                        $then!(1);
                        round!(g h a b c d e f, keys[2], w[2]);
                        $then!(2);
                        round!(f g h a b c d e, keys[3], w[3]);
                        $then!(3);
                        round!(e f g h a b c d, keys[4], w[4]);
                        $then!(4);
                        round!(d e f g h a b c, keys[5], w[5]);
                        $then!(5);
                        round!(c d e f g h a b, keys[6], w[6]);
                        $then!(6);
                        round!(b c d e f g h a, keys[7], w[7]);
                        $then!(7);
                        round!(a b c d e f g h, keys[8], w[8]);
                        $then!(8);
                        round!(h a b c d e f g, keys[9], w[9]);
                        $then!(9);
                        round!(g h a b c d e f, keys[10], w[10]);
                        $then!(10);
                        round!(f g h a b c d e, keys[11], w[11]);
                        $then!(11);
                        round!(e f g h a b c d, keys[12], w[12]);
                        $then!(12);
                        round!(d e f g h a b c, keys[13], w[13]);
                        $then!(13);
                        round!(c d e f g h a b, keys[14], w[14]);
                        $then!(14);
                        round!(b c d e f g h a, keys[15], w[15]);
                        $then!(15);
                    };
                }

                let (first, last) = quarters();
                for keys in first {
                    sixteen_rounds!(keys, next_word);
                }
                sixteen_rounds!(last, nothing);

                [a, b, c, d, e, f, g, h] = [
                    add(a, before[0]),
                    add(b, before[1]),
                    add(c, before[2]),
                    add(d, before[3]),
                    add(e, before[4]),
                    add(f, before[5]),
                    add(g, before[6]),
                    add(h, before[7]),
                ];
            }
            store_words(words, [a, b, c, d, e, f, g, h]);
        }
    };
}
pub(super) use wide_compress;

pub(crate) use super::words::Words;

/// The round constants by sixteen; the last ones apart, whose rounds need no further words.
pub(super) fn quarters() -> (&'static [[u32; 16]], &'static [u32; 16]) {
    let (quarters, _) = K.0.as_chunks();
    (&quarters[..3], &quarters[3])
}
