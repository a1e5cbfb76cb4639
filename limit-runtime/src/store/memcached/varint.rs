//! Numbers in as few bytes as they need: seven bits in each byte, the lowest first.

/// Appends a number.
pub(super) fn write(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

/// Takes a number off the start of `bytes`; `None` if there is none.
pub(super) fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// How many bytes a number needs.
pub(super) fn len(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn low_byte(number: u64) -> u8 {
    let [byte, ..] = (number & 0x7f).to_le_bytes();
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let near = (0..64).flat_map(|bits| {
            let near = 1_u64 << bits;
            [near - 1, near, near + 1]
        });
        for number in near.chain([u64::MAX]) {
            let mut out = Vec::new();
            write(&mut out, number);
            assert_eq!(out.len(), len(number), "{number}");
            let mut bytes = &out[..];
            assert_eq!(read(&mut bytes), Some(number));
            assert!(bytes.is_empty());
            assert_eq!(read(&mut &out[..out.len() - 1]), None);
        }
    }

    #[test]
    fn more_than_64_bits_are_no_number() {
        assert_eq!(read(&mut &[0xff; 12][..]), None);
        let mut large = [0xff; 10];
        large[9] = 2;
        assert_eq!(read(&mut &large[..]), None);
    }
}
