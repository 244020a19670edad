//! A squarified treemap: rectangles whose areas are in proportion to their weights, none much longer than wide
//! (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).

/// A rectangle in units of the whole: the left upper corner, then width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    fn shorter_side(self) -> f64 {
        self.width.min(self.height)
    }

    /// Takes a strip of that area off the longer side: the strip, and what is left.
    fn split_off(self, area: f64) -> (Rect, Rect) {
        match self.width >= self.height {
            true => {
                let width = (area / self.height).min(self.width);
                let strip = Rect { width, ..self };
                let x = self.x + width;
                let width = self.width - width;
                (strip, Rect { x, width, ..self })
            }
            false => {
                let height = (area / self.width).min(self.height);
                let strip = Rect { height, ..self };
                let y = self.y + height;
                let height = self.height - height;
                (strip, Rect { y, height, ..self })
            }
        }
    }
}

/// The rectangles of `weights` (each above zero, largest first) that fill `whole`, in the same order.
pub(super) fn layout(weights: &[f64], whole: Rect) -> Vec<Rect> {
    let total: f64 = weights.iter().sum();
    let unit = whole.width * whole.height / total.max(f64::MIN_POSITIVE);
    let areas: Vec<f64> = weights.iter().map(|weight| weight * unit).collect();
    let mut out = Vec::with_capacity(areas.len());
    let (mut rest, mut left) = (&areas[..], whole);
    while !rest.is_empty() {
        let (row, others) = rest.split_at(row_length(rest, left.shorter_side()));
        let sum: f64 = row.iter().sum();
        let upright = left.width >= left.height;
        let (strip, remaining) = left.split_off(sum);
        place(row, sum, strip, upright, &mut out);
        (rest, left) = (others, remaining);
    }
    out
}

/// How many areas the next strip takes: until one more would make its worst rectangle longer.
fn row_length(areas: &[f64], side: f64) -> usize {
    let mut best = f64::INFINITY;
    for length in 1..=areas.len() {
        let worst = worst_ratio(&areas[..length], side);
        if worst > best {
            return length - 1;
        }
        best = worst;
    }
    areas.len()
}

/// The largest ratio of sides among these areas when they share a strip along `side`.
fn worst_ratio(areas: &[f64], side: f64) -> f64 {
    let sum: f64 = areas.iter().sum();
    let thickness = sum / side.max(f64::MIN_POSITIVE);
    areas.iter().fold(0.0, |worst: f64, area| {
        let length = area / thickness.max(f64::MIN_POSITIVE);
        worst.max(length / thickness).max(thickness / length)
    })
}

/// Divides one strip among its areas: one below the other where it is upright, else side by side.
fn place(areas: &[f64], sum: f64, strip: Rect, upright: bool, out: &mut Vec<Rect>) {
    let (mut x, mut y) = (strip.x, strip.y);
    for area in areas {
        let share = area / sum.max(f64::MIN_POSITIVE);
        let (width, height) = match upright {
            true => (strip.width, strip.height * share),
            false => (strip.width * share, strip.height),
        };
        out.push(Rect {
            x,
            y,
            width,
            height,
        });
        match upright {
            true => y += height,
            false => x += width,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Rect = Rect {
        x: 0.0,
        y: 0.0,
        width: 300.0,
        height: 100.0,
    };

    #[test]
    fn areas_are_in_proportion_and_fill_the_whole() {
        let weights = [600.0, 60.0, 60.0, 40.0, 30.0, 20.0, 10.0, 1.0];
        let rects = layout(&weights, WHOLE);
        assert_eq!(rects.len(), weights.len());
        let total: f64 = weights.iter().sum();
        for (rect, weight) in rects.iter().zip(weights) {
            let share = rect.width * rect.height / 30_000.0;
            assert!((share - weight / total).abs() < 1e-9, "{rect:?}");
            assert!(rect.x >= -1e-9 && rect.x + rect.width <= 300.0 + 1e-9);
            assert!(rect.y >= -1e-9 && rect.y + rect.height <= 100.0 + 1e-9);
        }
        for (i, a) in rects.iter().enumerate() {
            for b in &rects[i + 1..] {
                let wide = (a.x + a.width).min(b.x + b.width) - a.x.max(b.x);
                let high = (a.y + a.height).min(b.y + b.height) - a.y.max(b.y);
                assert!(wide < 1e-6 || high < 1e-6, "{a:?} covers {b:?}");
            }
        }
    }

    #[test]
    fn equal_weights_make_no_slivers() {
        for count in 1..40 {
            for rect in layout(&vec![1.0; count], WHOLE) {
                let ratio = (rect.width / rect.height).max(rect.height / rect.width);
                assert!(ratio < 4.0, "{count}: {rect:?}");
            }
        }
    }

    #[test]
    fn nothing_makes_nothing() {
        assert_eq!(layout(&[], WHOLE), []);
    }
}
