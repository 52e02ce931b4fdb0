//! The modules of a QR code. The crate encodes and draws them; which of the eight masks they get is decided here: the crate's own
//! decision asks for memory 10,000 times and more, and took longer than all the rest of a mail.

use crate::MailError;
use qrcode::bits::encode_auto;
use qrcode::canvas::{Canvas, MaskPattern};
use qrcode::ec::construct_codewords;
use qrcode::{Color, EcLevel};

const MASKS: [MaskPattern; 8] = [
    MaskPattern::Checkerboard,
    MaskPattern::HorizontalLines,
    MaskPattern::VerticalLines,
    MaskPattern::DiagonalLines,
    MaskPattern::LargeCheckerboard,
    MaskPattern::Fields,
    MaskPattern::Diamonds,
    MaskPattern::Meadow,
];

/// What looks like a finder pattern in a row or a column: 1:1:3:1:1 beside four light modules.
const FINDERS: [[Color; 11]; 2] = {
    const D: Color = Color::Dark;
    const L: Color = Color::Light;
    [[D, L, D, D, D, L, D, L, L, L, L], [L, L, L, L, D, L, D, D, D, L, D]]
};

/// A QR code, without its quiet zone.
pub struct Modules {
    /// How many modules it is wide and high.
    pub width: usize,
    colors: Vec<Color>,
}

impl Modules {
    /// The smallest QR code (ISO/IEC 18004) of `text` at error correction M.
    pub fn of(text: &str) -> Result<Self, MailError> {
        let unmasked = unmasked(text)?;
        let masked = MASKS.map(|mask| {
            let mut canvas = unmasked.clone();
            canvas.apply_mask(mask);
            Self::from(canvas)
        });
        masked.into_iter().min_by_key(Self::penalty).ok_or(MailError::QrCode)
    }

    /// Its rows, from the top; each has the modules from the left.
    pub fn rows(&self) -> impl Iterator<Item = &[Color]> {
        self.colors.chunks(self.width)
    }

    /// How hard it is to read: section 7.8.3 of ISO/IEC 18004.
    fn penalty(&self) -> usize {
        let is_dark = |x: usize, y: usize| self.colors[y * self.width + x] == Color::Dark;
        let along = along(self.width, self.width, is_dark) + along(self.width, self.width, |y, x| is_dark(x, y));
        let is_block = |(upper, lower): (&[Color], &[Color])| [upper[1], lower[0], lower[1]] == [upper[0]; 3];
        let rows: Vec<&[Color]> = self.rows().collect();
        let blocks = rows.windows(2).flat_map(|pair| pair[0].windows(2).zip(pair[1].windows(2))).filter(|pair| is_block(*pair));
        let dark = self.colors.iter().filter(|color| **color == Color::Dark).count();
        let off_balance = (20 * dark).abs_diff(10 * self.colors.len()) / self.colors.len();
        along + 3 * blocks.count() + 10 * off_balance
    }
}

impl From<Canvas> for Modules {
    fn from(canvas: Canvas) -> Self {
        let colors = canvas.into_colors();
        Self { width: colors.len().isqrt(), colors }
    }
}

fn unmasked(text: &str) -> Result<Canvas, MailError> {
    let encoded = || {
        let bits = encode_auto(text.as_bytes(), EcLevel::M)?;
        let version = bits.version();
        let (data, correction) = construct_codewords(&bits.into_bytes(), version, EcLevel::M)?;
        let mut canvas = Canvas::new(version, EcLevel::M);
        canvas.draw_all_functional_patterns();
        canvas.draw_data(&data, &correction);
        Ok(canvas)
    };
    encoded().map_err(|_: qrcode::types::QrError| MailError::QrCode)
}

/// The penalty of `lines` of so many modules: for five and more of one color one after the other, and for what looks like a finder
/// pattern. Each module's color is a bit, so that up to 64 lines are judged at once.
fn along(lines: usize, length: usize, is_dark: impl Fn(usize, usize) -> bool) -> usize {
    let of_some = |first: usize| {
        let some = first..lines.min(first + 64);
        let word = |place| some.clone().fold(0_u64, |word, line| word << 1 | u64::from(is_dark(line, place)));
        let words: Vec<u64> = (0..length).map(word).collect();
        let alike: Vec<u64> = words.windows(2).map(|pair| !(pair[0] ^ pair[1])).collect();
        let fives: Vec<u64> =
            alike.windows(4).map(|four| four.iter().fold(all(some.len()), |five, alike| five & alike)).collect();
        let begins = std::iter::once(&0).chain(&fives).zip(&fives).map(|(before, five)| five & !before);
        // A run of five counts 3, and each module more counts 1.
        let runs = ones(fives.iter().copied()) + 2 * ones(begins);
        let finders = words.windows(11).flat_map(|window| FINDERS.map(|finder| looks_like(finder, window, all(some.len()))));
        runs + 40 * ones(finders)
    };
    (0..lines).step_by(64).map(of_some).sum()
}

/// The lines, out of `lines`, whose modules have these colors.
fn looks_like(colors: [Color; 11], words: &[u64], lines: u64) -> u64 {
    let fits = |(color, word): (Color, &u64)| if color == Color::Dark { *word } else { !*word };
    colors.into_iter().zip(words).map(fits).fold(lines, |lines, fits| lines & fits)
}

fn ones(words: impl Iterator<Item = u64>) -> usize {
    words.map(|word| word.count_ones() as usize).sum()
}

/// So many ones.
fn all(lines: usize) -> u64 {
    u64::MAX >> (64 - lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<Color> {
        text.chars().map(|module| if module == '#' { Color::Dark } else { Color::Light }).collect()
    }

    #[test]
    fn a_line_is_judged_as_the_standard_says() {
        for (modules, penalty) in [
            ("#.#.#.#.", 0),
            ("####....", 0),
            ("#####.", 3),
            ("#######.", 5),
            ("#####.....", 6),
            ("#.###.#....", 40),
            ("....#.###.#", 40),
            ("....#.###.#....", 80),
            ("#.###.#...#", 0),
            ("##.###.#.....", 43),
            (".#....#.###.##", 40),
            (".#...#....#.", 0),
        ] {
            let line = line(modules);
            let is_dark = |_, place: usize| line[place] == Color::Dark;
            assert_eq!(along(1, line.len(), is_dark), penalty, "{modules}");
            assert_eq!(along(130, line.len(), is_dark), 130 * penalty, "{modules}");
        }
    }

    #[test]
    fn blocks_and_balance_count_too() {
        let square = |text: &str, width| Modules { width, colors: line(text) };
        assert_eq!(square("#..#", 2).penalty(), 0);
        // One block, and twice half of all modules too many: ten steps of 5 %.
        assert_eq!(square("####", 2).penalty(), 3 + 100);
        // Two rows alike in two columns alike, and 5 of 9 dark.
        assert_eq!(square("##.##...#", 3).penalty(), 3 + 10);
        // In columns as in rows: five of each, with sixteen blocks.
        assert_eq!(square(&"#".repeat(25), 5).penalty(), 10 * 3 + 16 * 3 + 100);
    }

    #[test]
    fn the_mask_of_least_penalty_is_taken() {
        for text in ["LPA:1$rsp.example.com$QR-G-5C-1LS-1W1Z9P7", "A", "東京タワー"] {
            let taken = Modules::of(text).unwrap();
            let unmasked = unmasked(text).unwrap();
            for mask in MASKS {
                let mut other = unmasked.clone();
                other.apply_mask(mask);
                assert!(taken.penalty() <= Modules::from(other).penalty(), "{text}");
            }
        }
    }
}
