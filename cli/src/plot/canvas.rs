//! [`Canvas`]: dots, and the characters that hold them.

/// What is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Braille patterns: 2 × 4 dots in a character.
    Braille,
    /// A star for each dot.
    Ascii,
}

impl Ink {
    fn dots_in_a_character(self) -> (usize, usize) {
        match self {
            Self::Braille => (2, 4),
            Self::Ascii => (1, 1),
        }
    }
}

/// Bits of a braille pattern, by row and column of the dot.
const BRAILLE: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// The empty pattern.
const BRAILLE_BLANK: u32 = 0x2800;

/// A sheet of dots; (0, 0) is its lower left corner and (1, 1) its upper right one.
#[derive(Debug)]
pub(super) struct Canvas {
    ink: Ink,
    width: usize,
    height: usize,
    /// Row by row from the top.
    dots: Vec<bool>,
}

impl Canvas {
    /// An empty sheet of `width` × `height` characters.
    pub(super) fn new(width: usize, height: usize, ink: Ink) -> Self {
        let (across, down) = ink.dots_in_a_character();
        let (width, height) = (width * across, height * down);
        Self {
            ink,
            width,
            height,
            dots: vec![false; width * height],
        }
    }

    /// Draws a straight line, its ends included.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let scaled = |(x, y): (f64, f64)| (x * (self.width - 1) as f64, (1.0 - y) * (self.height - 1) as f64);
        let ((x0, y0), (x1, y1)) = (scaled(from), scaled(to));
        let dots = (x1 - x0).abs().max((y1 - y0).abs()).ceil().max(1.0);
        for i in 0..=dots as usize {
            let part = i as f64 / dots;
            let x = (x0 + (x1 - x0) * part).round() as usize;
            let y = (y0 + (y1 - y0) * part).round() as usize;
            self.dots[y.min(self.height - 1) * self.width + x.min(self.width - 1)] = true;
        }
    }

    /// The sheet as lines of text.
    pub(super) fn rows(&self) -> Vec<String> {
        let (across, down) = self.ink.dots_in_a_character();
        (0..self.height / down)
            .map(|row| {
                (0..self.width / across)
                    .map(|column| self.character(column * across, row * down))
                    .collect()
            })
            .collect()
    }

    fn character(&self, left: usize, top: usize) -> char {
        let dot = |x: usize, y: usize| self.dots[(top + y) * self.width + left + x];
        match self.ink {
            Ink::Ascii if dot(0, 0) => '*',
            Ink::Ascii => ' ',
            Ink::Braille => {
                let mut bits = 0;
                for (y, row) in BRAILLE.iter().enumerate() {
                    for (x, bit) in row.iter().enumerate() {
                        bits |= if dot(x, y) { *bit } else { 0 };
                    }
                }
                // A blank pattern is wider than a space in some fonts.
                match bits {
                    0 => ' ',
                    _ => char::from_u32(BRAILLE_BLANK | bits).unwrap_or(' '),
                }
            }
        }
    }
}
