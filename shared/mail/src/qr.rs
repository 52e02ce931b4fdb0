//! QR codes, as PNG for mails and as SVG for pages.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use png::{BitDepth, ColorType, Encoder, chunk};
use qrcode::Color;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::MailError;
use crate::modules::Modules;

/// The blank border that ISO/IEC 18004 asks for, in modules.
const QUIET_ZONE: usize = 4;

/// The least width of an image, in pixels: a phone reads this from a screen at arm's length.
const MIN_PIXELS: usize = 250;

/// A QR code as an image.
pub(crate) struct QrImage {
    pub(crate) png: Vec<u8>,
    /// Width and height, in pixels.
    pub(crate) pixels: usize,
}

/// The QR code (ISO/IEC 18004) of `text` as a square PNG of 1-bit grayscale: error correction M, a quiet zone of 4
/// modules, whole pixels per module and at least 250 pixels wide. A code of an eSIM takes less than 2 KB.
///
/// # Errors
/// [`MailError::QrCode`] when `text` is longer than a QR code holds at that error correction (2,331 bytes).
pub fn qr_png(text: &str) -> Result<Vec<u8>, MailError> {
    draw(text).map(|image| image.png)
}

/// The same as a drawing (SVG 1.1), for where no mail program has to show it: some 2 KB, and none of its code compresses anything.
///
/// # Errors
/// As [`qr_png`].
pub fn qr_svg(text: &str) -> Result<String, MailError> {
    let code = Modules::of(text)?;
    let (modules, scale) = size(&code);
    let pixels = modules * scale;
    // A line through the middle of each run of dark modules, from where the one before ended.
    let mut lines = String::new();
    for (y, row) in code.rows().enumerate() {
        let _ = write!(lines, "M{QUIET_ZONE},{}", QUIET_ZONE + y);
        for run in row.chunk_by(|a, b| a == b) {
            let _ = match run[0] {
                Color::Dark => write!(lines, "h{}", run.len()),
                Color::Light => write!(lines, "m{},0", run.len()),
            };
        }
    }
    Ok(format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{pixels}' height='{pixels}' viewBox='0 -.5 {modules} {modules}' \
         shape-rendering='crispEdges'><path fill='white' d='M0-.5h{modules}v{modules}H0z'/><path stroke='black' d='{lines}'/></svg>"
    ))
}

/// How many modules an image is wide with its quiet zone, and how many pixels each of them is.
fn size(code: &Modules) -> (usize, usize) {
    let modules = code.width + 2 * QUIET_ZONE;
    (modules, MIN_PIXELS.div_ceil(modules))
}

pub(crate) fn draw(text: &str) -> Result<QrImage, MailError> {
    let code = Modules::of(text)?;
    let (modules, scale) = size(&code);
    let pixels = modules * scale;

    // Each row begins with the number of its filter, and that is none.
    let blank = [vec![0], vec![0xff_u8; pixels.div_ceil(8)]].concat();
    let border = blank.repeat(QUIET_ZONE * scale);
    let mut rows = Vec::with_capacity(blank.len() * pixels);
    rows.extend_from_slice(&border);
    for modules in code.rows() {
        let mut row = blank.clone();
        for (index, _) in modules.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
            let left = (QUIET_ZONE + index) * scale;
            for pixel in left..left + scale {
                row[1 + pixel / 8] &= !(0x80 >> (pixel % 8));
            }
        }
        rows.extend_from_slice(&row.repeat(scale));
    }
    rows.extend_from_slice(&border);

    let png = encode(pixels, &rows).map_err(|_| MailError::QrCode)?;
    Ok(QrImage { png, pixels })
}

/// The image of these rows. They are compressed here and at once: the encoder goes row by row, with two steps of the compression for
/// each of them. Rows that repeat each other are found by the compression itself: it makes less of what a filter leaves of them.
fn encode(pixels: usize, rows: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let side = u32::try_from(pixels).map_err(|_| png::EncodingError::LimitsExceeded)?;
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::default());
    compressed.write_all(rows)?;
    let mut png = Vec::new();
    let mut encoder = Encoder::new(&mut png, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_chunk(chunk::IDAT, &compressed.finish()?)?;
    // Dropped, it writes the end.
    drop(writer);
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "LPA:1$rsp.example.com$QR-G-5C-1LS-1W1Z9P7";

    struct Gray {
        pixels: usize,
        rows: Vec<u8>,
    }

    impl Gray {
        fn of(png: &[u8]) -> Self {
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut rows = vec![0; reader.output_buffer_size().unwrap()];
            let frame = reader.next_frame(&mut rows).unwrap();
            assert_eq!(frame.width, frame.height);
            assert_eq!((frame.color_type, frame.bit_depth), (ColorType::Grayscale, BitDepth::One));
            Self { pixels: frame.width as usize, rows }
        }

        fn is_light(&self, x: usize, y: usize) -> bool {
            self.rows[y * self.pixels.div_ceil(8) + x / 8] & (0x80 >> (x % 8)) != 0
        }

        fn read(&self) -> (rqrr::MetaData, String) {
            read(self.pixels, |x, y| self.is_light(x, y))
        }
    }

    fn read(pixels: usize, is_light: impl Fn(usize, usize) -> bool) -> (rqrr::MetaData, String) {
        let gray = |x, y| if is_light(x, y) { 255 } else { 0 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(pixels, pixels, gray);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap()
    }

    #[test]
    fn is_read_back_by_an_independent_decoder() {
        for text in [
            EXAMPLE.to_owned(),
            "LPA:1$a.io$B".to_owned(),
            "LPA:1$rsp.example.com$ABC$1.3.6.1.4.1.31746$1".to_owned(),
            "東京タワー".to_owned(),
            "x".repeat(255),
            "y".repeat(2_331),
        ] {
            let (meta, read) = Gray::of(&qr_png(&text).unwrap()).read();
            assert_eq!(read, text);
            // The two bits of level M in the format information (ISO/IEC 18004).
            assert_eq!(meta.ecc_level, 0);
        }
    }

    #[test]
    fn is_wide_enough_and_has_its_quiet_zone() {
        for length in [1, 20, 45, 62, 100, 255, 1_000, 2_331] {
            let image = draw(&"a".repeat(length)).unwrap();
            assert!(image.pixels >= MIN_PIXELS, "{length}: {}", image.pixels);
            let gray = Gray::of(&image.png);
            assert_eq!(gray.pixels, image.pixels);
            let first_dark =
                (0..image.pixels).flat_map(|y| (0..image.pixels).map(move |x| (x, y))).find(|(x, y)| !gray.is_light(*x, *y));
            // The finder pattern begins right after the quiet zone, and nothing is dark before it.
            let (x, y) = first_dark.unwrap();
            assert_eq!(x, y);
            let modules = Modules::of(&"a".repeat(length)).unwrap().width + 8;
            assert_eq!(x * modules, 4 * image.pixels);
        }
    }

    #[test]
    fn a_drawing_is_read_back_as_well() {
        for text in [EXAMPLE.to_owned(), "東京タワー".to_owned(), "x".repeat(255)] {
            let svg = qr_svg(&text).unwrap();
            let modules: usize = svg.split_once("viewBox='0 -.5 ").unwrap().1.split_once(' ').unwrap().0.parse().unwrap();
            let lines = svg.split_once("stroke='black' d='").unwrap().1.split_once('\'').unwrap().0;
            let mut dark = vec![vec![false; modules]; modules];
            let (mut x, mut y) = (0, 0);
            for (place, step) in lines.match_indices(['M', 'm', 'h']) {
                let numbers = lines[place + 1..].split(['M', 'm', 'h']).next().unwrap();
                let numbers: Vec<usize> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
                match (step, &numbers[..]) {
                    ("M", [left, top]) => (x, y) = (*left, *top),
                    ("m", [run, 0]) => x += run,
                    ("h", [run]) => {
                        dark[y][x..x + run].fill(true);
                        x += run;
                    }
                    _ => panic!("{step} {numbers:?}"),
                }
            }
            // Eight pixels to a module: the decoder wants some.
            let is_dark = |x: usize, y: usize| dark[y][x];
            assert_eq!(read(modules * 8, |x, y| !is_dark(x / 8, y / 8)).1, text);
            let size = svg.split_once("width='").unwrap().1.split_once('\'').unwrap().0;
            assert_eq!(size.parse(), Ok(draw(&text).unwrap().pixels));
        }
        assert!(qr_svg(EXAMPLE).unwrap().len() < 2_500, "{}", qr_svg(EXAMPLE).unwrap().len());
        assert_eq!(qr_svg(&"y".repeat(2_332)), Err(MailError::QrCode));
    }

    #[test]
    fn is_small_for_any_activation_code() {
        assert!(qr_png(EXAMPLE).unwrap().len() < 1_000);
        // SGP.22 limits an activation code to 255 characters.
        let longest: String = ('A'..='Z').cycle().step_by(7).take(255).collect();
        assert!(qr_png(&longest).unwrap().len() <= 2_048);
    }

    #[test]
    fn refuses_what_no_code_holds() {
        assert_eq!(qr_png(&"y".repeat(2_332)), Err(MailError::QrCode));
    }
}
