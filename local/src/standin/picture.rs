//! The one picture a stand-in draws: it says what drew it.

/// A PNG of 64 by 16 pixels in black and white, in base 64. It shows the word STAND-IN.
pub(super) const PNG: &str = concat!(
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAAAQAQAAAACOnESEAAAAPklEQVR42mP4DwUM+BgtEnf5f9wFMurLfcv/ngUz",
    "Qsv/XgUy+gsiS2RvAhnfy2PL/95FZvCXx0J0EWMFFAAAkTFt4fyrr+0AAAAASUVORK5CYII=",
);

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn it_begins_and_ends_as_a_png() {
        let png = STANDARD.decode(PNG).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x10"));
        assert!(png.ends_with(b"\0\0\0\0IEND\xaeB`\x82"));
    }
}
